"""Runs in one process: exact, on virtual time, with the same drivers."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.events import Reason
from orchestrator.failures import NodeFailed, RunStuck
from orchestrator.inline import Scheduler, SeededScheduler
from orchestrator.outcome import look
from orchestrator.run import Run, launch
from orchestrator.topology import BindingModel, Topology
from tests.orchestrator.stacks import node, stack


def crowd(seed: int) -> Topology:
    """Return three sources above one bottom."""
    sources = {f"source{number}": node("Source", packets=200, chain=8) for number in range(3)}
    return Topology(
        name="crowd",
        nodes={**sources, "bottom": node("Bottom")},
        seed=seed,
        bindings=tuple(BindingModel(upper=name, lower="bottom") for name in sources),
    )


def finished(topology: Topology, seconds: float | None = None, scheduler: Scheduler | None = None) -> Run:
    with launch(topology, mode="inline", scheduler=scheduler) as run:
        run.wait(seconds)
    return run


def test_every_packet_comes_back() -> None:
    run = finished(stack(packets=1000, filters=2))
    assert run.reason is Reason.DONE
    assert (run.error, run.warnings, run.violations) == (None, [], [])
    conservation = look(run).conservation
    assert (conservation.accepted, conservation.completed, conservation.in_flight) == (1000, 1000, 0)


def test_the_same_seed_gives_the_same_trace() -> None:
    assert finished(crowd(1)).trace_sha256 == finished(crowd(1)).trace_sha256


def test_another_seed_gives_another_trace_and_the_same_result() -> None:
    first, second = finished(crowd(1)), finished(crowd(2))
    assert first.trace_sha256 != second.trace_sha256
    assert look(first).conservation == look(second).conservation


class InTurn:
    """Runs the nodes in order of their ids, and notes what it did."""

    def __init__(self) -> None:
        self.chosen: list[int] = []

    def choose(self, runnable: Sequence[int]) -> int:
        later = [number for number in runnable if number > (self.chosen or [0])[-1]]
        self.chosen.append((later or runnable)[0])
        return self.chosen[-1]


def test_the_scheduler_is_a_part_that_can_be_replaced() -> None:
    first, second = InTurn(), InTurn()
    assert (
        finished(crowd(1), scheduler=first).trace_sha256 == finished(crowd(2), scheduler=second).trace_sha256
    )
    assert set(first.chosen) == {1, 2, 3, 4}
    assert first.chosen == second.chosen


def test_a_seeded_scheduler_chooses_among_the_runnable_and_repeats() -> None:
    runnable = [2, 5, 9]
    one, same = SeededScheduler(7), SeededScheduler(7)
    draws = [one.choose(runnable) for _ in range(5000)]
    assert draws == [same.choose(runnable) for _ in range(5000)]
    assert set(draws) == set(runnable)


def test_durations_are_virtual() -> None:
    with launch(stack("Keeper"), mode="inline") as run:
        before = run.now()
        assert run.wait(3600) is Reason.TIME
        assert run.now() - before == 3600 * 10**9


def test_a_run_in_which_nothing_can_happen_any_more_says_so() -> None:
    run = finished(stack("Keeper"))
    assert run.reason is Reason.FAILED
    assert isinstance(run.error, RunStuck)
    assert "'source' has not finished" in str(run.error)
    assert look(run).conservation.in_flight == 256


def test_a_source_without_end_lets_time_pass() -> None:
    assert finished(stack(packets=0), 0.01).reason is Reason.TIME


def test_a_driver_that_raises_fails_the_run() -> None:
    run = finished(stack("Raiser"))
    assert isinstance(run.error, NodeFailed)
    assert str(run.error).startswith("driver code of node 'bottom' raised LookupError: no such descriptor")


@pytest.mark.parametrize(("bottom", "text"), [("RaisesAtStart", "adapter"), ("RaisesWhenMade", "node")])
def test_a_driver_that_raises_at_the_start_ends_it(bottom: str, text: str) -> None:
    with pytest.raises(NodeFailed, match=f"no such {text}"):
        finished(stack(bottom))


def test_a_violation_ends_the_run_in_order() -> None:
    run = finished(stack("Twice"))
    assert run.reason is Reason.VIOLATION
    assert run.violations[0]["rule"] == "N6-SEND-10"
    assert run.error is None


def test_ctrl_c_ends_the_run_in_order() -> None:
    with launch(stack(packets=0), mode="inline") as run:
        reason = run.wait(3600, on_tick=lambda _: os.kill(os.getpid(), signal.SIGINT), tick=0.01)
    assert reason is Reason.INTERRUPTED
    assert look(run).conservation.lost == 0
    assert run.warnings == []


def test_it_leaves_no_segment_while_it_runs() -> None:
    with launch(stack(), mode="inline") as run:
        assert not list(Path("/dev/shm").glob(f"*{run.id}*"))
        assert run.directory.is_dir()
        assert set(run.pids.values()) == {os.getpid()}
    assert not Path(run.directory).exists()
