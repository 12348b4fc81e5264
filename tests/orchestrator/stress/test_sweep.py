"""The sweep is a table of runs; JUnit XML holds a suite for each."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
from junitparser import JUnitXml

from orchestrator.drivers import Catalogue
from orchestrator.outcome import report_of
from orchestrator.report_model import Report, ThresholdPart
from orchestrator.run import launch
from orchestrator.stress import sweep
from orchestrator.stress.junit import write_junit
from orchestrator.stress.senders import Load, with_load
from orchestrator.stress.shapes import shape_topology
from orchestrator.text import plain


def one_run() -> Report:
    topology = with_load(shape_topology(sweep.SHAPE, Catalogue()), Load(packets=100), Catalogue())
    with launch(topology, mode="inline") as run:
        run.wait(1)
        run.stop()
    return report_of(run)


def test_the_sweep_goes_through_all_combinations_of_what_was_not_asked_for() -> None:
    whole = list(sweep.loads(Load()))
    values = (sweep.SENDERS, sweep.BUFFERS, sweep.BURSTS, sweep.SIZES)
    assert len(whole) == prod(map(len, values))
    assert len({(of.senders, of.buffers, of.burst, of.size) for of in whole}) == len(whole)
    assert all((of.window or 0) >= 2 * (of.burst or 0) for of in whole)
    [only] = sweep.loads(Load(senders=2, buffers=3, burst=16, size="imix", rate=1000))
    assert (only.senders, only.buffers, only.burst, only.size, only.rate) == (2, 3, 16, "imix", 1000)


def test_a_sweep_is_a_table_and_has_the_verdict_of_its_worst_cell() -> None:
    load = Load(senders=1, burst=32, size="1500", buffers=4)
    cells = [
        sweep.cell(load, one_run().model_copy(update={"verdict": of}))
        for of in ("pass", "void", "thresholds")
    ]
    found = sweep.Sweep(
        target="here", seconds_per_cell=1, complete=False, verdict=sweep.worst(cells), cells=cells
    )
    assert (found.verdict, found.exit_code, sweep.worst([])) == ("void", 97, "pass")
    text = plain(sweep.render(found))
    assert "1c-perf-send on here, 1 s for each of 3, then interrupted" in text
    assert "NBs/NBL" in text
    assert cells[0].frames_pps == pytest.approx(4 * cells[0].throughput_pps)
    assert sweep.Sweep.model_validate_json(found.model_dump_json()) == found


def test_junit_has_a_suite_for_each_run_and_a_case_for_each_condition(tmp_path: Path) -> None:
    report = one_run()
    failed = ThresholdPart(condition="throughput_pps >= 5", passed=False, measured=4.25, unit="pps")
    judged = report.model_copy(update={"verdict": "thresholds", "thresholds": [failed]})
    broken = report.model_copy(update={"verdict": "failed", "error": "NodeDied: nic-1\nwith a traceback"})
    write_junit({"judged": judged, "broken": broken}, tmp_path / "sub" / "junit.xml")
    suites = {suite.name: suite for suite in JUnitXml.fromfile(str(tmp_path / "sub" / "junit.xml"))}
    assert [(suite.tests, suite.failures, suite.errors) for suite in suites.values()] == [
        (2, 1, 0),
        (1, 0, 1),
    ]
    [run, condition] = suites["judged"]
    assert (run.is_passed, condition.result[0].message) == (
        True,
        "throughput_pps >= 5: measured 4.25 (pps)",
    )
    [run] = suites["broken"]
    assert (run.result[0].message, run.result[0].text) == ("NodeDied: nic-1", "with a traceback")
