"""How a node reports a broken rule: once, with the packet, the neighbour and the driver's line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nodes.metrics import Counter
from nodes.verifier.level import STACK_DEPTH, Level
from nodes.verifier.places import driver_location, is_driver, stack_lines
from nodes.verifier.violation import Violation
from shm.handle import SLOT_MASK

if TYPE_CHECKING:
    from nodes.node import Node

TOLD_VIOLATIONS = 500
"""Violations of one node that are told one by one; those beyond are counted only."""
_RETURNED_TWICE = frozenset({"N6-CAN-08", "N6-RX-04", "N6-SEND-10"})
_DEAD_VIEW = "released memoryview"
"""What Python says of a view that was used after its end."""


class Reporter:
    """Turns complaints into violations; the same complaint about the same packet is reported once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told: set[tuple[str, str, int, str, str, int]] = set()

    def complain(self, rule: str, handle: int, message: str, culprit: str, peer: str, where: str) -> None:
        """Report a violation by this node's driver, or by the neighbour `culprit`, and count it.

        At level OFF only what came back twice is counted.
        """
        node, counters = self._node, self._node.board.counters
        rule = rule if culprit else node.driver.broken(rule, handle)
        if rule in _RETURNED_TWICE:
            counters[Counter.DUPLICATED] += 1
        if node.custody.level == Level.OFF:
            return
        where = where or driver_location()
        key = (rule, culprit, handle, where, message, self._visit(handle))
        if handle and key in self._told:
            return
        counters[Counter.VIOLATIONS] += 1
        if counters[Counter.VIOLATIONS] > TOLD_VIOLATIONS:
            return
        self._told.add(key)
        peer = node.name if culprit else peer or self._peer_of(handle)
        node.on_event(self._violation(rule, culprit or node.name, handle, message, where, peer).event())

    def survive(self, error: Exception) -> bool:
        """Return whether an exception comes from the use of a view after its end, which is then reported."""
        if not isinstance(error, ValueError) or _DEAD_VIEW not in str(error):
            return False
        frames = [place for place in traceback.walk_tb(error.__traceback__) if is_driver(place[0])]
        if not frames:
            return False
        frame, line = frames[-1]
        handle = self._node.custody.views.ended(_values(frame.f_locals))
        if handle:
            self._node.custody.touched(
                handle, "looked at through a view kept", f"{frame.f_code.co_filename}:{line}"
            )
        return bool(handle)

    def _violation(self, rule: str, node: str, handle: int, message: str, where: str, peer: str) -> Violation:
        custody, slot = self._node.custody, handle & SLOT_MASK
        known = handle and slot < custody.arena.slots
        return Violation(
            rule,
            node,
            handle,
            message,
            where,
            peer,
            int(custody.arena.packet_id[slot]) if known and int(custody.arena.handle[slot]) == handle else 0,
            custody.allocated.of(slot) if known and custody.allocated is not None else (),
            custody.given.of(slot) if known and custody.given is not None else (),
            stack_lines(STACK_DEPTH) if custody.level >= Level.STACKS else (),
        )

    def _visit(self, handle: int) -> int:
        """Return what tells a packet's stay here from an earlier one of the same packet, sent again."""
        slot = handle & SLOT_MASK
        known = handle and slot < self._node.arena.slots
        return int(self._node.custody.since[slot] + self._node.arena.born[slot]) if known else 0

    def _peer_of(self, handle: int) -> str:
        """Return the neighbour that a packet is out at, else the one that it came from, else nothing."""
        slot, ports = handle & SLOT_MASK, self._node.ports
        if not handle or slot >= self._node.arena.slots:
            return ""
        out = [port.spec.peer_name for port in ports if int(port.out[slot]) == handle]
        came = int(self._node.custody.came[slot])
        return out[0] if out else ports[came].spec.peer_name if came < len(ports) else ""


def _values(local: dict[str, object]) -> Iterator[object]:
    """Yield what a frame's names and its driver's attributes refer to, and what is in collections among that."""
    driver = local.get("self")
    for value in [*local.values(), *(vars(driver).values() if hasattr(driver, "__dict__") else ())]:
        yield value
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list | tuple | set):
            yield from value
