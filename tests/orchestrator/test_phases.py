"""Phases of whole runs: their figures in the report, conditions on them, and faults that come and go with them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from orchestrator import Catalogue, Report, Run, launch, parse_topology
from orchestrator.events import Reason
from orchestrator.outcome import report_of
from orchestrator.report_model import PhasePart
from orchestrator.tables import phase_names
from orchestrator.text import to_text
from orchestrator.topology.faults import FaultRefused

Mode = Literal["processes", "inline"]
both_modes = pytest.mark.parametrize("mode", ["processes", "inline"])
STACK = """
name: phased
seed: 7
nodes:
  bulk:  {driver: traffic, senders: 3, window: 64, burst: 8, phases: "20ms@4000, peak=30ms@8000, 10ms@0, 10ms@16x5ms"}
  voice: {driver: traffic, phases: "20ms@1000, peak=30ms@2000, 5ms@1000"}
  mux:   {driver: mux}
  nic:   {driver: miniport}
bindings: [bulk -> mux -> nic, voice -> mux]
"""


def launched(mode: Mode, *sections: str, text: str = STACK) -> Run:
    whole = "\n".join([text, *sections])
    return launch(parse_topology(whole, "phased.yml", Catalogue(()), Path.cwd()), mode=mode)


def finished(mode: Mode, *sections: str, text: str = STACK) -> Report:
    with launched(mode, *sections, text=text) as run:
        assert run.wait(20) is Reason.DONE
    assert (run.error, run.warnings) == (None, [])
    return report_of(run)


def rows(report: Report) -> dict[str, PhasePart]:
    return dict(zip(phase_names(report.phases), report.phases, strict=True))


@both_modes
def test_the_report_has_a_row_for_each_phase_over_all_sources_that_have_it(mode: Mode) -> None:
    report = finished(mode)
    found = rows(report)
    assert list(found) == ["1", "peak", "voice/3", "bulk/3", "4"]
    assert [of.sources for of in found.values()] == [["bulk", "voice"]] * 2 + [["voice"], ["bulk"], ["bulk"]]
    assert [of.rate_pps for of in found.values()] == [5000, 10_000, 1000, 0, 3200]
    counts = [100, 300, 5, 0, 32]
    assert [of.sent for of in found.values()] == [of.completed for of in found.values()] == counts
    assert [of.latency_us.count for of in found.values()] == counts
    assert [of.planned_us.count for of in found.values()] == counts
    assert sum(counts) == report.planned_us.count
    assert found["bulk/3"].latency_us.p99 is None


def test_a_phase_tells_when_it_was_on_and_what_came_back_meanwhile() -> None:
    found = rows(finished("inline"))
    times = [(round((of.began or 0) / 1000), round((of.ended or 0) / 1000)) for of in found.values()]
    assert times == [(0, 20), (20, 50), (50, 55), (50, 60), (60, 70)]
    assert [found[name].throughput_pps for name in ("1", "peak")] == [
        pytest.approx(5000, rel=0.03),
        pytest.approx(10_000, rel=0.03),
    ]


def test_a_phase_that_was_not_reached_is_told_as_such() -> None:
    with launched("inline") as run:
        run.wait(0.03)
    found = rows(report_of(run))
    assert (found["4"].began, found["4"].ended, found["4"].throughput_pps) == (None, None, None)
    assert found["peak"].ended == pytest.approx(30_000, rel=0.01)
    assert found["1"].ended == pytest.approx(20_000, rel=0.01)


def test_where_nothing_sends_by_phases_the_report_has_none() -> None:
    text = STACK.partition("nodes:")[0] + (
        "nodes: {bulk: {driver: traffic, packets: 8, rate: 1000}, nic: {driver: miniport}}\nbindings: [bulk -> nic]"
    )
    report = finished("inline", text=text)
    assert report.phases == []
    assert "phase" not in to_text(report).replace("phased", "")


def test_phases_stand_in_the_text() -> None:
    text = to_text(finished("inline"))
    [peak] = [line.split() for line in text.splitlines() if line.startswith("peak")]
    assert peak[3:6] == ["10,000", "300", "300"]
    assert any(line.startswith("voice/3") for line in text.splitlines())


def test_conditions_judge_a_phase_alone() -> None:
    conditions = (
        "phases.peak.completed == 300, phases.voice/peak.sent == 60, phases.peak.throughput_pps > 9000"
    )
    latencies = (
        "phases.1.latency.p99 < 900us, phases.peak.planned.p99 > 900us, phases.bulk/3.latency.max < 1h"
    )
    report = finished(
        "inline",
        f"pass: [{conditions}, {latencies}]",
        "faults: [{name: late, on: mux -> nic, delay: 1ms, during: peak}]",
    )
    assert [of.passed for of in report.thresholds] == [True] * 5 + [False]
    assert (report.thresholds[-1].measured, report.verdict) == (None, "thresholds")
    assert report.thresholds[4].unit == "us"


@both_modes
def test_a_fault_comes_and_goes_with_a_phase(mode: Mode) -> None:
    text = STACK if mode == "inline" else STACK.replace("20ms@", "300ms@")  # a busy machine starts them apart
    report = finished(
        mode, "faults: [{name: fails, on: mux -> nic, status: FAILURE, during: peak}]", text=text
    )
    [fault] = report.faults
    peak = rows(report)["peak"]
    assert fault.began is not None
    assert fault.ended is not None
    assert fault.began >= (peak.began or 0)
    assert fault.ended >= (peak.ended or 0)
    failed = report.statuses.get("FAILURE", 0)
    assert (fault.hit, report.statuses["SUCCESS"]) == (failed, report.conservation.completed - failed)
    if mode == "inline":
        assert failed == pytest.approx(300, abs=5)
        assert fault.began == pytest.approx(20_000, rel=0.01)
        assert fault.ended == pytest.approx(50_000, rel=0.01)


@both_modes
def test_what_goes_with_the_first_phase_is_there_before_the_first_packet(mode: Mode) -> None:
    text = STACK.replace('  voice: {driver: traffic, phases: "20ms@1000, peak=30ms@2000, 5ms@1000"}\n', "")
    text = text.replace(", voice -> mux", "").replace("20ms@4000, ", "500ms@48x1s, 300ms@0, ")
    report = finished(mode, "faults: [{name: fails, on: mux -> nic, status: FAILURE, during: 1}]", text=text)
    first = rows(report)["1"].sent
    assert first == 48
    assert report.faults[0].hit == report.statuses["FAILURE"] >= first
    if mode == "inline":  # between processes the end of a fault is under way for a while
        assert report.statuses["FAILURE"] == first


def test_a_fault_in_a_phase_ends_after_its_own_time_if_that_is_sooner() -> None:
    report = finished("inline", "faults: [{name: busy, on: nic, stop: 5ms, during: bulk/peak}]")
    [fault] = report.faults
    assert (fault.began, fault.ended) == (pytest.approx(20_000, rel=0.01), pytest.approx(25_000, rel=0.01))


def test_a_phase_is_over_when_its_last_source_has_died() -> None:
    report = finished(
        "inline",
        "faults:",
        "  - {name: gone, on: voice, crash: true, during: voice/3}",
        "  - {name: late, on: mux -> nic, delay: 10us, during: voice/3}",
    )
    gone, late = report.faults
    assert gone.began == late.began
    assert late.ended is not None
    assert late.ended == pytest.approx(rows(report)["voice/3"].ended)
    assert late.ended < 55_000


def test_a_fault_of_a_phase_that_never_comes_does_not_begin() -> None:
    with launched("inline", "faults: [{name: late, on: mux -> nic, delay: 1ms, during: 4}]") as run:
        run.wait(0.03)
    [fault] = report_of(run).faults
    assert (fault.began, fault.hit) == (None, 0)


def test_a_live_run_is_given_a_fault_for_a_phase_that_is_on_or_to_come() -> None:
    with launched("inline") as run:
        run.wait(0.03)
        run.add_fault(name="now", on="mux -> nic", delay="1us", during="peak")
        run.add_fault(name="then", on="mux -> nic", delay="1us", during="bulk/4")
        with pytest.raises(FaultRefused, match="the phase 1 of this run is over; name one that is to come"):
            run.add_fault(name="past", on="mux -> nic", delay="1us", during="1")
        with pytest.raises(FaultRefused, match="during: no source has a phase 'dawn'"):
            run.add_fault(name="odd", on="mux -> nic", delay="1us", during="dawn")
        assert run.wait(20) is Reason.DONE
    now, then = run.faults
    assert (round((now.began or 0) / 1e6), round((now.ended or 0) / 1e6)) == (30, 50)
    assert (round((then.began or 0) / 1e6), round((then.ended or 0) / 1e6)) == (60, 70)
