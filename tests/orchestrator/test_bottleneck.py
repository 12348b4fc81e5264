"""A run whose load generator could not keep its plan is void; one whose window or stack was slow is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.bottleneck import generator_bottleneck
from orchestrator.topology.threshold import parse_threshold
from tests.orchestrator.synthetic import FakeRun


def verdict(planned: int, late: int, worst: int = 0, passes: Sequence[str] = ()) -> str | None:
    run = FakeRun()
    run.count("top", planned=planned, late=late, worst_lag_us=worst)
    return generator_bottleneck(run.observe(), [parse_threshold(text) for text in passes])


@pytest.mark.parametrize(("planned", "late"), [(0, 0), (10_000, 100), (100, 10), (20, 1)])
def test_few_late_packets_spoil_nothing(planned: int, late: int) -> None:
    assert verdict(planned, late) is None


def test_more_than_a_hundredth_late_is_told_with_what_to_do() -> None:
    text = verdict(10_000, 2_345, worst=45_678)
    assert text == (
        "top was the bottleneck: 2,345 of its 10,000 planned packets (23%) left more than 1 ms late for want of "
        "processor, the worst 45.7 ms late; lower the rate, send more packets per call, or let fewer nodes share a "
        "processor"
    )


def test_a_run_that_is_judged_by_counts_alone_is_not_void() -> None:
    counts = ["lost == 0", "completed == 10000", "statuses.SUCCESS == 10000"]
    assert verdict(10_000, 9_000, passes=counts) is None
    for timed in ("planned.p99 < 5ms", "latency.max < 1s", "throughput_pps > 5", "fairness.jain > 0.9"):
        assert verdict(10_000, 9_000, passes=[*counts, timed]) is not None


def test_late_senders_of_a_small_part_of_the_packets_spoil_nothing() -> None:
    run = FakeRun()
    run.count("top", planned=1000, late=900, sent=1000)
    run.count("nic", sent=98_000)
    assert generator_bottleneck(run.observe()) is not None
    run.count("nic", sent=100_000)
    assert generator_bottleneck(run.observe()) is None


def test_the_node_with_the_largest_share_is_named() -> None:
    run = FakeRun()
    run.count("top", planned=1000, late=900)
    run.count("nic", planned=100_000, late=2_000)
    assert str(generator_bottleneck(run.observe())).startswith("top was")
