"""The live view shows rates, how full edges are, who and what is slow, and what waits longest."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from nodes.metrics import NodeState
from orchestrator.holdings import LedgerState
from orchestrator.live import Quiet
from orchestrator.observe import Snapshot
from orchestrator.run import launch
from orchestrator.stress.dashboard import Dashboard, dashboard_for
from tests.orchestrator.stacks import stack
from tests.orchestrator.synthetic import NOW, FakeRun

SECOND = 1_000_000_000


def at(seconds: int, completed: int, in_flight: int) -> Snapshot:
    run = FakeRun()
    run.state("nic", NodeState.RUNNING)
    run.count("top", sent=completed + in_flight, completed=completed)
    run.count_port("top", 0, requests_out=completed + in_flight, replies_in=completed)
    run.record_held("nic", 0, [5_000_000] * (completed // 100))
    run.note("top", None, (0x1000000000007, NOW - 3_000_000, NOW - 1_000_000))
    run.note("nic", 0, (0x1000000000007, NOW - 2_900_000, NOW - 1_100_000))
    run.place(run.allocate("top", 3), 2, 1, LedgerState.SENT, 100)
    return replace(run.observe(settled=False), time=NOW + seconds * SECOND)


def shown(*snapshots: Snapshot) -> str:
    file = io.StringIO()
    console = Console(file=file, width=100, height=40, force_terminal=True, color_system=None)
    with Dashboard(10 * SECOND, {1: 64}, console) as view:
        for snapshot in snapshots:
            view.update(snapshot)
    return file.getvalue()


def test_the_view_has_rates_occupancy_slow_nodes_and_old_packets() -> None:
    text = shown(at(0, 0, 0), at(2, 1000, 32))
    assert "2.0 s of 10 s  500 packets/s" in text
    assert "█████░░░░░  50%" in text
    edge = next(line for line in text.splitlines() if "█████" in line)
    assert edge.split()[:5] == ["top", "->", "nic", "500", "0"]
    slowest = next(line for line in text.splitlines() if "Running" in line).split()
    assert (slowest[0], slowest[-1]) == ("nic", "10")
    assert any(line.split()[:3] == ["nic", "sent", "3"] for line in text.splitlines())
    packet = ["0x1000000000007", "top", "2ms", "2s", "nic", "1.8ms"]
    assert any(line.split() == packet for line in text.splitlines())


@pytest.mark.parametrize("quiet", [True, False])
def test_without_a_terminal_there_is_a_line_each_second_and_quiet_shows_nothing(quiet: bool) -> None:
    with launch(stack(), mode="inline") as run:
        progress = dashboard_for(run, None, quiet=quiet)
    assert isinstance(progress, Quiet) is quiet
    assert not isinstance(progress, Dashboard)
