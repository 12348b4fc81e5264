"""A slow node: one that sees what its neighbours publish late, as if nothing gave it the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.faults.fault import Fault
from nodes.timers import Timer

if TYPE_CHECKING:
    from nodes.node import Node

TICK = 1_000_000
"""A slowed node is given its share every so many ns, or as rarely as its rate asks for."""
_SECOND = 1_000_000_000


class Gate:
    """Stands between a node and its inbound cursors, and moves what the node sees of them by the slowest fault's rate.

    Whatever comes over a ring counts: sends, completions, indications, messages. Neighbours take turns in going first.
    `faults` are those in force.
    """

    def __init__(self, node: Node, hit: Callable[[Fault, int], None]) -> None:
        self._node = node
        self._hit = hit
        self.faults: tuple[Fault, ...] = ()
        self._real: NDArray[np.uint64] = node.show(None)
        self._shown = self._real.copy()
        self._timer: Timer | None = None
        self._last = 0
        self._credit = 0
        self._turn = 0
        node.show(self._shown)

    def add(self, fault: Fault) -> None:
        """Put a fault in force; the node goes as slowly as the slowest asks for."""
        self.faults = (*self.faults, fault)
        self._last, self._credit = self._node.clock.now(), 0
        self._tick()

    def end(self, fault: Fault) -> None:
        """End a fault; with the last one the gate stands open, and is to be thrown away."""
        self._count(int((self._real - self._shown).sum()) if len(self.faults) == 1 else 0)
        self.faults = tuple(other for other in self.faults if other is not fault)
        if self.faults:
            self._tick()
            return
        if self._timer is not None:
            self._timer.cancel()
        self._node.show(None)

    def show_all_of(self, port: int) -> None:
        """Show what has come by one port."""
        self._shown[port] = self._real[port]

    def _tick(self) -> None:
        """Show the node its share of what has come since the last tick; what it does not use is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rate = min(fault.rate for fault in self.faults)
        if not rate:
            return
        now = self._node.clock.now()
        share, self._credit = divmod(self._credit + (now - self._last) * rate, _SECOND)
        self._last = now
        self._turn += 1
        for index in range(len(self._real)):
            port = (index + self._turn) % len(self._real)
            given = min(share, int(self._real[port] - self._shown[port]))
            self._shown[port] += np.uint64(given)
            share -= given
            self._count(given)
        self._timer = self._node.timers.at(now + max(TICK, _SECOND // rate), self._tick)

    def _count(self, entries: int) -> None:
        for fault in self.faults:
            self._hit(fault, entries)
