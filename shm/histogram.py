"""Log-linear buckets for durations, filled by whole vectors.

A bucket index is the top bits of the value as a binary floating-point number: the exponent picks the octave,
`PRECISION_BITS` of the mantissa the linear step in it. One shift per value, relative error below 1/32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shm.vectors import runs

PRECISION_BITS = 5
OCTAVES = 44
BUCKETS = OCTAVES << PRECISION_BITS
_SHIFT = np.uint64(52 - PRECISION_BITS)
_BIAS = 1023 << PRECISION_BITS
_FEW = 3


def bucket_of(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the bucket index of each value (ns); values beyond 2**44 ns fall into the last one."""
    exact = np.maximum(values, 1).astype(np.float64)
    index = (exact.view(np.uint64) >> _SHIFT).astype(np.int64) - _BIAS
    return np.minimum(index, BUCKETS - 1)


def bucket_bounds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper edge of every bucket in ns, two arrays of BUCKETS values."""
    bits = (np.arange(BUCKETS + 1, dtype=np.uint64) + np.uint64(_BIAS)) << _SHIFT
    edges = bits.view(np.float64)
    return edges[:-1], edges[1:]


class Histogram:
    """Counts per bucket in memory given by the caller (u64[BUCKETS]), so that others can read it live."""

    def __init__(self, counts: NDArray[np.uint64]) -> None:
        self.counts = counts

    def record(self, values: NDArray[np.uint64]) -> int:
        """Count every value (ns) and return the highest bucket among theirs, -1 if there is none.

        Neighbours that are equal, as those of one call are, are counted at once.
        """
        stretches = runs(values)
        if len(stretches) <= _FEW:
            highest = -1
            for start, stop in stretches:
                bucket = int(bucket_of(values[start : start + 1])[0])
                self.counts[bucket] += np.uint64(stop - start)
                highest = max(highest, bucket)
            return highest
        index = bucket_of(values)
        low = int(index.min())
        counted = np.bincount(index - low)
        self.counts[low : low + len(counted)] += counted.astype(np.uint64)
        return low + len(counted) - 1
