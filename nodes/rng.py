"""Chance, as nodes see it: every draw is a function of seed, stream name and packet id.

No state is kept, so the fate of a packet depends neither on timing nor on what else was drawn.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


class Rng:
    """Draws from the run's one seed; `name` picks a stream, `ids` (u64[n]) the place in it."""

    def __init__(self, seed: int) -> None:
        self._seed = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)

    def bits(self, name: str, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return 64 random bits for each id (the SplitMix64 finaliser over seed, name and id)."""
        stream = np.uint64(zlib.crc32(name.encode()) << 32 | zlib.adler32(name.encode()))
        with np.errstate(over="ignore"):
            state = (ids ^ stream) * _GOLDEN + self._seed
            for _ in range(2):
                state = (state ^ (state >> np.uint64(30))) * _MIX1
                state = (state ^ (state >> np.uint64(27))) * _MIX2
                state = state ^ (state >> np.uint64(31))
        return state

    def uniform(self, name: str, ids: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return a number in [0, 1) for each id."""
        return (self.bits(name, ids) >> np.uint64(11)).astype(np.float64) * (1.0 / (1 << 53))

    def integers(self, name: str, ids: NDArray[np.uint64], low: int, high: int) -> NDArray[np.int64]:
        """Return an integer in [low, high] for each id; raises ValueError for an empty range or one beyond 2**53."""
        span = high - low + 1
        if not 1 <= span <= 1 << 53:
            raise ValueError(f"cannot draw from {low} to {high}")
        return low + (self.uniform(name, ids) * span).astype(np.int64)
