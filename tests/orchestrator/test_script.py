from __future__ import annotations

from typing import Any

import pytest

from orchestrator.script import Limits, Roster, Settling, Step, drain_script, start_script, stop_script

ROSTER = Roster({1: "source", 2: "mux", 3: "nic", 4: "sink"}, ((3,), (2, 4), (1,)), frozenset({1}))
LIMITS = Limits(start=9, pause=5, settle=6, end=1)


def test_starting_goes_up_level_by_level_after_every_hello() -> None:
    assert start_script(ROSTER, LIMITS) == [
        Step("hello", (1, 2, 3, 4), 9),
        Step("initialize", (3,), 9),
        Step("initialize", (2, 4), 9),
        Step("initialize", (1,), 9),
        Step("restart", (3,), 9),
        Step("restart", (2, 4), 9),
        Step("restart", (1,), 9),
    ]


def test_draining_pauses_the_sources_waits_and_goes_down_from_the_top() -> None:
    assert drain_script(ROSTER, LIMITS) == [
        Step("pause", (1,), 5),
        Step("settle", (1, 2, 3, 4), 6),
        Step("pause", (), 5),
        Step("pause", (2, 4), 5),
        Step("pause", (3,), 5),
        Step("rest", (1, 2, 3, 4), 1),
        Step("halt", (1,), 5),
        Step("halt", (2, 4), 5),
        Step("halt", (3,), 5),
    ]


def test_stopping_becomes_harder_step_by_step() -> None:
    assert [step.verb for step in stop_script(ROSTER, LIMITS)] == ["exit", "terminate", "kill"]


def judge(settling: Settling, *answers: Any) -> str:
    settling.begin()
    for node, answer in enumerate(answers, start=1):
        assert settling.note(node, answer) == node
    return settling.judge()


def answer(sent: int, received: int, quiet: bool = True) -> dict[str, Any]:
    return {"quiet": quiet, "sent": sent, "received": received}


def test_two_equal_quiet_waves_in_a_row_are_settled() -> None:
    settling = Settling()
    assert judge(settling, answer(5, 3), answer(3, 5)) == "quiet"
    assert judge(settling, answer(5, 3), answer(3, 5)) == "settled"


def test_a_wave_with_other_totals_counts_as_the_first_again() -> None:
    settling = Settling()
    assert judge(settling, answer(5, 5)) == "quiet"
    assert judge(settling, answer(6, 6)) == "quiet"
    assert judge(settling, answer(6, 6)) == "settled"


def test_a_busy_wave_between_two_quiet_ones_breaks_the_row() -> None:
    settling = Settling()
    assert judge(settling, answer(5, 5)) == "quiet"
    assert judge(settling, answer(5, 4)) == "busy"
    assert judge(settling, answer(5, 5)) == "quiet"


def test_a_node_that_still_holds_something_keeps_the_run_busy() -> None:
    assert judge(Settling(), answer(5, 5, quiet=False)) == "busy"


@pytest.mark.parametrize("nonsense", [None, 7, [], {}, {"quiet": 1, "sent": 0, "received": 0}, {"sent": "x"}])
def test_an_answer_that_makes_no_sense_is_never_quiet(nonsense: Any) -> None:
    assert judge(Settling(), nonsense) == "busy"
