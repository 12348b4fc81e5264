"""Conditions of `pass:` are judged on what was measured."""

from __future__ import annotations

import pytest

from orchestrator.thresholds import Outcome, evaluate
from orchestrator.topology.threshold import parse_threshold

MEASURED = {"lost": 0, "throughput_pps": 1234.5, "latency.p99": 2_000_000.0, "statuses.SUCCESS": 9}
MEASURED |= {"phases.peak.latency.p99": 3_000_000.0, "phases.bulk/2.sent": 5}


def judged(*conditions: str) -> list[Outcome]:
    return list(evaluate(map(parse_threshold, conditions), MEASURED))


@pytest.mark.parametrize(
    ("condition", "passed"),
    [
        ("lost == 0", True),
        ("lost > 0", False),
        ("throughput_pps >= 1234.5", True),
        ("throughput_pps > 10000", False),
        ("latency.p99 < 2ms", False),
        ("latency.p99 <= 2ms", True),
        ("statuses.SUCCESS != 9", False),
        ("phases.peak.latency.p99 < 3ms", False),
        ("phases.bulk/2.sent == 5", True),
        ("phases.2.sent == 5", False),
    ],
)
def test_a_condition_holds_or_not(condition: str, passed: bool) -> None:
    assert [outcome.passed for outcome in judged(condition)] == [passed]


def test_what_was_not_measured_fails() -> None:
    assert judged("latency.max < 1h") == [Outcome("latency.max < 1h", False, None, "us")]


def test_a_status_that_never_occurred_counts_as_none() -> None:
    assert judged("statuses.FAILURE == 0") == [Outcome("statuses.FAILURE == 0", True, 0.0, "count")]


def test_every_condition_is_judged_in_its_order_and_unit() -> None:
    outcomes = judged("lost == 1", "latency.p99 < 50ms", "throughput_pps > 1")
    assert [(of.passed, of.measured, of.unit) for of in outcomes] == [
        (False, 0, "count"),
        (True, 2000.0, "us"),
        (True, 1234.5, "pps"),
    ]
