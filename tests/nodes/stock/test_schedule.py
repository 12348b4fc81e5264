"""Every packet has its time, told alone from its number, and as many are due as have their time behind them."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from nodes.rng import Rng
from nodes.stock.phases import ENDLESS, Phase, parse_phases
from nodes.stock.schedule import BLOCK, Draw, Stretch, stretches

MS = 1_000_000
S = 1_000 * MS
MIXED = "100ms@3000, 200ms@1000..90000, 50ms@0, 30ms@700x10ms, 1ms@1500, 100ms@50000..0"


def chance(number: int) -> Draw:
    return partial(Rng(7).uniform, f"arrivals/{number}")


def planned(text: str, *, drawn: bool = False) -> Stretch:
    (stretch,) = stretches(parse_phases(text), chance if drawn else None)
    return stretch


def times(stretch: Stretch, count: int | None = None) -> list[int]:
    return stretch.offsets(np.arange(stretch.count if count is None else count)).tolist()


def test_an_even_rate_spaces_packets_evenly_and_begins_at_once() -> None:
    assert times(planned("10ms@1000")) == [place * MS for place in range(10)]


def test_a_rate_without_end_keeps_its_grid_for_ever() -> None:
    (stretch,) = stretches([Phase(ENDLESS, 3000, 3000)])
    far = 3000 * 3600 * 1000
    assert stretch.count == ENDLESS
    assert stretch.offsets(np.array([far]))[0] == 3_600_000 * S
    assert stretch.due(3_600_000 * S) == far + 1


def test_a_ramp_plans_ever_more() -> None:
    found = times(planned("2s@0..1000"))
    assert len(found) == 1000
    assert found[250] == 1 * S, "after half the time a quarter has left"
    gaps = np.diff(found)
    assert (np.diff(gaps) <= 1).all(), "gaps shrink, but for rounding to ns"


def test_a_ramp_down_ends_in_quiet() -> None:
    found = times(planned("2s@1000..0"))
    assert found[750] == 1 * S
    assert (np.diff(np.diff(found)) >= -1).all()


def test_bursts_leave_together() -> None:
    assert times(planned("25ms@3x10ms")) == [0, 0, 0, 10 * MS, 10 * MS, 10 * MS, 20 * MS, 20 * MS, 20 * MS]


def test_nothing_is_planned_in_a_quiet_phase() -> None:
    assert times(planned("2ms@1000, 5ms@0, 2ms@1000")) == [0, 1 * MS, 7 * MS, 8 * MS]


def test_part_of_a_packet_is_left_to_the_next_phase() -> None:
    assert times(planned(", ".join(["1ms@500"] * 6))) == [0, 2 * MS, 4 * MS]


def test_phases_in_the_closed_model_stand_between_planned_ones() -> None:
    found = stretches(parse_phases("1s@10, 1s@20, 2s@max, 1s@10"))
    assert [(of.planned, of.begin, of.end, of.count) for of in found] == [
        (True, 0, 2 * S, 30),
        (False, 2 * S, 4 * S, 0),
        (True, 4 * S, 5 * S, 10),
    ]
    assert times(found[2], 2) == [4 * S, 4 * S + 100 * MS]
    assert (found[1].next_due(3 * S), found[1].next_due(4 * S)) == (4 * S, ENDLESS)


def test_a_schedule_knows_which_phase_is_on_until_when() -> None:
    found = stretches(parse_phases("1s@10, 1s@20, 2s@max, 1s@max, 1s@10"))
    assert [of.first_phase for of in found] == [0, 2, 4]
    at = [(0, 0), (0, S - 1), (0, S), (1, 2 * S), (1, 4 * S), (1, 9 * S), (2, 5 * S)]
    assert [found[stretch].phase_at(elapsed) for stretch, elapsed in at] == [0, 0, 1, 2, 3, 3, 4]
    ends = [found[stretch].phase_end(elapsed) for stretch, elapsed in at]
    assert ends == [S, S, 2 * S, 4 * S, 5 * S, 5 * S, 6 * S]
    assert [found[1].phase_begin(number) for number in (2, 3)] == [2 * S, 4 * S]


@pytest.mark.parametrize("drawn", [False, True])
def test_a_packet_is_of_the_phase_in_which_it_shall_leave(drawn: bool) -> None:
    stretch = planned(f"{MIXED}, 1ms@0, 1ms@500, 1ms@500, 1s@100..3000", drawn=drawn)
    numbers = np.arange(stretch.count)
    phases = stretch.phases_of(numbers)
    assert [stretch.phase_at(at) for at in times(stretch)] == phases.tolist()
    assert len(set(phases.tolist())) > 4
    for start in range(0, stretch.count, 97):
        assert (stretch.phases_of(numbers[start : start + 32]) == phases[start : start + 32]).all()


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("text", [MIXED, "1s@5000", "1s@3000x100ms", "1ms@1", "1s@0"])
def test_as_many_are_due_as_have_their_time_behind_them(text: str, drawn: bool) -> None:
    stretch = planned(text, drawn=drawn)
    at = times(stretch)
    assert all(before <= after for before, after in pairwise(at))
    assert not at or 0 <= at[0] <= at[-1] < stretch.end
    moments = Rng(1).integers("moments", np.arange(300, dtype=np.uint64), 0, stretch.end + MS).tolist()
    for elapsed in [*sorted(moments), *moments, *at[:50], *at[-50:], 0, stretch.end - 1, stretch.end]:
        due = stretch.due(elapsed)
        assert due == np.searchsorted(at, elapsed, "right"), elapsed
        following = at[due] if due < len(at) else stretch.end
        assert stretch.next_due(elapsed) == (following if elapsed < stretch.end else ENDLESS)


def test_arrivals_by_chance_are_the_same_for_the_same_seed_and_in_any_order() -> None:
    once, again = planned("1s@5000", drawn=True), planned("1s@5000", drawn=True)
    backwards = [again.offsets(np.array([number]))[0] for number in range(4999, -1, -1)]
    assert times(once, 5000) == backwards[::-1]


def test_arrivals_by_chance_have_gaps_like_those_of_a_poisson_process() -> None:
    found = times(planned("100s@1000", drawn=True))
    gaps = np.diff(found) / MS
    assert abs(len(found) - 100_000) <= BLOCK
    assert gaps.mean() == pytest.approx(1, rel=0.01)
    assert gaps.std() == pytest.approx(1, rel=0.02)
    assert np.mean(gaps > 3) == pytest.approx(np.exp(-3), rel=0.05)
