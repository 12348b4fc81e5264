"""What came of each phase of a schedule: when it was on, how many packets it sent and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.metrics import PhaseHistogram, PhaseWord
from nodes.stock.phases import ENDLESS, Phase
from nodes.stock.punctuality import Punctuality
from nodes.stock.schedule import Stretch

if TYPE_CHECKING:
    from nodes.node import Node
    from shm.arena import Slots


class PhaseBooks:
    """The books on the phases of one source, kept on its board; the orchestrator is told of each that begins.

    A packet belongs to the phase that it was planned in, whenever it leaves and comes back; in the closed model to the
    one in which it leaves. `punctuality` knows the planned times. At most one phase is on at a time.
    """

    def __init__(self, node: Node, phases: Sequence[Phase], punctuality: Punctuality) -> None:
        self._node = node
        self._words = node.board.phases
        self._histograms = node.board.phase_histograms
        self._born = node.arena.born
        self._base = node.pool.base
        self._phase = np.zeros(node.pool.size, np.int64)
        self._punctuality = punctuality
        self._planned = [not phase.closed for phase in phases]
        self._on = -1

    def reach(self, stretch: Stretch, elapsed: int, now: int) -> int:
        """Begin what the schedule has come to, `elapsed` ns after its beginning, in this stretch of it.

        Return when the next phase of the stretch begins, ENDLESS if the last one is on. A phase counts from its
        planned time; the first of a stretch from now, as it waits for packets that were planned before it.
        """
        reached = stretch.phase_at(elapsed)
        for number in range(self._on + 1, reached + 1):
            late = elapsed - stretch.phase_begin(number) if number > stretch.first_phase else 0
            self._begin(number, now - late)
        end = stretch.phase_end(elapsed)
        return end if elapsed < end < stretch.end else ENDLESS

    def leave(self, now: int) -> None:
        """End the last phase: the schedule is over, or the source has nothing more to send."""
        if self._on < len(self._words):
            self._begin(len(self._words), now)

    def sent(self, slots: Slots, stretch: Stretch, numbers: NDArray[np.int64]) -> None:
        """Note packets that leave now, by their numbers in a stretch, in ascending order."""
        parts = _by_phase(stretch.phases_of(numbers), slots) if stretch.planned else [(self._on, slots)]
        for phase, part in parts:
            self._phase[part - self._base] = phase
            self._words[phase][PhaseWord.SENT] += len(part)

    def completed(self, slots: Slots, now: int) -> None:
        """Note packets that are back."""
        if self._on < len(self._words):
            self._words[self._on][PhaseWord.RETURNED] += len(slots)
        for phase, part in _by_phase(self._phase[slots - self._base], slots):
            self._words[phase][PhaseWord.COMPLETED] += len(part)
            histograms = self._histograms[phase]
            histograms[PhaseHistogram.LATENCY].record(np.uint64(now) - self._born[part])
            if self._planned[phase]:
                histograms[PhaseHistogram.PLANNED].record(self._punctuality.took(part, now))

    def _begin(self, number: int, at: int) -> None:
        if self._on >= 0:
            self._words[self._on][PhaseWord.ENDED] = at
        if number < len(self._words):
            self._words[number][PhaseWord.BEGAN] = at
        self._on = number
        self._node.on_event({"kind": "phase", "number": number})


def _by_phase(phases: NDArray[np.int64], slots: Slots) -> list[tuple[int, Slots]]:
    """Return packets by their phases; nearly always all are of one."""
    first = int(phases[0])
    if (phases == first).all():
        return [(first, slots)]
    return [(phase, slots[phases == phase]) for phase in np.unique(phases).tolist()]
