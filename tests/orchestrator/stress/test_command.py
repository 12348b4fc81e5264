"""`ndisim stress` as a user has it: a load, a verdict, an exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from orchestrator.cli.app import cli
from orchestrator.report_model import Report
from orchestrator.stress.jobs import JOBS
from orchestrator.stress.shapes import SHAPES
from orchestrator.stress.sweep import Sweep

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "orchestrator.cli", "stress"]
LIMIT = 60


def ndisim(*arguments: object) -> Result:
    """Run the command in this process, for what needs no node processes."""
    return CliRunner().invoke(cli, ["stress", *map(str, arguments)], prog_name="ndisim")


def stress(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)


def test_sixty_four_sender_processes_load_a_mux_and_all_of_them_end(tmp_path: Path) -> None:
    done = stress("mux:above=1", "--senders", 64, "--for", "300ms", "--format", "json", "--quiet")
    assert done.returncode == 0, done.stderr
    report = Report.model_validate_json(done.stdout)
    assert (report.verdict, report.conservation.lost, report.conservation.duplicated) == ("pass", 0, 0)
    assert len({node.pid for node in report.nodes.values()}) == 66
    assert {node.state for node in report.nodes.values()} == {"Halted"}
    assert [of.condition for of in report.thresholds] == [
        f"{count} == 0" for count in ("lost", "duplicated", "leaked", "violations")
    ]


def test_a_report_a_topology_and_junit_are_written_and_a_condition_that_fails_is_exit_code_99(
    tmp_path: Path,
) -> None:
    out, junit = tmp_path / "out", tmp_path / "junit.xml"
    done = ndisim(
        *("linear:filters=2", "--mode", "inline", "--for", "5ms", "--senders", 2, "--quiet"),
        *("--pass", "throughput_pps >= 1000000000", "--out", out, "--junit", junit),
    )
    assert done.exit_code == 99, done.output
    assert json.loads((out / "report.json").read_text())["verdict"] == "thresholds"
    assert "sender-2" in (out / "linear.ndisim.yml").read_text()
    [suite] = JUnitXml.fromfile(str(junit))
    assert (suite.name, suite.failures) == ("linear", 1)


def test_the_same_seed_stresses_a_stack_in_the_same_way() -> None:
    def trace(seed: int) -> str:
        arguments = ("--job", "2c-stress", "--mode", "inline", "--for", "20ms", "--quiet", "--format", "json")
        done = ndisim(*arguments, "--seed", seed)
        assert done.exit_code == 0, done.output
        return str(json.loads(done.stdout)["trace_sha256"])

    assert trace(5) == trace(5) != trace(6)


def test_conditions_that_count_replaced_senders_are_set_aside_and_told() -> None:
    file = ROOT / "examples" / "linear.ndisim.yml"
    done = ndisim(file, "--senders", 3, "--mode", "inline", "--for", "5ms", "--quiet")
    assert done.exit_code == 0, done.output
    assert "not judged, the senders that it counts are replaced: completed ==" in done.stderr


def test_a_phase_of_all_senders_is_judged_as_one() -> None:
    load = ("--senders", 3, "--phases", "2ms@1500, peak=4ms@7500, 1ms@0")
    condition = ("--pass", "phases.peak.completed == 30", "--pass", "phases.sender-1/peak.sent == 10")
    done = ndisim("mux:above=1", *load, *condition, "--mode", "inline", "--quiet", "--format", "json")
    assert done.exit_code == 0, done.output
    peak = Report.model_validate_json(done.stdout).phases[1]
    assert (peak.phase, peak.sources, peak.rate_pps) == ("peak", ["sender-1", "sender-2", "sender-3"], 7500)


def test_a_sweep_prints_a_table_or_its_json(tmp_path: Path) -> None:
    arguments = ("--job", "1c-perf-send", "--mode", "inline", "--for", "2ms", "--senders", 2, "--burst", 8)
    arguments += ("--buffers", 3)
    done = ndisim(*arguments, "--format", "json", "--out", tmp_path / "out", "--junit", tmp_path / "j.xml")
    assert done.exit_code == 0, done.output
    found = Sweep.model_validate_json(done.stdout)
    assert {(of.senders, of.nbs_per_nbl, of.nbls_per_call) for of in found.cells} == {(2, 3, 8)}
    assert [of.size for of in found.cells] == ["70", "1500"]
    assert all(of.throughput_pps > 1000 for of in found.cells)
    assert "2 of 2  2 senders, 3 NBs/NBL, 8 NBLs/call, 1500 bytes" in done.stderr
    assert (tmp_path / "out" / "sweep.json").exists()
    assert len(list(JUnitXml.fromfile(str(tmp_path / "j.xml")))) == 2


def test_ctrl_c_gives_the_report_so_far() -> None:
    command = [*COMMAND, "mux:above=2", "--for", "60s", "--format", "json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "packets/s" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT)
    report = Report.model_validate_json(output)
    assert (process.returncode, report.ended, report.verdict) == (0, "interrupted", "pass")


def test_the_list_has_every_shape_and_job() -> None:
    listed = json.loads(ndisim("--list", "--format", "json").output)
    assert set(listed["shapes"]) == set(SHAPES)
    assert set(listed["jobs"]) == {"1c-perf-send", *JOBS}
    text = ndisim("--list").output
    assert all(name in text for name in (*SHAPES, *listed["jobs"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a topology file, a shape or a --job"),
        (("mux:abov=2",), "did you mean above?"),
        (("mux", "--pass", "latency.p98 < 1s"), "is not a metric"),
        (("mux", "--phases", "peak=1s@80", "--pass", "phases.peek.sent > 5"), "did you mean peak?"),
        (
            ("mux", "--pass", "phases.peak.sent > 5"),
            "phases.peak.sent > 5: no source of this topology has phases",
        ),
        (("mux", "--rate", 3), "--rate 3 is less than a packet/s for each of 8 senders"),
        (("mux", "--job", "connectivity", "--mode", "inline"), "shapes take receivers=1"),
        (("mux", "--force", "low-resources=sweep"), "is for `ndisim run"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    arguments: tuple[object, ...], message: str
) -> None:
    done = ndisim(*arguments)
    assert done.exit_code == 2
    assert message in done.output
