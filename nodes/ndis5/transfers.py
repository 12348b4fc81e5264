"""NdisTransferData across an edge: the protocol's packet goes down, and comes back with the bytes asked for.

What is asked travels in the packet's own row: the receive context where its cancel id was, offset and count in `due`;
the answer's byte count comes back in `due`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nodes.crossings.crossing import SYNCHRONOUS, Op
from nodes.ndis5.packets import chain_of
from nodes.packets.net_buffer import Nbl
from nodes.status import Status, status_name
from shm.arena import Arena

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

_LOW = 0xFFFFFFFF


class Request(NamedTuple):
    """Which bytes of which received packet are asked for."""

    context: int
    offset: int
    length: int


def write_request(arena: Arena, slot: int, request: Request) -> None:
    """Write what is asked for into the row of the packet that is to take it."""
    arena.cancel[slot] = request.context
    arena.due[slot] = request.offset << 32 | request.length


def read_request(arena: Arena, slot: int) -> Request:
    """Return what is asked for; nothing of it is checked yet."""
    place = int(arena.due[slot])
    return Request(int(arena.cancel[slot]), place >> 32, place & _LOW)


class Transfers:
    """The transfers that one miniport owes: each is completed once, with status and byte count (N5-TD-02)."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._owed: dict[int, tuple[Port, int]] = {}

    def owe(self, port: Port, packet: Nbl, count: int) -> None:
        """Note a transfer of at most `count` bytes that the miniport is about to be asked for."""
        self._owed[packet.handle] = port, count

    def owes(self, handle: int) -> bool:
        """Return whether a transfer into this packet is owed."""
        return handle in self._owed

    def judge(self, packet: Nbl, status: int, transferred: int) -> None:
        """Act on what MiniportTransferData returned: PENDING leaves it owed, all else ends it.

        Whoever asked for a transfer that is not owed any more is told that it pended, as its completion has come.
        """
        owed = packet.handle in self._owed
        if status != Status.PENDING:
            self.complete(packet, status, transferred, SYNCHRONOUS)
        if status == Status.PENDING or not owed:
            self._node.ports[int(self._node.custody.came[packet.slot])].notice(Op.VERDICT, packet.handle)

    def complete(self, packet: Nbl, status: int, transferred: int, flags: int = 0) -> None:
        """Give the packet back with status and byte count (NdisMTransferDataComplete)."""
        owed = self._owed.pop(packet.handle, None)
        if owed is None:
            name = status_name(status)
            self._node.complain(
                "N5-TD-02", packet.handle, f"transfer completed with {name}, but it is not owed any more"
            )
            return
        port, count = owed
        if status == Status.PENDING:
            self._node.complain("N5-TD-02", packet.handle, "transfer completed with PENDING")
            status = Status.FAILURE
        if transferred > count:
            self._node.complain(
                "N5-TD-05", packet.handle, f"{transferred} bytes transferred, {count} were asked for"
            )
        arena = self._node.arena
        arena.status[packet.slot] = status
        arena.due[packet.slot] = min(max(transferred, 0), count) if status == Status.SUCCESS else 0
        chain = chain_of([packet], self._node.custody)
        port.reply(Op.TRANSFER_DONE, chain, flags, np.array([status], np.uint32))
