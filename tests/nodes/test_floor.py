"""The floor is what clock and sleep show, and finding it takes less than 20 ms."""

from __future__ import annotations

from nodes.clock import MonotonicClock, VirtualClock
from nodes.floor import LONGEST, SLEEP, TRIALS, measure_floor
from nodes.metrics import Counter
from shm.board import Board

US = 1_000


def board() -> Board:
    return Board(memoryview(bytearray(Board.layout(1, 64).size)), 1, 64)


def measured(on: Board) -> tuple[int, int, int]:
    """Return clock step, median and 90th percentile of the delays, ns."""
    counters = on.counters
    return counters[Counter.CLOCK_STEP_NS], counters[Counter.WAKE_P50_NS], counters[Counter.WAKE_P90_NS]


class Sleeper:
    """Sleeps on a virtual clock and wakes late by the delays given, the last one for ever."""

    def __init__(self, *delays: int, woken_after: int = 1 << 30) -> None:
        self.clock = VirtualClock(1)
        self.count = 0
        self._delays = delays
        self._woken_after = woken_after

    def sleep(self, duration: int) -> bool:
        late = self._delays[min(self.count, len(self._delays) - 1)]
        self.clock.advance_to(self.clock.now() + duration + late)
        self.count += 1
        return self.count > self._woken_after


def test_the_delays_of_a_sleeper_are_told_by_median_and_90th_percentile() -> None:
    sleeper, on = Sleeper(*[50 * US] * 15, *[90 * US] * 5), board()
    measure_floor(sleeper.clock, sleeper.sleep, on)
    assert measured(on) == (0, 50 * US, 90 * US)
    assert sleeper.count == TRIALS


def test_a_machine_that_wakes_nobody_in_time_is_not_asked_for_long() -> None:
    sleeper, on = Sleeper(4_000 * US), board()
    measure_floor(sleeper.clock, sleeper.sleep, on)
    assert measured(on) == (0, 4_000 * US, 4_000 * US)
    assert sleeper.count == -(-LONGEST // (4_000 * US + SLEEP))


def test_one_who_is_woken_by_others_learns_nothing_of_that_trial() -> None:
    sleeper, on = Sleeper(10 * US, 70_000 * US, woken_after=1), board()
    measure_floor(sleeper.clock, sleeper.sleep, on)
    assert measured(on) == (0, 10 * US, 10 * US)


def test_the_clock_of_the_machine_has_a_step() -> None:
    on = board()
    measure_floor(MonotonicClock(), lambda duration: True, on)
    step, median, worst = measured(on)
    assert 0 < step < 1_000_000
    assert (median, worst) == (0, 0)
