"""The events of a run: in the order of time, each of them once, in report and text."""

from __future__ import annotations

from typing import Literal

import pytest

from orchestrator.chronicle import Deed, chronicle
from orchestrator.events import Reason
from orchestrator.outcome import report_of
from orchestrator.report_model import EventPart, FaultPart
from orchestrator.text import to_text
from tests.orchestrator.page.reports import small, violation
from tests.orchestrator.test_faults import ENDLESS, launched

FAULT = FaultPart(name="lossy", kind="drop", where="a -> b", began=2_000.0, ended=9_000.0, hit=12)


def told(events: list[EventPart]) -> list[tuple[object, ...]]:
    return [(of.kind, of.what, of.where, of.began, of.ended, of.count, of.result) for of in events]


def test_events_come_in_the_order_of_time() -> None:
    never = FAULT.model_copy(update={"name": "never", "began": None, "ended": None})
    deeds = [
        Deed("operation", "reset", "nic", 3_000_000, 4_000_000, "SUCCESS"),
        Deed("death", "bug-check", "mux", 1_000_000, 1_000_000),
    ]
    assert told(chronicle([never, FAULT], deeds, [])) == [
        ("death", "bug-check", "mux", 1_000.0, 1_000.0, 0, ""),
        ("fault", "drop", "a -> b", 2_000.0, 9_000.0, 12, ""),
        ("operation", "reset", "nic", 3_000.0, 4_000.0, 0, "SUCCESS"),
    ]


def test_violations_that_are_alike_are_one_event_from_the_first_to_the_last() -> None:
    found = chronicle([], [], [violation(0), violation(1, source="other.py:1"), violation(2)])
    assert told(found) == [
        ("violation", "N6-SEND-10", "nic", 1_500_000.0, 1_500_002.0, 2, "packet 0 was completed twice"),
        ("violation", "N6-SEND-10", "nic", 1_500_001.0, 1_500_001.0, 1, "packet 1 was completed twice"),
    ]


def test_the_text_tells_what_was_done_to_the_stack() -> None:
    deeds = [
        Deed("operation", "pause", "nic", 3_000_000, 4_500_000),
        Deed("operation", "reset", "nic", 5_000_000, None),
        Deed("operation", "remove", "nic", 6_000_000, 6_250_000, "node nic refused"),
        Deed("death", "bug-check", "mux", 7_000_000, 7_000_000),
    ]
    text = to_text(small(events=chronicle([FAULT], deeds, [violation()])))
    assert "events        pause of nic at 3ms, for 1.5ms\n" in text
    assert "              reset of nic at 5ms, had not ended\n" in text
    assert "              remove of nic at 6ms, for 250us: node nic refused\n" in text
    assert "              bug-check of mux at 7ms\n" in text
    assert "lossy" not in text.partition("events  ")[2]
    many = to_text(small(events=chronicle([], deeds[:1] * 50, [])))
    assert (many.count("pause of nic"), "and 30 more in the report as JSON" in many) == (20, True)


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_a_run_keeps_when_faults_and_operations_were(mode: Literal["processes", "inline"]) -> None:
    fault = "{name: lossy, at: 20ms, for: 30ms, on: nic0 -> nic1, drop: 50%}"
    text = f"{ENDLESS}events: [{{at: 40ms, pause: nic0}}, {{at: 60ms, restart: nic0}}]\n"
    with launched(mode, fault, text=text) as run:
        assert run.wait(0.1) is Reason.TIME
        run.reset("nic1")
    report = report_of(run)
    assert [of.what for of in report.events] == ["drop", "pause", "restart", "reset"]
    drop, pause, _, reset = report.events
    assert (drop.kind, drop.name, drop.count) == ("fault", "lossy", report.faults[0].hit)
    assert drop.began is not None
    assert drop.began >= 20_000
    assert (drop.began, drop.ended) == (report.faults[0].began, report.faults[0].ended)
    assert (pause.where, pause.began is not None and pause.began >= 40_000, pause.result) == (
        "nic0",
        True,
        "",
    )
    assert (reset.where, reset.result) == ("nic1", "SUCCESS")
    assert reset.ended is not None
    assert reset.ended <= report.run.duration_s * 1e6 + 1
