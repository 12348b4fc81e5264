"""Percentiles come out of the buckets within the buckets' error."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.percentiles import Durations, summarise
from shm.histogram import BUCKETS, Histogram


def histogram(*values: int) -> Histogram:
    made = Histogram(np.zeros(BUCKETS, np.uint64))
    if values:
        made.record(np.array(values, np.uint64))
    return made


def test_nothing_measured_has_no_percentiles() -> None:
    assert summarise(histogram().counts) == Durations(0, None, None, None, None, None)


def test_percentiles_are_within_the_error_of_a_bucket() -> None:
    found = summarise(histogram(*range(1_000, 1_001_000, 1_000)).counts)
    assert found.count == 1000
    assert found.p50 == pytest.approx(500_000, rel=1 / 32)
    assert found.p90 == pytest.approx(900_000, rel=1 / 32)
    assert found.p99 == pytest.approx(990_000, rel=1 / 32)
    assert found.p999 == pytest.approx(999_000, rel=1 / 32)


def test_nothing_exceeds_the_maximum_and_the_maximum_is_not_below_the_longest() -> None:
    found = summarise(histogram(1, 2, 3, 777_777_777).counts)
    assert found.maximum is not None
    assert found.maximum >= 777_777_777
    assert found.p999 is not None
    assert found.p999 <= found.maximum


@pytest.mark.parametrize("value", [0, 1, 2, 2**44, 2**60])
def test_the_edges_of_the_range_are_counted(value: int) -> None:
    assert summarise(histogram(value).counts).count == 1
