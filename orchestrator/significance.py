"""Tell a difference between two series of measurements from chance.

Seconds of one run resemble their neighbours, so a long series is first cut into batches of neighbours, whose means
stand for them (the method of batch means). A permutation test says how often chance alone gives such a difference, a
bootstrap how large it may be in truth. Every draw comes from one seed: the same data give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

BATCHES = 20
FEWEST = 4
"""Fewer measurements on one side prove nothing: two times three of them fall apart by chance once in ten times."""
DRAWS = 10_000
LEVEL = 0.05
_SEED = 1
_INTERVAL = (2.5, 97.5)
_ROUNDING = 1e-12
_DIGITS = 6


@dataclass(frozen=True)
class Difference:
    """How B differs from A: means, change as a share of A's mean, its 95 % interval, and how likely chance is.

    What cannot be said is None: all but the means with fewer than FEWEST measurements, or a mean of 0 to compare with.
    """

    a: float | None
    b: float | None
    change: float | None
    low: float | None
    high: float | None
    p: float | None


def difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """Compare the means of two series of measurements in the order of time; a share of 0.1 is 10 % more."""
    left, right = _batches(a), _batches(b)
    means = [round(float(side.mean()), _DIGITS) if len(side) else None for side in (left, right)]
    if min(len(left), len(right)) < FEWEST or not means[0]:
        return Difference(means[0], means[1], None, None, None, None)
    draw = np.random.default_rng(_SEED)
    shares = (float(right.mean() / left.mean() - 1), *_interval(left, right, draw))
    change, low, high = (round(share, _DIGITS) for share in shares)
    p = round(_chance(left, right, draw), _DIGITS)
    return Difference(means[0], means[1], change, low, high, p)


def significant(ps: Sequence[float | None]) -> list[bool]:
    """Say which of several tests found a difference, by Holm's method: one false alarm in 20 over all of them."""
    tested = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    found = [False] * len(ps)
    for rank, (p, index) in enumerate(tested):
        if p > LEVEL / (len(tested) - rank):
            break
        found[index] = True
    return found


def _batches(values: Sequence[float]) -> F64:
    whole = np.array(values, np.float64)
    if len(whole) <= BATCHES:
        return whole
    return np.array([part.mean() for part in np.array_split(whole, BATCHES)])


def _chance(a: F64, b: F64, draw: np.random.Generator) -> float:
    """Return the share of random divisions of all measurements whose means differ as much (the p value)."""
    both = np.concatenate([a, b])
    mixed = draw.permuted(np.tile(both, (DRAWS, 1)), axis=1)
    apart = np.abs(mixed[:, : len(a)].mean(axis=1) - mixed[:, len(a) :].mean(axis=1))
    seen = abs(a.mean() - b.mean()) - _ROUNDING * abs(both).max()
    return float((1 + np.count_nonzero(apart >= seen)) / (1 + DRAWS))


def _interval(a: F64, b: F64, draw: np.random.Generator) -> tuple[float, float]:
    """Return the interval of the change of means, from measurements drawn again with replacement."""
    means = [draw.choice(side, (DRAWS, len(side))).mean(axis=1) for side in (a, b)]
    usable = means[0] > 0
    low, high = np.percentile(means[1][usable] / means[0][usable] - 1, _INTERVAL).tolist()
    return low, high
