from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.rng import Rng

IDS = np.arange(4000, dtype=np.uint64)
SEEDS = st.integers(-(1 << 70), 1 << 70)


@given(SEEDS, st.text(max_size=20), st.lists(st.integers(0, (1 << 64) - 1), max_size=20))
def test_a_draw_depends_on_seed_name_and_id_alone(seed: int, name: str, ids: list[int]) -> None:
    together = Rng(seed).bits(name, np.array(ids, np.uint64)).tolist()
    alone = [int(Rng(seed).bits(name, np.array([one], np.uint64))[0]) for one in ids]
    assert together == alone


def test_draws_are_the_same_in_every_release() -> None:
    assert Rng(7).bits("loss", IDS[:3]).tolist() == [
        17_274_014_224_975_033_591,
        1_368_254_187_508_169_666,
        4_103_731_938_738_916_884,
    ]


def test_streams_and_seeds_are_unlike() -> None:
    streams = [Rng(1).bits("a", IDS), Rng(1).bits("b", IDS), Rng(2).bits("a", IDS)]
    assert len(np.unique(np.concatenate(streams))) == 3 * len(IDS)


def test_every_bit_is_set_half_the_time() -> None:
    bits = np.unpackbits(Rng(3).bits("bits", IDS).view(np.uint8)).reshape(len(IDS), 64)
    assert (np.abs(bits.mean(axis=0) - 0.5) < 0.05).all()


def test_uniform_numbers_fill_the_unit_interval() -> None:
    draws = Rng(3).uniform("u", IDS)
    assert ((draws >= 0) & (draws < 1)).all()
    assert (np.histogram(draws, bins=10, range=(0, 1))[0] > 300).all()


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-5, 5), (-7, -2), (10**15, 10**15 + 5), (3, 3)])
def test_every_integer_of_a_range_is_as_likely(low: int, high: int) -> None:
    values, counts = np.unique(Rng(11).integers("size", IDS, low, high), return_counts=True)
    assert values.tolist() == list(range(low, high + 1))
    assert counts.min() > 0.75 * len(IDS) / len(values)


@given(st.integers(-(1 << 53), 1 << 53), st.integers(0, (1 << 53) - 1), SEEDS)
def test_no_integer_leaves_its_range(low: int, width: int, seed: int) -> None:
    draws = Rng(seed).integers("n", IDS[:20], low, low + width)
    assert low <= draws.min() <= draws.max() <= low + width


@pytest.mark.parametrize(("low", "high"), [(1, 0), (0, 1 << 53)])
def test_a_range_that_cannot_be_drawn_from_is_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match=f"cannot draw from {low} to {high}"):
        Rng(1).integers("n", IDS, low, high)
