"""When packets shall leave: the phases of a load generator, as stretches that are planned or as fast as they go.

The packets of a planned stretch are numbered from 0. Each has a *position* on the axis of the packets planned so far:
its number, or with arrivals by chance a place drawn near it. Its time is when the phases have planned that many. So the
time of any packet can be told alone, from its number and the seed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate, groupby

import numpy as np
from numpy.typing import NDArray

from nodes.stock.phases import ENDLESS, Phase

BLOCK = 1024
"""Arrivals by chance are drawn for so many packets together: a Poisson process that has as many in each block."""
_BLOCKS_KEPT = 16

Draw = Callable[[NDArray[np.uint64]], NDArray[np.float64]]
"""Returns a number in [0, 1) for each id, always the same one."""


class Stretch:
    """A part of a schedule, `begin` to `end` ns after its beginning: here one in the closed model.

    `count` is how many packets it plans, where it is `planned` at all; `first_phase` is the number of its first phase
    in the schedule.
    """

    planned = False
    count = 0
    first_phase = 0

    def __init__(self, phases: Sequence[Phase], begin: int) -> None:
        self.begin = begin
        self.end = min(begin + sum(phase.duration for phase in phases), ENDLESS)
        self._begins = list(accumulate((phase.duration for phase in phases[:-1]), initial=begin))

    def due(self, elapsed: int) -> int:
        """Return how many packets may have left `elapsed` ns after the schedule's beginning."""
        return ENDLESS

    def next_due(self, elapsed: int) -> int:
        """Return when there is more to do than at `elapsed`; at the end at the latest, ENDLESS if that is over."""
        return self.end if elapsed < self.end else ENDLESS

    def offsets(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when packets of these numbers, in ascending order, shall leave, ns after the schedule's beginning."""
        raise NotImplementedError("in the closed model no packet has a time of its own")

    def phase_at(self, elapsed: int) -> int:
        """Return the number in the schedule of the phase that is on at `elapsed`; the last one's beyond the end."""
        return self.first_phase + max(bisect_right(self._begins, elapsed) - 1, 0)

    def phase_begin(self, number: int) -> int:
        """Return when the phase of this number in the schedule begins, which is one of this stretch."""
        return self._begins[number - self.first_phase]

    def phase_end(self, elapsed: int) -> int:
        """Return when the phase ends that is on at `elapsed`."""
        return [*self._begins[1:], self.end][self.phase_at(elapsed) - self.first_phase]

    def phases_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the phases in which packets of these numbers, in ascending order, shall leave."""
        raise NotImplementedError("in the closed model no packet has a phase of its own")


class PlannedStretch(Stretch):
    """Open phases one behind the other; `draw` makes arrivals those of chance, None spaces them evenly."""

    planned = True

    def __init__(self, phases: Sequence[Phase], begin: int, draw: Draw | None = None) -> None:
        super().__init__(phases, begin)
        durations = [phase.duration for phase in phases]
        self._starts = np.array(self._begins)
        self._before = np.cumsum([0.0, *(phase.packets for phase in phases)])
        self._durations = np.array(durations, np.float64)
        self._first = np.array([phase.first for phase in phases], np.float64)
        self._gain = np.array([phase.last - phase.first for phase in phases], np.float64)
        self._burst = np.array([phase.burst or 1 for phase in phases], np.float64)
        self._every = np.array([phase.every for phase in phases], np.float64)
        self._draw = draw
        self._blocks: dict[int, NDArray[np.float64]] = {}
        self._near: list[int] = []
        self._near_first = 0
        self._firsts: list[int] = []
        self.count = ENDLESS if self.end >= ENDLESS else self._planned_before(float(self._before[-1]))

    def due(self, elapsed: int) -> int:
        """Return how many packets may have left by then: those whose time has come."""
        if elapsed >= self.end:
            return self.count
        near, first = self._near, self._near_first
        known = near and (not first or near[0] <= elapsed)
        if not (known and (elapsed < near[-1] or first + len(near) == self.count)):
            self._look_near(elapsed)
        return self._near_first + bisect_right(self._near, elapsed)

    def next_due(self, elapsed: int) -> int:
        """Return when the next packet shall leave, or the end if no more is planned."""
        place = self.due(elapsed) - self._near_first
        return (
            self._near[place] if elapsed < self.end and place < len(self._near) else super().next_due(elapsed)
        )

    def offsets(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when packets of these numbers, in ascending order, shall leave, ns after the schedule's beginning."""
        positions = self._positions(numbers)
        phase = np.minimum(np.searchsorted(self._before[1:], positions, "right"), len(self._starts) - 1)
        more, first, duration = positions - self._before[phase], self._first[phase], self._durations[phase]
        root = np.sqrt(np.maximum(first * first + 2e9 * self._gain[phase] * more / duration, 0))
        times = np.divide(2e9 * more, first + root, out=np.zeros(len(more)), where=first + root > 0)
        every = self._every[phase]
        times = np.where(every > 0, np.floor(more / self._burst[phase]) * every, np.ceil(times))
        offsets: NDArray[np.int64] = self._starts[phase] + np.minimum(times, duration).astype(np.int64)
        return offsets

    def phases_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the phases in which packets of these numbers, in ascending order, shall leave."""
        firsts = self._firsts = self._firsts or [
            self._planned_before(position) for position in self._before[:-1].tolist()
        ]
        first, last = (bisect_right(firsts, number) - 1 for number in (int(numbers[0]), int(numbers[-1])))
        if first == last:
            return np.full(len(numbers), self.first_phase + first)
        return self.first_phase + np.searchsorted(firsts, numbers, "right") - 1

    def _planned_by(self, elapsed: int) -> float:
        """Return the position that the phases have reached."""
        phase = max(int(np.searchsorted(self._starts, elapsed, "right")) - 1, 0)
        into = min(float(elapsed - self._starts[phase]), float(self._durations[phase]))
        if self._every[phase]:
            more = (into // float(self._every[phase]) + 1) * float(self._burst[phase])
        else:
            gained = float(self._gain[phase]) * into / float(self._durations[phase]) / 2
            more = (float(self._first[phase]) + gained) * into / 1e9
        return min(float(self._before[phase]) + more, float(self._before[phase + 1]))

    def _look_near(self, elapsed: int) -> None:
        """Note the times of the packets around those that are due then."""
        block = int(self._planned_by(elapsed)) // BLOCK
        first, stop = max(block - 1, 0) * BLOCK, min((block + 2) * BLOCK, self.count)
        self._near_first = first
        self._near = self.offsets(np.arange(first, stop)).tolist() if first < stop else []

    def _planned_before(self, position: float) -> int:
        """Return how many packets have a position before this one."""
        if self._draw is None:
            return int(np.ceil(position))
        block = int(position) // BLOCK
        return block * BLOCK + int(np.searchsorted(self._arrivals(block), position, "left"))

    def _positions(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        if self._draw is None or not len(numbers):
            return numbers.astype(np.float64)
        first, last = int(numbers[0]) // BLOCK, int(numbers[-1]) // BLOCK
        arrivals = np.concatenate([self._arrivals(block) for block in range(first, last + 1)])
        return arrivals[numbers - first * BLOCK]

    def _arrivals(self, block: int) -> NDArray[np.float64]:
        """Return the positions of a block's packets: places drawn in it, in order."""
        found = self._blocks.get(block)
        if found is None:
            assert self._draw is not None
            places = np.sort(self._draw(np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.uint64)))
            found = self._blocks[block] = (block + places) * BLOCK
            if len(self._blocks) > _BLOCKS_KEPT:
                del self._blocks[min(self._blocks)]
        return found


def stretches(phases: Sequence[Phase], draw_of: Callable[[int], Draw] | None = None) -> list[Stretch]:
    """Return the stretches of a schedule; `draw_of` returns the chance of each by its number, None for even gaps."""
    found: list[Stretch] = []
    begin = phases_before = 0
    for closed, group in groupby(phases, lambda phase: phase.closed):
        draw = None if draw_of is None else draw_of(len(found))
        alike = list(group)
        found.append(Stretch(alike, begin) if closed else PlannedStretch(alike, begin, draw))
        found[-1].first_phase = phases_before
        phases_before += len(alike)
        begin = found[-1].end
    return found
