"""NDIS's half of an NDIS 5 miniport's sends: one call at a time, and a queue for what it hands back.

    protocol -> queue -> MiniportSend(Packets) -> SUCCESS or an error: back to the protocol
                  ^          |                    PENDING: owed, until NdisMSendComplete
                  +----------+ RESOURCES: to the head, with the rest of an array, until it says that it can go on

A serialised miniport is entered by one call at a time, at DISPATCH_LEVEL (N5-SND-06); a deserialised one is neither
serialised nor queued for, and owes every packet (N5-SND-05).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import SYNCHRONOUS, Op, OpInfo
from nodes.irql import Irql
from nodes.ndis5.packets import chain_of
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import SEND_STATUSES, UNSET, Status, status_name

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

ARRAY_LIMIT = 64
"""Packets in one call of MiniportSendPackets at most."""
_QUEUED = OpInfo(1, "N5-SND-02", "queued")


class SendHandlers(Protocol):
    """What `Sends` calls: one of both, by `by_array` (N5-SND-10)."""

    serialised: ClassVar[bool]

    def send(self, packet: Nbl, flags: int) -> Status:
        """Take one packet."""

    def send_packets(self, packets: NblChain) -> None:
        """Take an array of packets."""


class Sends:
    """The sends of one miniport: `owed` are those with the driver, `waiting` how many NDIS has queued."""

    def __init__(
        self, node: Node, driver: SendHandlers, ended: Callable[[], None], *, by_array: bool
    ) -> None:
        self._ended = ended
        self.owed: dict[int, Nbl] = {}
        self._node = node
        self._driver = driver
        self._by_array = by_array
        self._queue: deque[Nbl] = deque()
        self._called: set[int] = set()
        self._blocked = False
        self._inside = False
        self._postponed: deque[Callable[[], None]] = deque()

    @property
    def waiting(self) -> int:
        """Return how many packets NDIS has in its queue."""
        return len(self._queue)

    def handed_back(self) -> NDArray[np.uint64]:
        """Return the handles that wait for resources while no completion is owed that could bring some (N5-SND-03)."""
        waits = self._blocked and not self.owed
        return np.array([packet.handle for packet in self._queue] if waits else [], np.uint64)

    def arrived(self, chain: NblChain, *, called: bool) -> None:
        """Take sends of a protocol; with `called` it waits for the verdict on each."""
        if called:
            self._called.update(chain.handles.tolist())
        if self._driver.serialised:
            self._queue_back(list(chain))
            self.offer()
        elif self._by_array:
            self._owe(list(chain))
            self._driver.send_packets(chain)
            self._pended(list(chain))
        else:
            for packet in chain:
                self._owe([packet])
                self._judge_deserialised(packet, self._driver.send(packet, 0))

    def complete(self, packet: Nbl, status: Status) -> None:
        """End a send that pends (NdisMSendComplete); NDIS goes on with its queue."""
        irql = self._node.irql
        irql.check("NdisMSendComplete", lock_rule="N5-SND-09")
        if self._driver.serialised:
            irql.check_exact("NdisMSendComplete", "N5-SND-09")
        if self.owed.pop(packet.handle, None) is None:
            self._complain("N5-SND-01", packet, "completed, but no send of it pends")
            return
        if status == Status.PENDING:
            self._complain("N5-SND-01", packet, "completed with PENDING")
            status = Status.FAILURE
        self._back(packet, status, 0)
        self.resources_available()
        self._ended()

    def resources_available(self) -> None:
        """Offer what was handed back with RESOURCES again (NdisMSendResourcesAvailable, N5-SND-03)."""
        self._blocked = False
        self.offer()

    def refuse(self, chain: NblChain, status: Status, *, called: bool) -> None:
        """Complete sends that come at the wrong time."""
        if called:
            self._called.update(chain.handles.tolist())
        for packet in chain:
            self._back(packet, status, SYNCHRONOUS)

    def flush(self, status: Status) -> None:
        """Complete everything that NDIS has queued."""
        while self._queue:
            packet = self._queue.popleft()
            self._take(packet)
            self._back(packet, status, 0)

    def cancel(self, came: Port, cancel_id: int) -> None:
        """Complete what NDIS has queued of one driver and cancel id with REQUEST_ABORTED; others keep their order."""
        arena, custody = self._node.arena, self._node.custody
        kept: deque[Nbl] = deque()
        for packet in self._queue:
            wanted = int(arena.cancel[packet.slot]) == cancel_id and custody.came[packet.slot] == came.index
            if wanted:
                self._take(packet)
                self._back(packet, Status.REQUEST_ABORTED, 0)
            else:
                kept.append(packet)
        self._queue = kept

    def locked(self, callback: Callable[[], None]) -> None:
        """Make a call of the driver's inside its lock, or once it is free; sends go on afterwards (N5-SND-06)."""
        if self._inside:
            self._postponed.append(callback)
            return
        with self._enter():
            callback()
        self.offer()

    def offer(self) -> None:
        """Offer what is queued to the miniport, until it has no more resources."""
        while self._queue and not (self._inside or self._blocked):
            packets = [self._queue.popleft()]
            while self._by_array and self._queue and len(packets) < ARRAY_LIMIT:
                packets.append(self._queue.popleft())
            for packet in packets:
                self._take(packet)
            self._owe(packets)
            if self._by_array:
                self._offer_array(packets)
            else:
                self._offer_one(packets[0])

    @contextmanager
    def _enter(self) -> Iterator[None]:
        """Be inside a serialised miniport, at DISPATCH_LEVEL; calls within calls are inside already."""
        if not self._driver.serialised or self._inside:
            yield
            return
        self._inside = True
        irql = self._node.irql
        try:
            with irql.suspended():
                irql.enter(Irql.DISPATCH)
                yield
                irql.settle()
        finally:
            self._inside = False
        if self._postponed:
            self._node.defer(partial(self.locked, self._postponed.popleft()))

    def _offer_one(self, packet: Nbl) -> None:
        with self._enter():
            status: object = self._driver.send(packet, 0)
        if not isinstance(status, int):
            self._complain("N5-SND-01", packet, f"MiniportSend returned {status!r}, which is no status")
            status = Status.FAILURE
        if not self._judge(packet, status):
            self._hand_back([packet])

    def _offer_array(self, packets: list[Nbl]) -> None:
        chain = self._chain(packets)
        with self._enter():
            self._driver.send_packets(chain)
        for place, packet in enumerate(packets):
            status = (
                int(self._node.arena.status[packet.slot]) if packet.handle in self.owed else Status.PENDING
            )
            if status == UNSET:
                self._complain("N5-SND-04", packet, "left by MiniportSendPackets without a status")
                status = Status.PENDING
            if not self._judge(packet, status):
                self._hand_back(self._rest(packets[place:]))
                return

    def _rest(self, packets: list[Nbl]) -> list[Nbl]:
        """Return the packets from the first RESOURCES on; any with another status is reported (N5-SND-04)."""
        rest = []
        for packet in packets:
            if packet.handle not in self.owed:
                self._complain(
                    "N5-SND-04", packet, "completed, though RESOURCES stood before it in the array"
                )
                continue
            status = int(self._node.arena.status[packet.slot])
            if status != Status.RESOURCES:
                name = "no status" if status == UNSET else status_name(status)
                self._complain("N5-SND-04", packet, f"given {name} behind RESOURCES, so it is handled twice")
            rest.append(packet)
        return rest

    def _judge(self, packet: Nbl, status: int) -> bool:
        """Act on a verdict; return False for RESOURCES, which the caller acts on (N5-SND-01)."""
        done = packet.handle not in self.owed
        if status == Status.PENDING:
            self._pended([packet])
        elif done:
            name = status_name(status)
            self._complain(
                "N5-SND-01", packet, f"completed by NdisMSendComplete, then given {name} as verdict"
            )
            self._pended([packet])
        elif status == Status.RESOURCES:
            return False
        else:
            del self.owed[packet.handle]
            self._back(packet, status, SYNCHRONOUS)
        return True

    def _judge_deserialised(self, packet: Nbl, status: Status) -> None:
        if status == Status.PENDING:
            self._pended([packet])
            return
        self._complain(
            "N5-SND-05", packet, f"given {status_name(status)} by a deserialised miniport, not PENDING"
        )
        if self.owed.pop(packet.handle, None) is not None:
            self._back(packet, Status.FAILURE if status == Status.RESOURCES else status, SYNCHRONOUS)
        self._pended([packet])

    def _hand_back(self, packets: list[Nbl]) -> None:
        """Keep packets at the head of the queue until the miniport can go on (N5-SND-03)."""
        for packet in packets:
            del self.owed[packet.handle]
        self._hide(packets)
        self._queue.extendleft(reversed(packets))
        self._blocked = True
        self._pended(packets)

    def _queue_back(self, packets: list[Nbl]) -> None:
        self._hide(packets)
        self._queue.extend(packets)
        if self._inside or self._blocked:
            self._pended(packets)

    def _pended(self, packets: list[Nbl]) -> None:
        """Tell the protocols that wait for a verdict on these packets that they pend."""
        for packet in packets:
            if packet.handle in self._called:
                self._called.discard(packet.handle)
                self._port(packet).notice(Op.VERDICT, packet.handle)

    def _back(self, packet: Nbl, status: int, flags: int) -> None:
        """Give a packet back to its protocol; one that waits for the verdict sees it as that."""
        if packet.handle not in self._called:
            flags = 0
        elif flags:
            self._called.discard(packet.handle)
        port = self._port(packet)
        if port.spec.options.get("upper_generation", 6) > 5 and status not in SEND_STATUSES:
            status = Status.SEND_ABORTED if status == Status.REQUEST_ABORTED else Status.FAILURE
        self._node.arena.status[packet.slot] = status
        statuses = np.array([status], np.uint32) if status else None
        port.reply(Op.COMPLETE, self._chain([packet]), flags, statuses)

    def _owe(self, packets: list[Nbl]) -> None:
        for packet in packets:
            self.owed[packet.handle] = packet
            self._node.arena.status[packet.slot] = UNSET

    def _hide(self, packets: list[Nbl]) -> None:
        chain = self._chain(packets)
        self._node.custody.release(chain.handles, chain.slots, _QUEUED)

    def _take(self, packet: Nbl) -> None:
        chain = self._chain([packet])
        self._node.custody.receive(chain.handles, chain.slots)

    def _port(self, packet: Nbl) -> Port:
        return self._node.ports[int(self._node.custody.came[packet.slot])]

    def _chain(self, packets: list[Nbl]) -> NblChain:
        return chain_of(packets, self._node.custody)

    def _complain(self, rule: str, packet: Nbl, what: str) -> None:
        self._node.complain(rule, packet.handle, f"packet {packet.handle:#018x} was {what}")
