"""Load in the open model, seen from outside: planned latency, the floor, the verdict on a sender that is too slow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from nodes.registry import STOCK_DRIVERS
from nodes.stock.traffic import Traffic
from nodes.timers import Timer
from orchestrator import Catalogue, Report, launch, parse_topology
from orchestrator.events import Reason
from orchestrator.outcome import report_of
from orchestrator.topology import TopologyError

Mode = Literal["processes", "inline"]
STACK = """
name: planned
seed: 7
nodes:
  bulk: {driver: traffic, senders: 3, %s}
  nic:  {driver: miniport}
bindings: [bulk -> nic]
pass: [%s]
"""
PHASES = 'arrivals: poisson, phases: "20ms@2000, 30ms@2000..20000, 10ms@0, 20ms@16x5ms"'


class Sluggish(Traffic):
    """A load generator that the machine lets run 5 ms after its time."""

    def set_timer(self, delay: int, callback: Callable[[], None]) -> Timer:
        return super().set_timer(delay + 5_000_000, callback)


def finished(
    options: str, mode: Mode = "inline", passes: str = "lost == 0", driver: str = "traffic"
) -> Report:
    """Run until the source is done."""
    text = (STACK % (options, passes)).replace("driver: traffic", f"driver: {driver}")
    catalogue = Catalogue((), {**STOCK_DRIVERS, "sluggish": f"{__name__}:Sluggish"})
    with launch(parse_topology(text, "planned.yml", catalogue, Path.cwd()), mode=mode) as run:
        assert run.wait(20) is Reason.DONE
    return report_of(run)


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_phases_by_chance_send_the_same_packets_in_both_modes(mode: Mode) -> None:
    report = finished(PHASES, mode)
    assert (report.verdict, report.conservation.completed) == ("pass", 448)
    assert report.planned_us.count == report.latency_us.count == 448
    assert report.nodes["bulk"].counters["planned"] == 448
    assert report.fairness.flows is not None
    assert report.fairness.count == 1
    assert report.fairness.flows.jain == pytest.approx(1, abs=1e-4)
    assert (report.floor_us.clock is None) is (mode == "inline")
    assert (report.floor_us.wake_p50 is None) is (mode == "inline")


def test_a_run_by_chance_repeats_exactly() -> None:
    assert finished(PHASES).trace_sha256 == finished(PHASES).trace_sha256


def test_a_sender_that_cannot_keep_its_plan_voids_the_figures() -> None:
    report = finished("packets: 200, rate: 2000", passes="planned.p99 < 1s", driver="sluggish")
    assert (report.verdict, report.exit_code) == ("void", 97)
    assert "bulk was the bottleneck" in str(report.error)
    assert report.nodes["bulk"].counters["late"] > 100
    assert (report.planned_us.p99 or 0) > 5000 > (report.latency_us.max or 0)


def test_a_sender_that_is_late_voids_no_counts() -> None:
    assert (
        finished("packets: 200, rate: 2000", passes="completed == 200", driver="sluggish").verdict == "pass"
    )


def test_phases_that_make_no_sense_are_told_with_their_place() -> None:
    with pytest.raises(TopologyError) as refused:
        finished("phases: 2s@fast")
    [problem] = refused.value.problems
    assert (problem.path, problem.line) == ("nodes.bulk.phases", 5)
