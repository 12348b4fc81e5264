"""Frame sizes are read from text and drawn by sequence number."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nodes.rng import Rng
from nodes.stock.frame_sizes import IMIX, FrameSizes

NUMBERS = np.arange(12_000, dtype=np.uint64)


def test_sizes_too_short_for_a_stamp_count_as_the_shortest_that_is_not() -> None:
    assert FrameSizes.parse("64") == FrameSizes(70, 70)
    assert FrameSizes.parse("1..2048") == FrameSizes(70, 2048)


def test_a_fixed_size_draws_nothing_else() -> None:
    assert set(FrameSizes.parse("512").draw(Rng(1), "s", NUMBERS).tolist()) == {512}


def test_a_range_is_drawn_evenly_up_to_both_ends() -> None:
    counts = Counter(FrameSizes.parse("100..103").draw(Rng(1), "s", NUMBERS).tolist())
    assert sorted(counts) == [100, 101, 102, 103]
    assert max(counts.values()) < 1.1 * min(counts.values())


def test_the_internet_mix_is_seven_four_one() -> None:
    counts = Counter(FrameSizes.parse("imix").draw(Rng(1), "s", NUMBERS).tolist())
    assert sorted(counts) == sorted(set(IMIX))
    shares = [round(counts[size] / 1000) for size in sorted(counts)]
    assert shares == [7, 4, 1]
