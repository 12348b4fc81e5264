"""Percentiles of durations, from the log-linear buckets that nodes fill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from shm.histogram import OCTAVES, bucket_bounds

_HIGHEST = 1 << (OCTAVES + 1)
_DIGITS = 3
_QUANTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True)
class Durations:
    """Hold what a set of durations looks like, in ns; all but `count` are None where there was none."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    maximum: float | None


def to_hdr(buckets: NDArray[np.uint64]) -> HdrHistogram:
    """Return an HdrHistogram (ns) of u64[BUCKETS] counts, each bucket recorded at its midpoint."""
    histogram = HdrHistogram(1, _HIGHEST, _DIGITS)
    low, high = bucket_bounds()
    for bucket in np.flatnonzero(buckets).tolist():
        histogram.record_value(max(1, int((low[bucket] + high[bucket]) / 2)), int(buckets[bucket]))
    return histogram


def summarise(buckets: NDArray[np.uint64]) -> Durations:
    """Return the percentiles of u64[BUCKETS] counts.

    The maximum is the upper edge of the highest bucket in use, so nothing took longer.
    """
    used = np.flatnonzero(buckets)
    if not len(used):
        return Durations(0, None, None, None, None, None)
    histogram = to_hdr(buckets)
    maximum = float(bucket_bounds()[1][used[-1]])
    p50, p90, p99, p999 = (
        min(float(histogram.get_value_at_percentile(quantile)), maximum) for quantile in _QUANTILES
    )
    return Durations(int(buckets.sum()), p50, p90, p99, p999, maximum)
