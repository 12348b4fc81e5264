"""What a driver has been given from above and has not completed: sends and OIDs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nodes.timers import NEVER

if TYPE_CHECKING:
    from nodes.node import Node


def sends_owed(node: Node) -> int:
    """Return how many sends from above this node's driver has not completed, wherever they are now."""
    found = sum(len(slots) for slots in _from_above(node))
    return max(found - oids_owed(node), 0)


def oldest_send(node: Node) -> int:
    """Return when the oldest send that the driver has came to it (ns), NEVER if it has none."""
    if not sends_owed(node):
        return NEVER
    return min(int(node.custody.since[slots].min()) for slots in _from_above(node) if len(slots))


def receives_kept(node: Node) -> NDArray[np.intp]:
    """Return the slots of received packets that this node's driver has."""
    below = [port.index for port in node.ports if port.spec.kind == "binding" and port.spec.side == "upper"]
    held = np.flatnonzero(node.custody.held[1:]) + 1
    kept = held[np.isin(node.custody.came[held], below)]
    received: NDArray[np.intp] = kept[node.custody.duties.foreign(node.custody.held[kept])]
    return received


def _from_above(node: Node) -> list[NDArray[np.intp]]:
    """Return the slots of what came from above, in the driver's hands and handed on by it."""
    above = [port.index for port in node.ports if port.spec.kind == "binding" and port.spec.side == "lower"]
    places = [node.custody.held, *(port.out for port in node.ports if port.spec.side == "upper")]
    occupied = [np.flatnonzero(table[1:]) + 1 for table in places]
    return [slots[np.isin(node.custody.came[slots], above)] for slots in occupied]


def oids_owed(node: Node) -> int:
    """Return how many OIDs from above this node's driver has not answered."""
    driver: Any = node.driver
    edges = [
        getattr(driver, "adapter", None),
        getattr(driver, "module", None),
        *getattr(driver, "adapters", []),
    ]
    return sum(
        edge.oids_above.outstanding for edge in edges if edge is not None and hasattr(edge, "oids_above")
    )
