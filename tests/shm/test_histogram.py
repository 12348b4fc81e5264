from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shm.histogram import BUCKETS, OCTAVES, PRECISION_BITS, Histogram, bucket_bounds, bucket_of
from shm.ring import U64

DURATIONS = arrays.arrays(np.uint64, st.integers(1, 300), elements=st.integers(0, (1 << OCTAVES) - 1))
ANYTHING = arrays.arrays(np.uint64, st.integers(0, 50), elements=st.integers(0, (1 << 64) - 1))


@given(DURATIONS)
def test_a_value_lies_in_its_bucket(values: U64) -> None:
    lower, upper = bucket_bounds()
    index = bucket_of(values)
    clipped = np.maximum(values, 1)
    assert (lower[index] <= clipped).all()
    assert (clipped < upper[index]).all()


def test_no_bucket_is_wider_than_a_32nd_of_its_values() -> None:
    lower, upper = bucket_bounds()
    assert ((upper - lower) <= lower / (1 << PRECISION_BITS)).all()
    assert (lower[1:] == upper[:-1]).all()


@given(st.lists(ANYTHING, max_size=5))
def test_every_value_is_counted_once(batches: list[U64]) -> None:
    histogram = Histogram(np.zeros(BUCKETS, np.uint64))
    for batch in batches:
        histogram.record(batch)
    assert histogram.counts.sum() == sum(map(len, batches))
    merged = np.concatenate([np.zeros(0, np.uint64), *batches])
    assert histogram.counts.tolist() == np.bincount(bucket_of(merged), minlength=BUCKETS).tolist()


def test_zero_and_the_immeasurable_have_a_bucket_too() -> None:
    values = np.array([0, 1, 1 << OCTAVES, (1 << 64) - 1], np.uint64)
    assert bucket_of(values).tolist() == [0, 0, BUCKETS - 1, BUCKETS - 1]
