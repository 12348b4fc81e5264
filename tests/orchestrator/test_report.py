"""The report says what a run amounted to, in a fixed form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from nodes.metrics import HistogramRow, NodeState
from orchestrator.history import packet_history
from orchestrator.report import Report, RunFacts, build_report, report_schema
from orchestrator.report_model import EXIT_CODES, decide
from orchestrator.tables import duration, size
from orchestrator.text import to_text
from orchestrator.topology.threshold import parse_threshold
from tests.orchestrator.synthetic import FakeRun

FACTS = RunFacts(
    id="0123abcd",
    name="demo",
    seed=7,
    mode="processes",
    duration_s=2.0,
    ended="done",
    drivers={"top": "traffic", "nic": "miniport"},
    pids={"top": 11, "nic": 12},
)
VIOLATION = {
    "rule": "N6-SEND-10",
    "node": "nic",
    "handle": 0x1000000001,
    "message": "completed twice",
    "where": "driver.py:7",
}


def healthy() -> FakeRun:
    run = FakeRun()
    run.send_and_complete(1000)
    for name in ("top", "nic"):
        run.state(name, NodeState.HALTED)
    return run


def report(run: FakeRun | None = None, **facts: Any) -> Report:
    return build_report(replace(FACTS, **facts), (run or healthy()).observe())


def test_a_healthy_run_passes_and_adds_up() -> None:
    found = report()
    assert (found.verdict, found.exit_code) == ("pass", 0)
    assert found.conservation.model_dump() == {
        "accepted": 1000,
        "completed": 1000,
        "in_flight": 0,
        "lost": 0,
        "duplicated": 0,
    }
    assert found.throughput_pps == 500.0
    assert found.statuses == {"SUCCESS": 1000}


def test_the_json_has_the_promised_keys_in_the_promised_order() -> None:
    found = json.loads(report().to_json())
    assert list(found)[:10] == [
        "schema",
        "run",
        "verdict",
        "conservation",
        "throughput_pps",
        "latency_us",
        "statuses",
        "nodes",
        "violations",
        "trace_sha256",
    ]
    assert found["schema"] == "ndisim.report/1"
    assert list(found["run"]) == ["id", "name", "seed", "mode", "duration_s"]
    assert list(found["conservation"]) == ["accepted", "completed", "in_flight", "lost", "duplicated"]
    assert list(found["latency_us"]) == ["p50", "p90", "p99", "p99.9", "max", "count"]
    node = ["driver", "kind", "pid", "state", "counters", "held_us", "processor"]
    assert list(found["nodes"]["nic"]) == node
    assert list(found["nodes"]["nic"]["held_us"]) == ["p50", "p99", "max"]


def test_the_json_reads_back_as_the_same_report() -> None:
    found = report(violations=[VIOLATION], thresholds=[parse_threshold("latency.p99 < 1ms")])
    assert Report.model_validate_json(found.to_json()) == found


def test_the_published_schema_names_every_key_that_is_written() -> None:
    properties = report_schema()["properties"]
    assert list(properties) == list(json.loads(report().to_json()))


def test_latency_is_in_microseconds_within_the_error_of_a_bucket() -> None:
    found = report()
    assert found.latency_us.p50 == pytest.approx(10, rel=1 / 32)
    assert found.nodes["nic"].held_us.p99 == pytest.approx(5, rel=1 / 32)
    assert found.one_way_us.p50 is None


def test_a_lost_packet_is_a_broken_contract() -> None:
    run = healthy()
    run.count("top", sent=1001)
    found = report(run)
    assert (found.conservation.lost, found.verdict, found.exit_code) == (1, "violations", 98)


def test_a_violation_is_reported_with_rule_source_and_history() -> None:
    found = build_report(
        replace(FACTS, violations=[{**VIOLATION, "at": 2500}]),
        healthy().observe(),
        history_of=lambda handle: [f"saw {handle:x}"],
    )
    assert (found.verdict, found.violation_count) == ("violations", 1)
    told = found.violations[0].model_dump()
    assert (told.pop("look") and told.pop("document")).endswith("nf-ndis-ndismsendnetbufferlistscomplete")
    assert told == {
        "rule": "N6-SEND-10",
        "node": "nic",
        "handle": "0x0000001000000001",
        "message": "completed twice",
        "history": ["saw 1000000001"],
        "source": "driver.py:7",
        "severity": "fatal",
        "microsoft": [],
        "expected": "Every send that came in is completed exactly once, and nothing else is.",
        "peer": "",
        "packet_id": 0,
        "allocated": [],
        "given": [],
        "stack": [],
        "at_us": 2.5,
    }


def test_what_the_node_noted_about_the_packet_is_told() -> None:
    noted = {
        "peer": "top",
        "packet_id": 5,
        "allocated": ["a.py:1"],
        "given": ["b.py:2"],
        "stack": ["c.py:3", "d.py:4"],
    }
    found = report(violations=[VIOLATION | noted])
    assert noted.items() <= found.violations[0].model_dump().items()
    text = to_text(found)
    for line in ("at         c.py:3", "d.py:4", "given at   b.py:2", "made at    a.py:1", "neighbour  top"):
        assert line in text


def test_a_history_that_came_with_the_violation_is_kept() -> None:
    given = {**VIOLATION, "history": ["sent", "completed"], "where": "own.py:3"}
    (violation,) = report(violations=[given]).violations
    assert (violation.history, violation.source) == (["sent", "completed"], "own.py:3")


def test_violations_that_only_the_counters_know_count() -> None:
    run = healthy()
    run.count("nic", violations=3)
    assert (report(run).violation_count, report(run).verdict) == (3, "violations")


def test_a_threshold_that_is_not_met_fails_the_run_and_is_named() -> None:
    found = report(thresholds=[parse_threshold("lost == 0"), parse_threshold("latency.p99 < 1us")])
    assert (found.verdict, found.exit_code) == ("thresholds", 99)
    assert [(of.condition, of.passed) for of in found.thresholds] == [
        ("lost == 0", True),
        ("latency.p99 < 1us", False),
    ]


def test_a_threshold_can_be_on_every_metric_that_a_topology_may_name() -> None:
    from orchestrator.topology.threshold import COUNTS, DURATIONS, RATE, RATIOS

    run = healthy()
    run.record("top", HistogramRow.PLANNED, [10_000])
    run.count("top", starved_us=10)
    conditions = [f"{metric} >= 0" for metric in (*COUNTS, RATE)]
    conditions += [f"{metric} > 0" for metric in (*DURATIONS, *RATIOS)]
    found = report(run, thresholds=[parse_threshold(text) for text in conditions])
    assert [of.condition for of in found.thresholds if not of.passed] == []


def test_a_run_that_broke_off_has_failed_whatever_else_holds() -> None:
    found = report(error="node nic died", violations=[VIOLATION])
    assert (found.verdict, found.exit_code, found.error) == ("failed", 1, "node nic died")


def test_a_run_whose_load_generator_was_the_bottleneck_is_void() -> None:
    found = report(void="top sent all it could", thresholds=[parse_threshold("throughput_pps > 1000000")])
    assert (found.verdict, found.exit_code) == ("void", 97)


def test_latency_from_the_planned_time_stands_beside_that_from_the_send() -> None:
    run = healthy()
    run.record("top", HistogramRow.PLANNED, [3_000_000] * 1000)
    run.count("top", planned=1000, late=3, worst_lag_us=2500)
    found = report(run, thresholds=[parse_threshold("planned.p99 < 1ms")])
    assert found.planned_us.p99 == pytest.approx(3000, rel=1 / 32)
    assert (found.latency_us.p99 or 0) < 11
    assert found.verdict == "thresholds"
    text = to_text(found)
    assert "planned       p50 2.98ms" in text
    assert "late          top sent 3 of 1,000 planned packets late, the worst by 2.5ms" in text


def test_the_floor_is_the_worst_that_any_node_found() -> None:
    run = healthy()
    run.count("top", clock_step_ns=40, wake_p50_ns=55_000, wake_p90_ns=90_000)
    run.count("nic", clock_step_ns=60, wake_p50_ns=50_000, wake_p90_ns=950_000)
    run.record("top", HistogramRow.PLANNED, [3_000_000])
    found = report(run)
    assert found.floor_us.model_dump() == {"clock": 0.06, "wake_p50": 55.0, "wake_p90": 950.0}
    assert "floor         clock step 60ns; a sleeper wakes 55us late (p50), 950us (p90)" in to_text(found)


def test_a_virtual_clock_has_no_floor() -> None:
    assert set(report().floor_us.model_dump().values()) == {None}


def test_nothing_planned_is_nothing_measured() -> None:
    found = report(thresholds=[parse_threshold("planned.p99 < 1h")])
    assert (found.planned_us.count, found.thresholds[0].measured, found.verdict) == (0, None, "thresholds")
    assert "planned  " not in to_text(found)


def test_every_verdict_has_its_exit_code() -> None:
    assert EXIT_CODES == {"pass": 0, "failed": 1, "void": 97, "violations": 98, "thresholds": 99}


def test_a_violation_hides_a_void_result_and_a_threshold() -> None:
    verdict = decide(error=None, violations=1, conserved=True, void=True, thresholds_passed=False)
    assert verdict == "violations"


def test_a_run_of_no_time_has_no_throughput() -> None:
    assert report(duration_s=0.0).throughput_pps == 0.0


def test_received_frames_are_added_over_all_receivers() -> None:
    run = healthy()
    run.count("top", received=5, received_bytes=500, corrupt=1)
    run.count("nic", received=7, received_bytes=700, rx_missed=2)
    run.record("top", HistogramRow.ONE_WAY, [1000] * 5)
    found = report(run)
    assert found.received.model_dump() == {
        "frames": 12,
        "bytes": 1200,
        "corrupt": 1,
        "out_of_order": 0,
        "missed": 2,
    }
    assert found.one_way_us.count == 5


def test_the_life_of_a_packet_is_told_from_all_recorders_in_order_of_time() -> None:
    from nodes.crossings.crossing import Event, Op, event_meta

    run = FakeRun()
    (handle,) = run.allocate("top", 1)
    argument = run.arena.handle[[handle & 0xFFFFFFF]]
    run.boards["nic"].recorder().record(
        5_000, argument, event_meta(Event.GIVEN_BACK, Op.COMPLETE, 1, 0xC0000001)
    )
    run.boards["top"].recorder().record(2_000, argument, event_meta(Event.HANDED_OVER, Op.SEND, 1))
    assert packet_history(run.specs, run.boards, handle) == [
        "+0.0us top handed over send on top -> nic",
        "+3.0us nic given back complete on top -> nic with FAILURE",
    ]
    assert packet_history(run.specs, run.boards, 0) == []


EXPECTED = """\
FAIL: the contract was violated   demo, run 0123abcd, processes, seed 7, 2.00 s (done)

conservation  accepted 1,000 = completed 1,000 + in flight 0 + lost 0
throughput    500 packets/s
latency       p50 10.1us  p90 10.1us  p99 10.1us  p99.9 10.1us  max 10.2us  of 1,000
statuses      SUCCESS 1,000
received      0 frames, 0 B; 0 corrupt, 0 out of order, 0 missed

pass if       ok    lost == 0   (measured 0)
              FAIL  latency.p50 < 5us   (measured 10.1us)

node  driver    state    sent  completed  received  violations  held p50     p99     max
top   traffic   Halted  1,000      1,000         0           0         -       -       -
nic   miniport  Halted      0          0         0           0    5.06us  5.06us  5.12us

edge        kind      down  completed  up  returned
top -> nic  binding  1,000      1,000   0         0

1 violation of the contract
N6-SEND-10  nic: completed twice
    at         driver.py:7
    expected   Every send that came in is completed exactly once, and nothing else is.
    next       Find the second completion: the history shows where the first one happened; often a
               cancel or a pause and the normal path take the same packet from the queue.
    rule       https://learn.microsoft.com/windows-hardware/drivers/ddi/ndis/nf-ndis-ndismsendnetbufferlistscomplete
"""


def test_the_text_is_as_committed() -> None:
    found = report(
        violations=[VIOLATION],
        thresholds=[parse_threshold("lost == 0"), parse_threshold("latency.p50 < 5us")],
    )
    assert to_text(found) == EXPECTED


def test_the_text_fits_into_100_columns_and_needs_only_ascii() -> None:
    text = to_text(report(violations=[{**VIOLATION, "message": "a long story " * 20}] * 30, error="it " * 60))
    assert max(len(line) for line in text.splitlines() if "https://" not in line) <= 100
    assert text.isascii()


def test_violations_that_are_alike_are_shown_once_and_counted() -> None:
    others = [{**VIOLATION, "where": f"driver.py:{line}"} for line in range(20)]
    text = to_text(report(violations=[VIOLATION] * 30 + others))
    assert "50 violations of the contract of 20 kinds, the first 10 of them" in text
    assert "and 30 more like it" in text
    assert text.count("N6-SEND-10") == 10


def test_text_from_drivers_is_no_markup() -> None:
    assert "[bold]x[/bold]" in to_text(report(violations=[{**VIOLATION, "message": "[bold]x[/bold]"}]))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (None, "-"),
        (0.25, "250ns"),
        (12.345, "12.3us"),
        (1500.0, "1.5ms"),
        (2_000_000.0, "2s"),
        (999.9, "1,000us"),
    ],
)
def test_durations_are_written_in_the_unit_that_suits_them(microseconds: float | None, text: str) -> None:
    assert duration(microseconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1500, "1.5 kB"), (12_345_678, "12.3 MB"), (10**16, "10,000 TB")]
)
def test_sizes_are_written_in_the_unit_that_suits_them(count: int, text: str) -> None:
    assert size(count) == text


def test_the_place_of_a_driver_is_shown_whole_however_long_its_path() -> None:
    where = f"/{'a-long-directory/' * 12}driver.py:7"
    text = to_text(report(violations=[VIOLATION | {"where": where}]))
    assert f"\n    at         {where}\n" in text
