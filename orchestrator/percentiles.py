"""Percentiles of durations, from the log-linear buckets that nodes fill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shm.histogram import BUCKETS, bucket_bounds

_QUANTILES = (0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Durations:
    """Hold what a set of durations looks like, in ns; all but `count` are None where there was none."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    maximum: float | None

    def metrics(self, name: str) -> dict[str, float]:
        """Return what conditions may name of durations that are called `name`, ns; nothing where there was none."""
        values = {"p50": self.p50, "p90": self.p90, "p99": self.p99, "p99.9": self.p999, "max": self.maximum}
        return {f"{name}.{rank}": value for rank, value in values.items() if value is not None}


def added(histograms: Iterable[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return the sum of histograms (u64[BUCKETS]), bucket by bucket: nothing of what each counted is lost."""
    return sum(histograms, np.zeros(BUCKETS, np.uint64))


def summarise(buckets: NDArray[np.uint64]) -> Durations:
    """Return the percentiles of u64[BUCKETS] counts, each the middle of the bucket that it lies in.

    The maximum is the upper edge of the highest bucket in use, so nothing took longer.
    """
    used = np.flatnonzero(buckets)
    if not len(used):
        return Durations(0, None, None, None, None, None)
    low, high = bucket_bounds()
    counts = buckets[used].cumsum()
    total = int(counts[-1])
    ranks = [max(1, math.ceil(quantile * total)) for quantile in _QUANTILES]
    found = used[np.searchsorted(counts, np.array(ranks, np.uint64))]
    p50, p90, p99, p999 = ((low[found] + high[found]) / 2).tolist()
    return Durations(total, p50, p90, p99, p999, float(high[used[-1]]))
