from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.handle import MAX_POOLS, MAX_SLOTS, HandleParts, pack, slots_of, unpack

PARTS = st.builds(
    HandleParts, st.integers(0, (1 << 24) - 1), st.integers(0, MAX_POOLS - 1), st.integers(0, MAX_SLOTS - 1)
)


@given(PARTS)
def test_a_handle_gives_back_its_parts(parts: HandleParts) -> None:
    assert unpack(pack(*parts)) == parts
    assert pack(*parts) < 1 << 64


@given(st.lists(PARTS, unique=True))
def test_different_parts_make_different_handles(parts: list[HandleParts]) -> None:
    handles = np.array([pack(*part) for part in parts], np.uint64)
    assert len(np.unique(handles)) == len(parts)
    assert slots_of(handles).tolist() == [part.slot for part in parts]


def test_generations_begin_again_after_24_bits() -> None:
    assert pack(1 << 24, 1, 5) == pack(0, 1, 5)


@pytest.mark.parametrize(("pool", "slot"), [(MAX_POOLS, 0), (-1, 0), (0, MAX_SLOTS), (0, -1)])
def test_a_part_out_of_range_is_refused(pool: int, slot: int) -> None:
    with pytest.raises(ValueError, match="is not below"):
        pack(1, pool, slot)
