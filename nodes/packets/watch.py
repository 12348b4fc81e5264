"""How long a layer may take: the time bounds of Driver Verifier on sends and on what a filter holds.

Nothing is done per packet: while packets are owed, polls look now and then at when they came. No timer is set, so that
a watch never moves a virtual clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import OP_INFO, Op
from nodes.crossings.port import STATE_SHIFT, TIME_SHIFT
from nodes.metrics import PortCounter
from shm.handle import slots_of

if TYPE_CHECKING:
    from nodes.node import Node

U64 = NDArray[np.uint64]
_NOTHING = np.zeros(0, np.uint64)
_PACKET_STATES = tuple(OP_INFO[op].state for op in (Op.SEND, Op.INDICATE, Op.FRAME))
_TIME_MASK = np.uint64((1 << STATE_SHIFT) - 1)
LOOKS = 4
"""How often a watch looks within the shortest limit."""


class Watch:
    """Reports packets that stay too long: each within `policy.send_limit` ns, one at least in `policy.hang_limit` ns.

    A miniport answers for all that it has been sent (N6-SEND-19, NdisTimedDataSend and NdisTimedDataHang), a filter for
    what it holds itself, sends and receives (N6-FLT-08). A packet is reported once. `queued` returns what NDIS
    keeps until the driver asks for it (N5-SND-03).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._limit = node.policy.send_limit
        self._hang = node.policy.hang_limit
        self.armed = False
        self.queued: Callable[[], U64] = lambda: _NOTHING
        self._due = 0
        self._reported: set[int] = set()
        self._replies = 0
        self._progress = 0

    def arm(self) -> None:
        """Begin to look, if not begun; call it when packets have come."""
        if self.armed:
            return
        self.armed = True
        self._progress = self._node.clock.now()
        self._replies = self._replies_out()
        self._due = self._progress + min(self._limit, self._hang) // LOOKS

    def look(self) -> None:
        """Look at what is owed if it is time to."""
        now = self._node.clock.now()
        if not self.armed or now < self._due:
            return
        owed = self._owed()
        waiting = len(owed)
        if waiting and self._stuck_below(now):
            owed = owed[:0]
        ages = np.uint64(now) - self._node.custody.since[slots_of(owed)]
        is_filter = self._node.driver.kind == "filter"
        rule = "N6-FLT-08" if is_filter else "N6-SEND-19"
        for handle in owed[ages > self._limit].tolist():
            if handle not in self._reported:
                text = f"packet {handle:#018x} has been here for more than {self._limit / 1e9:g} s"
                self._node.complain(rule, handle, text)
        self._reported = set(owed[ages > self._limit].tolist())
        if not is_filter:
            self._look_for_hang(owed, ages, now)
        self.armed = waiting > len(self._reported)
        self._due = now + min(self._limit, self._hang) // LOOKS

    def _look_for_hang(self, owed: U64, ages: U64, now: int) -> None:
        replies = self._replies_out()
        if replies != self._replies or not len(owed):
            self._replies, self._progress = replies, now
        elif now - self._progress > self._hang and int(ages.max()) > self._hang:
            self._progress = now
            text = f"{len(owed)} sends are here and none was completed for more than {self._hang / 1e9:g} s"
            self._node.complain("N6-SEND-19", int(owed[int(np.argmax(ages))]), text)

    def _stuck_below(self, now: int) -> bool:
        """Return whether packets of an intermediate driver are late in the layer below, which answers for them then.

        They count as late before those from above do, which were here before them.
        """
        node, late = self._node, np.uint64(self._limit // 2 >> TIME_SHIFT)
        for port in node.ports if node.driver.kind == "intermediate" else ():
            slots = np.flatnonzero(port.out)[1:]
            if port.spec.side == "upper" and len(slots):
                words = node.arena.ledger[slots]
                ages = np.uint64(now >> TIME_SHIFT) - words & _TIME_MASK
                sent = words >> np.uint64(STATE_SHIFT) & np.uint64(0xFF) == OP_INFO[Op.SEND].state
                if (ages[sent] > late).any():
                    return True
        return False

    def _replies_out(self) -> int:
        return sum(int(port.counters[PortCounter.REPLIES_OUT]) for port in self._node.ports)

    def _owed(self) -> U64:
        """Return the handles of packets that this node owes a reply, as far as it answers for them."""
        node = self._node
        tables = [node.custody.held]
        if node.driver.kind == "miniport":
            tables += [port.out for port in node.ports if port.spec.kind == "wire"]
        answers = [
            port.index
            for port in node.ports
            if port.spec.kind == "binding" and (port.spec.side == "lower" or node.driver.kind == "filter")
        ]
        found = [self.queued()]
        for table in tables:
            slots = np.flatnonzero(table)[1:]  # row 0 is no packet's
            states = node.arena.ledger[slots] >> np.uint64(STATE_SHIFT) & np.uint64(0xFF)
            ours = np.isin(node.custody.came[slots], answers) & np.isin(states, _PACKET_STATES)
            found.append(table[slots[ours]])
        return np.unique(np.concatenate(found))
