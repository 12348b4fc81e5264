from __future__ import annotations

import pytest

from orchestrator.topology.threshold import Threshold, parse_threshold
from orchestrator.topology.units import UnitError


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("lost == 0", Threshold("lost", "==", 0)),
        ("in_flight<=3", Threshold("in_flight", "<=", 3)),
        ("  latency.p99.9  >  1.5ms ", Threshold("latency.p99.9", ">", 1_500_000)),
        ("throughput_pps >= 12.5", Threshold("throughput_pps", ">=", 12.5)),
        ("statuses.MEDIA_DISCONNECTED != 0", Threshold("statuses.MEDIA_DISCONNECTED", "!=", 0)),
        ("phases.peak.planned.p99.9 < 2ms", Threshold("planned.p99.9", "<", 2_000_000, "peak")),
        ("phases.bulk-1/2.throughput_pps > 9", Threshold("throughput_pps", ">", 9, "bulk-1/2")),
        ("phases.3.sent == 64", Threshold("sent", "==", 64, "3")),
    ],
)
def test_a_condition_has_a_metric_an_operator_and_a_value(text: str, threshold: Threshold) -> None:
    assert parse_threshold(text) == threshold
    assert parse_threshold(str(threshold)) == threshold


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a condition (write e.g. latency.p99 < 50ms)"),
        ("lost = 0", "'lost = 0' is not a condition (write e.g. latency.p99 < 50ms)"),
        ("lost == 0 == 0", "'lost == 0 == 0' is not a condition (write e.g. latency.p99 < 50ms)"),
        ("latency.p98 < 5ms", "'latency.p98' is not a metric (did you mean latency.p99?)"),
        ("latency.p99 < 5", "'5' has no unit (write e.g. 5us)"),
        ("statuses.success > 1", "'statuses.success' is not a metric (did you mean statuses.SUCCESS?)"),
        ("throughput_pps > 10k", "'10k' is not a number of packets per second (write e.g. 10000)"),
        ("phases.peak.lost == 0", "'lost' is not a metric of a phase (known: completed, latency.max, "),
        (
            "phases.peak.latency.p98 < 5ms",
            "'latency.p98' is not a metric of a phase (did you mean latency.p99?)",
        ),
        ("sent == 5", "'sent' is not a metric (known: "),
        ("lost == none", "'none' is not a whole number (write e.g. 1024)"),
    ],
)
def test_a_bad_condition_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_threshold(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("operator", "verdicts"),
    [
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
        ("==", [False, True, False]),
        ("!=", [True, False, True]),
        (">=", [False, True, True]),
        (">", [False, False, True]),
    ],
)
def test_a_condition_judges_what_was_measured(operator: str, verdicts: list[bool]) -> None:
    assert [Threshold("lost", operator, 5).holds(measured) for measured in (4, 5, 6)] == verdicts
