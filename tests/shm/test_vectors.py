from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shm.ring import U64
from shm.vectors import none_set, same

VECTORS = arrays.arrays(np.uint64, st.integers(0, 8), elements=st.integers(0, 2))


@given(VECTORS, VECTORS)
def test_two_vectors_are_the_same_when_length_and_values_are(left: U64, right: U64) -> None:
    assert same(left, right) == (left.tolist() == right.tolist())


@given(VECTORS)
def test_none_is_set_when_all_are_zero(values: U64) -> None:
    assert none_set(values) == (not any(values.tolist()))
    assert none_set(values == 3)


def test_strided_vectors_are_compared_by_value() -> None:
    block = np.arange(12, dtype=np.uint64).reshape(3, 4)
    assert same(block[:, 1], np.array([1, 5, 9], np.uint64))
