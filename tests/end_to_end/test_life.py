"""A live run as its user meets it: looked into, interrupted, killed from either side. The leak check follows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Report
from tests.end_to_end.command import LIMIT_S, QUICKSTART, ndisim, running
from tests.orchestrator.conditions import until, until_dead

SLOW = """\
name: slow
nodes:
  bulk: {driver: traffic, rate: 20}
  nic0: {driver: miniport}
  nic1: {driver: miniport}
  sink: {driver: receiver, hold: 60s}
bindings: [bulk -> nic0, sink -> nic1]
wires:
  - {between: [nic0, nic1]}
"""


def nodes_of(token: str, run_base: Path) -> dict[str, int]:
    """Read the process ids of a run's nodes where the run tells them."""
    details = json.loads((run_base / token / "run.json").read_text())
    return {name: node["pid"] for name, node in details["nodes"].items()}


def listed() -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(ndisim("ps", "--format", "json").stdout)
    return runs


def finished(process: subprocess.Popen[str]) -> tuple[Report, str]:
    stdout, stderr = process.communicate(timeout=LIMIT_S)
    return Report.model_validate_json(stdout), stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_ends_the_quickstart_in_order_and_prints_the_report(
    number: signal.Signals, tmp_path: Path
) -> None:
    with running(QUICKSTART, "--for", "60s", "--out", tmp_path, "--format", "json") as process:
        process.send_signal(number)
        report, stderr = finished(process)
    assert report.ended == "interrupted"
    assert {node.state for node in report.nodes.values()} == {"Halted"}
    of = report.conservation
    assert (of.accepted, of.in_flight, of.lost) == (of.completed, 0, 0)
    assert (tmp_path / "report.txt").read_text().partition("   ")[0] in {
        "PASS",
        "FAIL: a threshold was not met",
    }
    assert "Traceback" not in stderr


def test_a_killed_node_is_a_named_error_with_a_report_and_exit_code_1(tmp_path: Path, run_base: Path) -> None:
    with running(QUICKSTART, "--for", "60s", "--out", tmp_path, "--format", "json") as process:
        (run,) = listed()
        pids = nodes_of(run["id"], run_base)
        os.kill(pids["nic0"], signal.SIGKILL)
        report, stderr = finished(process)
    said = r"ndisim: node 'nic0' was killed by SIGKILL in state RUNNING after \d+ rounds"
    assert re.search(said, stderr)
    assert (process.returncode, report.verdict, report.ended) == (1, "failed", "failed")
    assert report.error is not None
    assert report.error.startswith("NodeDied: node 'nic0' was killed by SIGKILL")
    of = report.conservation
    assert (of.lost, of.accepted) == (0, of.completed + of.in_flight)
    for pid in pids.values():
        until_dead(pid)


def test_after_the_orchestrator_was_killed_nothing_runs_on_and_clean_removes_the_rest(
    tmp_path: Path, run_base: Path
) -> None:
    token, pids = killed(tmp_path, run_base)
    for pid in pids.values():
        until_dead(pid)
    (dead,) = listed()
    assert (dead["id"], dead["name"], dead["state"]) == (token, "quickstart", "dead")
    inspected = ndisim("inspect", "quickstart").stdout
    assert inspected.startswith(f"quickstart, run {token} (dead)\naccepted ")
    assert ndisim("clean").stdout == "removed 1 dead runs and 8 segments\n"
    assert listed() == []
    assert not list(Path("/dev/shm").glob(f"*{token}*"))


def test_the_next_start_removes_what_a_killed_orchestrator_left(tmp_path: Path, run_base: Path) -> None:
    token, _ = killed(tmp_path, run_base)
    assert (run_base / token).is_dir()
    assert ndisim("run", QUICKSTART, "--packets", 100, "--out", tmp_path, "--quiet").returncode in {0, 97, 99}
    assert not (run_base / token).exists()
    assert not list(Path("/dev/shm").glob(f"*{token}*"))


def killed(out: Path, run_base: Path) -> tuple[str, dict[str, int]]:
    """Kill the orchestrator of a quickstart; return the run's id and its nodes."""
    with running(QUICKSTART, "--for", "60s", "--out", out) as process:
        (run,) = listed()
        pids = nodes_of(run["id"], run_base)
        process.kill()
        process.communicate(timeout=LIMIT_S)
    assert process.returncode == -signal.SIGKILL
    return run["id"], pids


def edges() -> dict[str, dict[str, Any]]:
    found = json.loads(ndisim("inspect", "slow", "--format", "json").stdout)
    return {f"{edge['upper']} -> {edge['lower']}": edge for edge in found["edges"]}


def test_inspect_shows_what_a_slow_receiver_has_kept_and_since_when(tmp_path: Path) -> None:
    file = tmp_path / "slow.ndisim.yml"
    file.write_text(SLOW)
    with running(file, "--for", "60s", "--format", "json") as process:
        until(lambda: edges()["sink -> nic1"]["up"] >= 4)
        first, second = edges(), edges()
        text = ndisim("inspect", "slow").stdout
        process.send_signal(signal.SIGINT)
        report, _ = finished(process)
    (kept,), (later,) = first["sink -> nic1"]["held"], second["sink -> nic1"]["held"]
    assert (kept["node"], kept["state"], kept["packets"]) == (
        "sink",
        "indicated",
        first["sink -> nic1"]["up"],
    )
    assert later["oldest_us"] > kept["oldest_us"]
    assert later["handles"] == kept["handles"]
    assert re.search(r"^sink -> nic1 +binding +0 +\d+ +sink +indicated +\d+ +[\d.]+m?s$", text, re.MULTILINE)
    assert (report.ended, report.conservation.in_flight, report.conservation.lost) == ("interrupted", 0, 0)
