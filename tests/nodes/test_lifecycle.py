from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.lifecycle import TRANSITIONS
from nodes.metrics import NodeState
from nodes.status import Status
from shm.board import Word
from tests.bench import Bench
from tests.layers import Floor, Teller

OK = {"ok": True, "value": None}
COMMANDS = ["initialize", "restart", "pause", "halt"]


class Pauses(Floor):
    """A bottom whose answer to pause a test sets; it completes the pause in the handler if told so."""

    answer = Status.SUCCESS
    at_once = False

    def pause(self) -> Status:
        if self.at_once:
            self.pause_complete()
        return self.answer


def bench_of(bottom: type[Floor] = Floor, **options: Any) -> tuple[Bench, Teller, Floor]:
    bench = Bench({"top": Teller, "nic": (bottom, options)}, ["top -> nic"]).start()
    return bench, bench.driver("top", Teller), bench.driver("nic", bottom)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(COMMANDS), max_size=12))
def test_a_command_moves_a_node_only_where_the_table_says(commands: list[str]) -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"])
    node, state = bench.nodes["nic"], NodeState.HALTED
    ends = {
        NodeState.INITIALIZING: NodeState.PAUSED,
        NodeState.RESTARTING: NodeState.RUNNING,
        NodeState.PAUSING: NodeState.PAUSED,
    }
    for command in commands:
        answers = bench.command("nic", command)
        node.poll()
        entered = TRANSITIONS.get((state, command))
        if entered is None:
            assert answers == [{"ok": False, "error": f"{command} is not allowed in state {state.name}"}]
        else:
            state = ends.get(entered, entered)
            assert answers == [OK]
        assert node.lifecycle.state is state
        assert node.board.words[Word.STATE] == state
    assert bench.kinds() == []


def test_a_pause_waits_until_everything_handed_over_is_back() -> None:
    bench, top, nic = bench_of(hold=True)
    top.send(3)
    bench.settle()
    answers = bench.command("top", "pause")
    bench.settle()
    assert (answers, bench.nodes["top"].lifecycle.state) == ([], NodeState.PAUSING)
    nic.complete(2)
    bench.settle()
    assert answers == []
    nic.complete()
    bench.settle()
    assert (answers, bench.nodes["top"].lifecycle.state) == ([OK], NodeState.PAUSED)


def test_a_miniport_is_paused_when_all_it_lent_is_back() -> None:
    bench, top, nic = bench_of()
    top.keep = True
    nic.indicate(b"z" * 60)
    bench.settle()
    answers = bench.command("nic", "pause")
    bench.settle()
    assert answers == []
    top.return_kept()
    bench.settle()
    assert answers == [OK]


def test_a_pause_answered_with_pending_ends_when_the_driver_says_so() -> None:
    bench, _, nic = bench_of(Pauses)
    vars(nic)["answer"] = Status.PENDING
    answers = bench.command("nic", "pause")
    bench.settle()
    assert answers == []
    nic.pause_complete()
    bench.settle()
    assert answers == [OK]
    assert bench.kinds() == []


def test_a_pause_may_be_completed_before_its_handler_returns_pending() -> None:
    bench, _, nic = bench_of(Pauses)
    vars(nic).update(answer=Status.PENDING, at_once=True)
    answers = bench.command("nic", "pause")
    bench.settle()
    assert answers == [OK]
    assert bench.kinds() == []


def test_completing_a_pause_that_has_ended_is_a_violation() -> None:
    bench, _, nic = bench_of()
    nic.pause_complete()
    bench.pause("nic")
    nic.pause_complete()
    assert bench.kinds() == [("nic", "N6-PNP-05")] * 2


def test_completing_a_pause_and_calling_it_a_success_is_a_violation() -> None:
    bench, _, nic = bench_of(Pauses)
    vars(nic).update(at_once=True)
    bench.pause("nic")
    assert bench.kinds() == [("nic", "N6-PNP-05")]


def test_a_pause_cannot_fail() -> None:
    bench, _, nic = bench_of(Pauses)
    vars(nic)["answer"] = Status.FAILURE
    bench.pause("nic")
    assert bench.kinds() == [("nic", "N6-PNP-02")]


@pytest.mark.parametrize("handed_over", [0, 3])
def test_settle_tells_whether_a_node_is_quiet_and_how_much_crossed(handed_over: int) -> None:
    bench, top, _ = bench_of(hold=True)
    if handed_over:
        top.send(handed_over)
    bench.settle()
    values = {name: bench.command(name, "settle")[0]["value"] for name in bench.nodes}
    assert values["top"] == {"quiet": not handed_over, "sent": handed_over, "received": 0}
    assert values["nic"] == {"quiet": True, "sent": 0, "received": handed_over}


def test_describe_and_exit_are_answered_in_every_state() -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"])
    assert bench.command("nic", "describe") == [{"ok": True, "value": {"state": "HALTED", "held": 0}}]
    assert bench.command("nic", "exit") == [OK]
    assert bench.nodes["nic"].lifecycle.exit_requested
    assert bench.command("nic", "dance") == [{"ok": False, "error": "dance is not allowed in state HALTED"}]


def test_a_whole_stack_can_stop_and_start_again() -> None:
    bench, top, _ = bench_of()
    for _ in range(3):
        top.send(4)
        bench.settle()
        for name in ("top", "nic"):
            bench.pause(name)
        for name in ("nic", "top"):
            assert bench.command(name, "restart") == [OK]
    assert len(top.back) == 12
    assert bench.kinds() == []
