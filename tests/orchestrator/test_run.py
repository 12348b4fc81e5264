"""Runs of real processes: how they begin, go on and end, also by force. The leak check follows each test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodes.metrics import NodeState
from orchestrator import memory
from orchestrator.clean import clean
from orchestrator.drivers import Catalogue
from orchestrator.events import Phase, Reason
from orchestrator.failures import (
    ForkServerDied,
    NodeDied,
    NodeFailed,
    NodeSilent,
    NodeStalled,
    PauseOverdue,
)
from orchestrator.niceness import niceness
from orchestrator.outcome import look, report_of
from orchestrator.processes import ForkServer
from orchestrator.run import Mode, Run, launch
from orchestrator.rundir import base_directory, find_runs, read_specs
from orchestrator.script import Limits
from orchestrator.stress.shapes import shape_topology
from orchestrator.topology import BindingModel, Topology
from shm.errors import SharedMemoryFull
from tests.orchestrator.conditions import until, until_dead
from tests.orchestrator.stacks import node, stack

SECOND = 1_000_000_000
QUICK = Limits(pause=SECOND // 10, settle=SECOND // 10, end=SECOND // 10)


def states(run: Run) -> set[NodeState]:
    return {view.state for view in look(run).nodes.values()}


def sent(run: Run) -> int:
    return look(run).conservation.accepted


def finished(topology: Topology, **options: Any) -> Run:
    with launch(topology, **options) as run:
        run.wait(30)
    return run


def assert_gone(run: Run) -> None:
    """Check that nothing of the run is left: no process, no segment, no directory."""
    for pid in run.pids.values():
        until_dead(pid)
    assert not list(Path("/dev/shm").glob(f"*{run.id}*"))
    assert not run.directory.exists()


def test_a_run_carries_packets_drains_and_leaves_nothing() -> None:
    with launch(stack(packets=5000, filters=2)) as run:
        assert run.phase is Phase.RUNNING
        assert states(run) == {NodeState.RUNNING}
        assert run.wait(30) is Reason.DONE
    assert (run.error, run.warnings, run.violations) == (None, [], [])
    assert states(run) == {NodeState.HALTED}
    conservation = look(run).conservation
    assert (conservation.accepted, conservation.completed, conservation.lost) == (5000, 5000, 0)
    assert 0 < run.started < run.ended
    assert_gone(run)


def test_an_endless_run_ends_by_time_with_nothing_in_flight() -> None:
    ticks: list[int] = []
    with launch(stack(packets=0)) as run:
        assert run.wait(0.3, on_tick=lambda now: ticks.append(sent(now)), tick=0.05) is Reason.TIME
    assert len(ticks) >= 2
    assert ticks == sorted(ticks)
    conservation = look(run).conservation
    assert conservation.accepted == conservation.completed > 0
    assert run.warnings == []


def test_waiting_can_go_on_after_its_time() -> None:
    with launch(stack(packets=50)) as run:
        assert run.wait(0, until_done=False) is Reason.TIME
        assert run.wait(0.05, until_done=False) is Reason.TIME
        assert run.wait(30) is Reason.DONE
        assert run.wait(30) is Reason.DONE


def test_others_see_the_run_while_it_lives() -> None:
    with launch(stack()) as run:
        [found] = find_runs()
        assert (found.token, found.alive, found.details["mode"]) == (run.id, True, "processes")
        assert {one["pid"] for one in found.details["nodes"].values()} == set(run.pids.values())
        assert read_specs(found.path) == list(run.plan.nodes)
        assert [edge["upper"] for edge in found.details["edges"]] == ["source", "filter0"]
    assert find_runs() == []


def test_an_error_in_the_block_ends_the_run_in_order() -> None:
    run = launch(stack(packets=0))
    with pytest.raises(ZeroDivisionError), run:  # noqa: PT012 the block is what is tested
        until(lambda: sent(run) > 0)
        raise ZeroDivisionError
    assert states(run) == {NodeState.HALTED}
    assert_gone(run)


def test_many_nodes_start_and_stop() -> None:
    sources = {f"source{number}": node("Source", pool=64, packets=100) for number in range(24)}
    topology = Topology(
        name="many",
        nodes={**sources, "bottom": node("Bottom", pool=0)},
        bindings=tuple(BindingModel(upper=name, lower="bottom") for name in sources),
    )
    run = finished(topology)
    assert (run.reason, run.error, run.warnings) == (Reason.DONE, None, [])
    assert sent(run) == 2400


def test_a_killed_node_is_named_and_the_run_ends() -> None:
    with launch(stack(packets=0)) as run:
        os.kill(run.pids[2], signal.SIGKILL)
        assert run.wait(30) is Reason.FAILED
    assert isinstance(run.error, NodeDied)
    assert str(run.error).startswith("node 'filter0' was killed by SIGKILL in state RUNNING after ")
    assert_gone(run)


def test_a_node_in_an_endless_loop_is_found_named_and_killed() -> None:
    with launch(stack("Looper"), stall_after=0.75) as run:
        assert run.wait(30) is Reason.FAILED
    assert isinstance(run.error, NodeStalled)
    assert str(run.error).startswith("node 'bottom' stands still: no progress for 0.75 s in state RUNNING")
    assert_gone(run)


def test_an_idle_run_is_not_a_stalled_one() -> None:
    with launch(stack("Keeper"), stall_after=1.0, limits=QUICK) as run:
        assert run.wait(2) is Reason.TIME
        assert run.error is None
    assert run.warnings[0] == "no answer to pause in 0.1 s from 'source'"


def test_a_driver_that_never_gives_packets_back_is_named_at_the_end() -> None:
    with launch(stack("Stubborn", packets=40), limits=QUICK) as run:
        until(lambda: sent(run) == 40)
    assert isinstance(run.error, PauseOverdue)
    assert re.fullmatch(
        "'source', 'filter0', 'bottom' cannot pause: packets handed over are not back; "
        r"'bottom' holds 40 of 'filter0', the oldest for 0\.\d+ s",
        str(run.error),
    )
    assert look(run).conservation.in_flight == 40
    assert_gone(run)


def test_a_node_in_an_endless_loop_cannot_hold_up_the_end() -> None:
    with launch(stack("Looper"), limits=QUICK) as run:
        until(lambda: sent(run) > 0)
        run.wait(0.1)
        assert run.error is None
    assert_gone(run)


def test_a_driver_that_raises_is_named_with_its_words() -> None:
    run = finished(stack("Raiser"))
    assert run.reason is Reason.FAILED
    assert isinstance(run.error, NodeFailed)
    assert str(run.error).startswith(
        "driver code of node 'bottom' raised LookupError: no such descriptor, at "
    )
    assert f"{Path(__file__).with_name('drivers.py')}:" in str(run.error).splitlines()[0]
    assert_gone(run)


@pytest.mark.parametrize("mode", ["inline", "processes"])
def test_a_driver_that_raises_under_load_ends_the_run_also_while_others_still_start(mode: Mode) -> None:
    topology = stack("Raiser")
    nodes = {**topology.nodes, "slow": node("SlowToStart"), "floor": node("Bottom")}
    bindings = (*topology.bindings, BindingModel(upper="slow", lower="floor"))
    run = finished(topology.model_copy(update={"nodes": nodes, "bindings": bindings}), mode=mode)
    assert run.reason is Reason.FAILED
    assert isinstance(run.error, NodeFailed)
    report = report_of(run)
    assert (report.verdict, report.conservation.lost) == ("failed", 0)
    assert 0 <= report.run.duration_s < 10


@pytest.mark.parametrize(("bottom", "text"), [("RaisesAtStart", "adapter"), ("RaisesWhenMade", "node")])
def test_a_driver_that_raises_at_the_start_ends_it(bottom: str, text: str) -> None:
    with pytest.raises(NodeFailed, match=f"'bottom' raised LookupError: no such {text}"):
        finished(stack(bottom))


def test_a_violation_ends_the_run_in_order() -> None:
    run = finished(stack("Twice"))
    assert run.reason is Reason.VIOLATION
    assert {violation["rule"] for violation in run.violations} == {"N6-SEND-10"}
    assert run.error is None
    assert_gone(run)


def test_violations_are_only_collected_under_the_policy_report() -> None:
    run = finished(stack("Twice", packets=100), violation_policy="report")
    assert run.reason is Reason.DONE
    assert len(run.violations) == 100


def test_a_wrong_secret_is_no_hello() -> None:
    silent = pytest.raises(
        NodeSilent, match=r"no answer to hello in 0\.5 s from 'source', 'filter0', 'bottom'"
    )
    with ForkServer("tests.orchestrator.bodies:lies") as server, silent:
        finished(stack(), warm=server, limits=Limits(start=SECOND // 2, end=SECOND // 10))


def test_the_end_of_the_fork_server_ends_the_run() -> None:
    with ForkServer() as server, launch(stack(packets=0), warm=server) as run:
        os.kill(server.pid, signal.SIGKILL)
        assert run.wait(30) is Reason.FAILED
    assert isinstance(run.error, ForkServerDied)
    assert_gone(run)


def test_too_little_shared_memory_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 4096)
    with pytest.raises(SharedMemoryFull, match=r"the run needs [\d,]+ bytes of /dev/shm, 4,096 are free"):
        finished(stack())


def test_a_start_removes_what_dead_runs_left() -> None:
    code = "from orchestrator.rundir import RunDirectory; print(RunDirectory.create().token)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    dead = base_directory() / done.stdout.strip()
    assert dead.is_dir()
    with launch(stack()):
        assert not dead.exists()


def interrupt(when: Callable[[], bool]) -> threading.Thread:
    """Press Ctrl-C once a condition holds."""

    def press() -> None:
        until(when)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_ctrl_c_ends_the_run_in_order() -> None:
    with launch(stack(packets=0)) as run:
        presser = interrupt(lambda: sent(run) > 0)
        assert run.wait() is Reason.INTERRUPTED
        presser.join()
    assert states(run) == {NodeState.HALTED}
    assert (run.error, run.warnings) == (None, [])
    assert_gone(run)


def test_ctrl_c_while_it_drains_skips_the_drain() -> None:
    with launch(stack("Keeper")) as run:
        until(lambda: sent(run) > 0)
        presser = interrupt(lambda: run.phase is Phase.DRAINING)
        run.stop()
        presser.join()
    assert NodeState.HALTED not in states(run)
    assert run.warnings == []
    assert_gone(run)


_ORCHESTRATOR = """
import json, sys
from orchestrator.run import launch
from orchestrator.processes import warm
from tests.orchestrator.stacks import stack
server = warm()
with launch(stack(sys.argv[1], packets=0), warm=server) as run:
    print(json.dumps([run.id, [server.pid, *run.pids.values()]]), flush=True)
    run.wait()
"""


@pytest.mark.parametrize("bottom", ["Bottom", "Looper"])
def test_nodes_end_with_an_orchestrator_that_was_killed(bottom: str) -> None:
    command = [sys.executable, "-c", _ORCHESTRATOR, bottom]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as orchestrator:
        assert orchestrator.stdout is not None
        token, pids = json.loads(orchestrator.stdout.readline())
        orchestrator.kill()
    for pid in pids:
        until_dead(pid)
    cleaned = clean()
    assert cleaned.runs == (token,)
    assert len(cleaned.segments) == 5
    assert not list(Path("/dev/shm").glob(f"*{token}*"))


def test_many_sources_together_weigh_as_one_driver() -> None:
    topology = shape_topology("mux:above=8,below=1", Catalogue())
    with launch(topology) as run:
        nice = {spec.name: os.getpriority(os.PRIO_PROCESS, run.pids[spec.node]) for spec in run.plan.nodes}
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert {nice.pop(name) - own for name in list(nice) if name.startswith("sender-")} == {niceness(8)}
    assert set(nice.values()) == {own}


def test_a_source_alone_gives_way_to_nobody() -> None:
    assert niceness(1) == 0
    assert 8 * 1.25 ** -niceness(8) == pytest.approx(1, rel=0.15)
    assert niceness(2048) == 19
