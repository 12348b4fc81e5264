"""Whether a plan was kept: how late packets left for want of processor, and how long they took from when they should.

A packet is late by its own sender only where it could have left: its binding was open and had a packet to spare. What
it waited for before that, for the window, for credits or for memory, is what the run is there to find out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nodes.metrics import Counter, HistogramRow
from shm.arena import Pool, Slots
from shm.board import Board

TICK = 1_000_000
"""A packet that left later than this, in ns, for want of processor counts as late."""


class Punctuality:
    """The books on planned packets of one node, kept on its board."""

    def __init__(self, board: Board, pool: Pool) -> None:
        self._counters = board.counters
        self._histogram = board.histograms[HistogramRow.PLANNED]
        self._base = pool.base
        self._planned = np.zeros(pool.size, np.uint64)

    def sent(self, slots: Slots, planned: NDArray[np.int64], free_since: int, now: int) -> None:
        """Note packets that leave now; `planned` are their times, none in the future, all in ns."""
        self._planned[slots - self._base] = planned.astype(np.uint64)
        lags = now - np.maximum(planned, free_since)
        worst = int(lags.max())
        counters = self._counters
        counters[Counter.PLANNED] += len(slots)
        if worst > TICK:
            counters[Counter.LATE] += int(np.count_nonzero(lags > TICK))
        if worst > counters[Counter.WORST_LAG_US] * 1000:
            counters[Counter.WORST_LAG_US] = worst // 1000

    def sent_unplanned(self, slots: Slots) -> None:
        """Note packets that leave now and have no time of their own."""
        self._planned[slots - self._base] = 0

    def completed(self, slots: Slots, now: int) -> None:
        """Note packets that are back; those without a time are left out."""
        took = self.took(slots, now)
        if len(took):
            self._histogram.record(took)

    def took(self, slots: Slots, now: int) -> NDArray[np.uint64]:
        """Return how long packets that are back took from their planned times, ns; those without one are left out."""
        planned = self._planned[slots - self._base]
        if not planned.all():
            planned = planned[planned > 0]
        took: NDArray[np.uint64] = np.uint64(now) - planned
        return took
