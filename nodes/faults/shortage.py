"""Short memory as a fault: a share of a driver's allocations fails for as long as it is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nodes.faults.fault import Fault
from nodes.metrics import Counter

if TYPE_CHECKING:
    from nodes.node import Node


class FaultShortage:
    """Decides which allocations fail, by their number since the fault began: a packet has no id before it is there."""

    def __init__(self, node: Node, fault: Fault, hit: Callable[[Fault, int], None]) -> None:
        self._node = node
        self.fault = fault
        self._hit = hit
        self._allocations = 0

    def fails(self) -> bool:
        """Count an allocation; return whether it is one of those that fail."""
        self._allocations += 1
        number = np.array([self._allocations], np.uint64)
        if not self.fault.hits(self._node.rng, number)[0]:
            return False
        self._node.board.counters[Counter.ALLOCATIONS_FAILED] += 1
        self._hit(self.fault, 1)
        return True

    def left(self, count: int) -> int:
        """Return how many of `count` packets a failing allocation yields: fewer, by chance or none."""
        number = np.array([self._allocations], np.uint64)
        return int(self._node.rng.uniform(f"fault/{self.fault.name}/left", number)[0] * count)
