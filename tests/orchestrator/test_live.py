"""Progress shows how a run stands, on stderr, and can be turned off."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from nodes.metrics import NodeState
from orchestrator.live import Lines, Meter, Progress, Quiet, Screen, progress_for
from orchestrator.observe import Snapshot
from tests.orchestrator.synthetic import NOW, FakeRun

SECOND = 1_000_000_000


def at(seconds: float, completed: int, *, in_flight: int = 0, violations: int = 0) -> Snapshot:
    run = FakeRun()
    run.state("top", NodeState.RUNNING)
    run.count("top", sent=completed + in_flight, completed=completed, received=2 * completed)
    run.count("nic", violations=violations)
    run.count_port("top", 0, requests_out=completed + in_flight, replies_in=completed)
    return replace(run.observe(settled=False), time=NOW + int(seconds * SECOND))


def show(progress: Progress, *snapshots: Snapshot) -> None:
    with progress:
        for snapshot in snapshots:
            progress.update(snapshot)


def test_rates_are_differences_per_second() -> None:
    meter = Meter()
    assert meter.rates(at(0, 100)).completed == 0
    rates = meter.rates(at(2, 300))
    assert (rates.completed, rates.received, rates.nodes["top"]) == (100, 200, 100)
    assert meter.elapsed_ns == 2 * SECOND


def test_lines_come_once_a_second_and_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    seen = at(0, 0), at(0.5, 500), at(1, 1000), at(1.5, 1500), at(2, 3000, in_flight=7)
    show(Lines(5 * SECOND, clock=iter([snapshot.time for snapshot in seen]).__next__), *seen)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.splitlines() == [
        "1.0 s of 5 s  1,000 packets/s  received 2,000/s  in flight 0",
        "2.0 s of 5 s  2,000 packets/s  received 4,000/s  in flight 7",
    ]


def test_a_virtual_second_that_takes_long_is_told_of_each_real_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen = at(0, 0), at(0.1, 100), at(0.2, 300)
    show(Lines(None, clock=iter([0, SECOND, 2 * SECOND]).__next__), *seen)
    assert capsys.readouterr().err.splitlines() == [
        "0.1 s  1,000 packets/s  received 2,000/s  in flight 0",
        "0.2 s  2,000 packets/s  received 4,000/s  in flight 0",
    ]


def test_violations_are_shown_as_soon_as_there_are_some(capsys: pytest.CaptureFixture[str]) -> None:
    show(Lines(None, clock=iter([0, SECOND]).__next__), at(0, 0), at(1, 10, violations=3))
    assert capsys.readouterr().err == "1.0 s  10 packets/s  received 20/s  in flight 0  violations 3\n"


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show(progress_for(None, quiet=True), at(0, 0), at(9, 10))
    assert capsys.readouterr() == ("", "")
    assert isinstance(progress_for(None, quiet=True), Quiet)


def test_without_a_terminal_there_are_lines() -> None:
    assert isinstance(progress_for(None, quiet=False), Lines)


def test_a_terminal_shows_every_node_and_is_clean_afterwards() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system=None)
    show(Screen(5 * SECOND, console), at(0, 0), at(1, 1000, in_flight=12))
    drawn = file.getvalue()
    assert "1.0 s of 5 s  1,000 packets/s" in drawn
    assert "Running" in drawn
    assert drawn.rstrip().endswith("\x1b[2K"), "the table is taken away at the end"
