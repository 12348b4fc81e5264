"""`ndisim run`, `ps` and `inspect` as a user has them: real commands, real node processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.report_model import Report

ROOT = Path(__file__).parents[2]
DRIVERS = Path(__file__).with_name("command_drivers.py")
COMMAND = [sys.executable, "-m", "orchestrator.cli"]
LIMIT = 40


def stack(tmp_path: Path, *, bottom: str = "floor", packets: int = 200, passing: str = "lost == 0") -> Path:
    path = tmp_path / "small.ndisim.yml"
    path.write_text(
        f"name: small\nnodes:\n  top: {{driver: chatter, packets: {packets}}}\n  nic: {{driver: {bottom}}}\n"
        f"bindings: [top -> nic]\npass: [{passing}]\npolicy: {{send_limit: 10m, hang_limit: 10m}}\n"
    )
    return path


def ndisim(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)


def run(file: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return ndisim("run", file, "--drivers", DRIVERS, *arguments)


def report_of(done: subprocess.CompletedProcess[str]) -> Report:
    return Report.model_validate_json(done.stdout)


@contextmanager
def running(file: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run in the background; the block is entered when it has shown its first progress."""
    command = [*COMMAND, "run", str(file), "--drivers", str(DRIVERS), *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert "packets/s" in process.stderr.readline()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


def test_a_run_prints_its_report_to_stdout_and_passes(tmp_path: Path) -> None:
    done = run(stack(tmp_path), "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS   small, run ")
    assert "accepted 200 = completed 200 + in flight 0 + lost 0" in done.stdout


def test_the_json_report_has_the_published_form_and_names_real_processes(tmp_path: Path) -> None:
    report = report_of(run(stack(tmp_path), "--format", "json"))
    assert (report.verdict, report.run.mode, report.ended) == ("pass", "processes", "done")
    assert report.statuses == {"SUCCESS": 200}
    assert len({node.pid for node in report.nodes.values()} | {os.getpid()}) == 3
    assert {name: node.state for name, node in report.nodes.items()} == {"top": "Halted", "nic": "Halted"}
    assert report.latency_us.count == 200
    assert report.trace_sha256 is None


def test_an_inline_run_is_repeated_exactly(tmp_path: Path) -> None:
    file = stack(tmp_path)
    first, second, other = (
        report_of(run(file, "--mode", "inline", "--seed", seed, "--format", "json")) for seed in (1, 1, 2)
    )
    assert first.trace_sha256 is not None
    assert first.model_copy(update={"run": None}) == second.model_copy(update={"run": None})
    assert (first.run.duration_s, first.run.seed, other.run.seed) == (second.run.duration_s, 1, 2)


def test_packets_and_time_are_set_on_the_command_line(tmp_path: Path) -> None:
    assert report_of(run(stack(tmp_path), "--packets", 33, "--format", "json")).conservation.accepted == 33
    endless = report_of(
        run(stack(tmp_path, packets=0), "--for", "50ms", "--mode", "inline", "--format", "json")
    )
    assert (endless.ended, endless.verdict) == ("time", "pass")
    assert endless.run.duration_s == pytest.approx(0.05, rel=0.1)


def test_a_threshold_that_is_not_met_is_exit_code_99(tmp_path: Path) -> None:
    done = run(stack(tmp_path, passing="completed == 7"), "--mode", "inline", "--quiet")
    assert done.returncode == 99
    assert done.stdout.startswith("FAIL: a threshold was not met")
    assert "FAIL  completed == 7   (measured 200)" in done.stdout


def test_a_packet_completed_twice_is_exit_code_98_with_the_line_that_did_it(tmp_path: Path) -> None:
    done = run(stack(tmp_path, bottom="stutter"), "--format", "json")
    report = report_of(done)
    assert (done.returncode, report.verdict, report.ended) == (98, "violations", "violation")
    first = report.violations[0]
    assert (first.rule, first.node) == ("N6-SEND-10", "nic")
    assert first.source.startswith(f"{DRIVERS}:")
    assert any("top handed over send" in line for line in first.history)


def test_a_run_can_go_on_after_a_violation(tmp_path: Path) -> None:
    report = report_of(run(stack(tmp_path, bottom="stutter"), "--on-violation", "report", "--format", "json"))
    assert (report.ended, report.conservation.completed) == ("done", 200)
    assert report.violation_count == 200


@pytest.mark.parametrize(
    ("bottom", "said"), [("mortal", "SIGKILL"), ("faulty", "LookupError: no such descriptor")]
)
def test_a_node_that_dies_ends_the_run_with_a_named_error_and_a_report(
    tmp_path: Path, bottom: str, said: str
) -> None:
    done = run(stack(tmp_path, bottom=bottom), "--format", "json")
    report = report_of(done)
    assert (done.returncode, report.verdict) == (1, "failed")
    assert report.error is not None
    assert "'nic'" in report.error
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert report.conservation.lost == 0


def test_bad_input_is_exit_code_2_with_nothing_started(tmp_path: Path) -> None:
    file = stack(tmp_path, bottom="cellar")
    done = run(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"ndisim: {file}:4:17: nodes.nic.driver: ")


def test_report_and_topology_are_written_to_out(tmp_path: Path) -> None:
    file, out = stack(tmp_path), tmp_path / "deep" / "out"
    done = run(file, "--out", out, "--quiet", "--mode", "inline")
    written = sorted(path.name for path in out.iterdir())
    assert written == [
        *("hgrm", "histograms.hlog", "report.html", "report.json", "report.txt", "small.ndisim.yml")
    ]
    assert "<title>pass: small, run " in (out / "report.html").read_text("utf-8")
    assert (out / "report.txt").read_text() == done.stdout
    assert Report.model_validate_json((out / "report.json").read_text()).verdict == "pass"
    assert (out / "small.ndisim.yml").read_text() == file.read_text()
    assert str(out) in done.stderr


def test_without_a_terminal_progress_is_lines_on_stderr(tmp_path: Path) -> None:
    with running(stack(tmp_path, packets=0), "--for", "1100ms") as process:
        stdout, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert "\x1b" not in stdout + stderr
    assert "\n1.0 s" not in stdout


def test_a_live_run_is_listed_inspected_and_ended_in_order_by_one_interrupt(tmp_path: Path) -> None:
    with running(stack(tmp_path, bottom="keeper", packets=0), "--format", "json") as process:
        (listed,) = json.loads(ndisim("ps", "--format", "json").stdout)
        found = inspected(listed["id"][:-2])
        by_name = inspected("small")
        text = ndisim("inspect", "small").stdout
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=LIMIT)
    report = Report.model_validate_json(stdout)
    assert (listed["name"], listed["state"], listed["pid"]) == ("small", "running", process.pid)
    assert found["run"] == by_name["run"] == {"id": report.run.id, "name": "small", "alive": True}
    (edge,) = found["edges"]
    (held,) = edge["held"]
    assert (edge["upper"], edge["lower"], edge["down"]) == ("top", "nic", 8)
    assert (held["node"], held["state"], held["packets"], len(held["handles"])) == ("nic", "sent", 8, 4)
    assert held["oldest_us"] > 100_000
    assert found["conservation"] == {
        "accepted": 8,
        "completed": 0,
        "in_flight": 8,
        "duplicated": 0,
        "lost": 0,
    }
    assert "top -> nic" in text
    assert (process.returncode, report.ended, report.verdict) == (0, "interrupted", "pass")
    assert (report.conservation.completed, report.conservation.in_flight) == (8, 0)


def inspected(word: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ndisim("inspect", word, "--format", "json").stdout)
    assert found["schema"] == "ndisim.inspect/1"
    return found


def test_options_can_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FOR": "20ms", "MODE": "inline", "FORMAT": "json", "DRIVERS": str(DRIVERS)}.items():
        monkeypatch.setenv(f"NDISIM_RUN_{name}", value)
    report = report_of(ndisim("run", stack(tmp_path, packets=0)))
    assert (report.run.mode, report.ended) == ("inline", "time")
