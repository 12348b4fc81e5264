"""`ndisim compare` says whether one run was faster than another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nodes.metrics import NodeState
from orchestrator.cli.app import cli
from orchestrator.comparison import compare_reports
from orchestrator.report import Report, RunFacts, build_report
from orchestrator.report_series import SeriesRow
from tests.orchestrator.synthetic import FakeRun

FACTS = RunFacts(
    id="0123abcd", name="demo", seed=7, mode="processes", duration_s=10.0, ended="time", drivers={}
)


def row(second: float, pps: float, p50: float | None = 10.0) -> SeriesRow:
    return SeriesRow(
        t_s=second,
        completed=int(pps),
        throughput_pps=pps,
        p50_us=p50,
        p99_us=p50 and p50 * 3,
        max_us=p50 and p50 * 4,
        in_flight=5,
        nodes={},
        edges={},
    )


def report(pps: float, seed: int, p50: float = 10.0, seconds: int = 10, **facts: object) -> Report:
    """Return the report of a run at `pps`, with a noise of 1 %."""
    run = FakeRun()
    run.send_and_complete(round(pps) * 10)
    for name in ("top", "nic"):
        run.state(name, NodeState.HALTED)
    noise = np.random.default_rng(seed).normal(1, 0.01, (seconds, 2)).tolist()
    rows = [row(second, pps * a, p50 * b) for second, (a, b) in enumerate(noise, start=1)]
    return build_report(replace(FACTS, series=rows, **facts), run.observe())  # type: ignore[arg-type]


def compare(tmp_path: Path, a: Report, b: Report, *options: str) -> Result:
    files = []
    for name, side in (("a", a), ("b", b)):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "report.json")
        files[-1].write_text(side.to_json())
    return CliRunner().invoke(cli, ["compare", str(files[0].parent), str(files[1]), *options])


def test_a_run_that_carries_more_is_faster_and_one_that_carries_less_slower() -> None:
    slow, fast = report(1000, 1), report(1200, 2)
    assert compare_reports(slow, fast).verdict == "faster"
    found = compare_reports(fast, slow)
    assert found.verdict == "slower"
    assert [of.finding for of in found.measures] == ["slower", "same", "same"]
    assert found.measures[0].change == pytest.approx(-1 / 6, abs=0.01)


def test_longer_latencies_are_slower_at_the_same_throughput() -> None:
    found = compare_reports(report(1000, 1), report(1000, 2, p50=15.0))
    assert found.verdict == "slower"
    assert [of.name for of in found.slower_by(0.3)] == ["p50_us", "p99_us"]
    assert found.slower_by(0.6) == []


def planned(of: Report, p50: float) -> Report:
    """Return the report as that of a run at a rate, with these latencies from the planned time."""
    rows = [row.model_copy(update={"planned_p50_us": p50, "planned_p99_us": p50 * 2}) for row in of.series]
    return of.model_copy(update={"series": rows, "planned_us": of.latency_us})


def test_what_packets_waited_before_their_send_counts_where_both_runs_had_a_plan() -> None:
    usual = report(1000, 1)
    found = compare_reports(planned(usual, 20.0), planned(usual, 40.0))
    assert [(of.name, of.finding) for of in found.measures] == [
        ("throughput_pps", "same"),
        ("planned_p50_us", "slower"),
        ("planned_p99_us", "slower"),
    ]
    mixed = compare_reports(planned(usual, 20.0), usual)
    assert [of.name for of in mixed.measures] == ["throughput_pps", "p50_us", "p99_us"]
    assert mixed.notes == (
        "the runs are not alike: load is by plan (rate) in A and as fast as it comes back (window) in B",
    )


def test_noise_is_no_difference_and_too_few_seconds_tell_nothing() -> None:
    assert compare_reports(report(1000, 1), report(1000, 2)).verdict == "same"
    assert compare_reports(report(1000, 1), report(2000, 2, seconds=3)).verdict == "unknown"


def test_more_throughput_with_longer_latencies_is_both() -> None:
    assert compare_reports(report(1000, 1), report(1500, 2, p50=20.0)).verdict == "mixed"


def test_a_rest_of_a_second_and_seconds_without_a_completion_do_not_count() -> None:
    whole = report(1000, 1)
    rest = whole.model_copy(update={"series": [*whole.series, row(10.6, 10.0), row(11.6, 0.0, None)]})
    assert compare_reports(whole, rest).measures[0].seconds == (10, 11)
    assert compare_reports(whole, rest).measures[1].seconds == (10, 10)


def test_what_makes_runs_hard_to_compare_is_told() -> None:
    broken = report(1000, 1, name="other", mode="inline", error="node nic died")
    assert compare_reports(report(1000, 1), broken).notes == (
        "the runs are not alike: name is demo in A and other in B",
        "the runs are not alike: mode is processes in A and inline in B",
        "times of mode inline are virtual: they say nothing about speed on a machine",
        "the verdict of B is failed: its figures prove little",
    )


def test_the_text_leads_with_the_answer_and_fits_into_100_columns(tmp_path: Path) -> None:
    done = compare(tmp_path, report(1000, 1), report(900, 2))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "B is slower than A"
    assert max(map(len, lines)) <= 100
    table = {line.split("  ")[0]: line.split()[1:] for line in lines[3:] if line}
    assert table["status SUCCESS"][1:] == ["10,000", "9,000", "-10.0", "%"]
    assert table["lost"] == ["0", "0", "-"]
    assert any(line.startswith("throughput") and line.endswith("< 0.001  slower") for line in lines)


def test_json_has_measures_figures_and_notes(tmp_path: Path) -> None:
    done = compare(tmp_path, report(1000, 1), report(1000, 1), "--format", "json")
    found = json.loads(done.stdout)
    assert list(found) == ["schema", "verdict", "measures", "figures", "notes"]
    assert (found["schema"], found["verdict"]) == ("ndisim.comparison/1", "same")
    assert found["measures"][0] | {"a": 0, "b": 0} == {
        "name": "throughput_pps",
        "a": 0,
        "b": 0,
        "seconds": [10, 10],
        "change": 0.0,
        "low": pytest.approx(0, abs=0.02),
        "high": pytest.approx(0, abs=0.02),
        "p": 1.0,
        "finding": "same",
    }


@pytest.mark.parametrize(
    ("pps", "seconds", "condition", "code"),
    [
        (900, 10, "slower", 99),
        (900, 10, "slower=5%", 99),
        (900, 10, "slower=20%", 0),
        (1000, 10, "slower", 0),
        (1200, 10, "slower", 0),
        (1000, 3, "slower", 99),
    ],
)
def test_a_condition_decides_the_exit_code(
    tmp_path: Path, pps: int, seconds: int, condition: str, code: int
) -> None:
    done = compare(tmp_path, report(1000, 1), report(pps, 2, seconds=seconds), "--fail-if", condition)
    assert done.exit_code == code


@pytest.mark.parametrize("condition", ["faster", "slower=fast", "slower="])
def test_a_wrong_condition_is_a_usage_error(tmp_path: Path, condition: str) -> None:
    assert compare(tmp_path, report(1, 1), report(1, 1), "--fail-if", condition).exit_code == 2


def test_what_is_no_report_is_refused_with_the_cure(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"schema": "something else"}')
    for path, words in ((other, "not a report of this version"), (tmp_path, "holds no report.json")):
        done = CliRunner().invoke(cli, ["compare", str(path), str(other)])
        assert done.exit_code == 2
        assert words in done.stderr
    assert CliRunner().invoke(cli, ["compare", str(tmp_path / "gone"), str(other)]).exit_code == 2
