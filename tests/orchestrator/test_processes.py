from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.failures import ForkServerDied
from orchestrator.processes import Exit, ForkServer, NodeProcesses
from orchestrator.rundir import RunDirectory
from tests.orchestrator.bodies import spec
from tests.orchestrator.conditions import until_dead

Start = Callable[[str], NodeProcesses]


@pytest.fixture
def directory() -> Iterator[Path]:
    made = RunDirectory.create()
    yield made.path
    made.remove()


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a function that makes the processes of one body; they are closed at the end."""
    with ExitStack() as stack:

        def begin(body: str) -> NodeProcesses:
            processes = NodeProcesses(stack.enter_context(ForkServer(f"tests.orchestrator.bodies:{body}")))
            stack.callback(processes.close)
            return processes

        yield begin


def await_exits(processes: NodeProcesses, count: int) -> list[Exit]:
    exits: list[Exit] = []
    while len(exits) < count:
        ready, _, _ = select.select(processes.descriptors(), [], [], 20)
        assert ready, f"only {exits}"
        exits += processes.exits(ready)
    return exits


def test_each_node_gets_a_process_of_its_own(start: Start, directory: Path) -> None:
    processes = start("waits")
    processes.start([spec(node, directory) for node in range(1, 71)])
    assert sorted(processes.pids) == processes.alive() == list(range(1, 71))
    assert len(set(processes.pids.values())) == 70


def test_a_signal_reaches_one_node_and_its_exit_is_told(start: Start, directory: Path) -> None:
    processes = start("waits")
    processes.start([spec(node, directory) for node in (1, 2, 3)])
    processes.signal(2, signal.SIGKILL)
    assert await_exits(processes, 1) == [Exit(2, None, signal.SIGKILL)]
    assert processes.alive() == [1, 3]
    processes.signal(2, signal.SIGKILL)


def test_exit_statuses_are_told(start: Start, directory: Path) -> None:
    processes = start("ends")
    processes.start([spec(1, directory, code=0), spec(2, directory, code=9)])
    assert sorted(await_exits(processes, 2), key=lambda one: one.node) == [Exit(1, 0, None), Exit(2, 9, None)]


def test_without_the_fork_server_nodes_are_still_ended_and_seen_to_end(directory: Path) -> None:
    with ForkServer("tests.orchestrator.bodies:waits") as server:
        processes = NodeProcesses(server)
        processes.start([spec(1, directory), spec(2, directory)])
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ForkServerDied):
            await_exits(processes, 1)
        processes.signal(1, signal.SIGTERM)
        assert await_exits(processes, 1) == [Exit(1, None, None)]
        processes.close()
    until_dead(processes.pids[2])
    assert processes.alive() == []


def test_no_process_outlives_a_close(start: Start, directory: Path) -> None:
    processes = start("ignores_sigterm")
    processes.start([spec(1, directory), spec(2, directory)])
    processes.close()
    processes.close()
    for pid in processes.pids.values():
        until_dead(pid)


def test_a_server_that_was_killed_before_the_start_is_named(directory: Path) -> None:
    with ForkServer() as server:
        processes = NodeProcesses(server)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ForkServerDied, match=f"process {server.pid}"):
            processes.start([spec(1, directory)])
        processes.close()


def test_one_server_starts_the_nodes_of_one_run_after_the_other(directory: Path) -> None:
    with ForkServer("tests.orchestrator.bodies:waits") as server:
        for _ in range(2):
            processes = NodeProcesses(server)
            processes.start([spec(1, directory), spec(2, directory)])
            processes.close()
            assert processes.alive() == []
