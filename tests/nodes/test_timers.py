from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from nodes.timers import NEVER, Timers


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 25), max_size=6).map(sorted))
def test_timers_run_once_in_order_and_never_early(dues: list[int], looks: list[int]) -> None:
    timers = Timers()
    ran: list[tuple[int, int]] = []
    for number, due in enumerate(dues):
        timers.at(due, partial(ran.append, (due, number)))
    for now in looks:
        before = len(ran)
        assert timers.run_due(now) == len(ran) - before
        assert ran == sorted((due, number) for number, due in enumerate(dues) if due <= now)
        assert timers.next_due() == min((due for due in dues if due > now), default=NEVER)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans())))
def test_a_cancelled_timer_neither_runs_nor_counts(timers_made: list[tuple[int, bool]]) -> None:
    timers = Timers()
    ran: list[int] = []
    for number, (due, cancelled) in enumerate(timers_made):
        timer = timers.at(due, partial(ran.append, number))
        if cancelled:
            timer.cancel()
    alive = [number for number, (_, cancelled) in enumerate(timers_made) if not cancelled]
    assert timers.next_due() == min((timers_made[number][0] for number in alive), default=NEVER)
    assert timers.run_due(9) == len(alive)
    assert sorted(ran) == alive


def test_a_timer_can_cancel_one_that_is_due_with_it() -> None:
    timers = Timers()
    ran: list[str] = []
    timers.at(1, lambda: later.cancel())
    later = timers.at(1, partial(ran.append, "later"))
    assert timers.run_due(1) == 1
    assert ran == []


def test_one_that_sets_itself_anew_in_the_past_keeps_nobody_waiting() -> None:
    timers = Timers()
    ran: list[str] = []

    def catch_up() -> None:
        ran.append("catch up")
        timers.at(11, catch_up)

    timers.at(10, catch_up)
    timers.at(20, partial(ran.append, "other"))
    assert timers.run_due(30) == 2
    assert ran == ["catch up", "other"]
    assert timers.next_due() == 11


def test_without_timers_nothing_is_due_ever() -> None:
    assert Timers().next_due() == NEVER
    assert Timers().run_due(NEVER) == 0
