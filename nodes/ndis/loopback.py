"""Loop-back of sends: what NDIS does for a sender that asks for it, and for nobody else (N6-SEND-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nodes.crossings.crossing import Op, ReceiveFlags
from nodes.metrics import Counter
from nodes.packets.nbl_flags import NblFlags
from shm.arena import CELL_LENGTH

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node
    from nodes.packets.chain import NblChain
    from nodes.packets.net_buffer import Nbl

ADDRESS = 6
_GROUP = 1
LIMIT = 64
"""Copies out at once at most, and never over a quarter of the pool: a driver that has run out of packets or room waits
for its own to come back, and would not hear of these."""


class LoopedBack:
    """The packets that NDIS itself indicated at an adapter's upper edge, copies of sends with CHECK_FOR_LOOPBACK.

    Data matches when its destination is a group address or the sender's own. Copies lie in the adapter's pool; one for
    which there is no packet, or no room above, is missed. They come back to NDIS, not to the driver.
    """

    def __init__(self, node: Node, source: int) -> None:
        self._node = node
        self._source = source
        self.out: set[int] = set()

    def indicate(self, port: Port, chain: NblChain) -> None:
        """Indicate copies of the matching frames of a send to the binding it came from."""
        for nbl in chain:
            for buffer in nbl.net_buffers:
                frame = b"".join(buffer.pieces)
                if frame[0] & _GROUP or frame[:ADDRESS] == frame[ADDRESS : 2 * ADDRESS]:
                    self._indicate_copy(port, nbl, frame)

    def sift(self, chain: NblChain) -> NblChain:
        """Free what of a returned chain is NDIS's own; return the rest, which is the driver's."""
        looped = np.array([handle in self.out for handle in chain.handles.tolist()], np.bool_)
        self.out.difference_update(chain.handles[looped].tolist())
        if looped.any():
            self._node.free(chain[looped])
        return chain[~looped]

    def _indicate_copy(self, port: Port, nbl: Nbl, frame: bytes) -> None:
        pieces = [frame[at : at + CELL_LENGTH] for at in range(0, len(frame), CELL_LENGTH)]
        pool = self._node.pool
        share = max(min(pool.size // 4, LIMIT), 1)
        room = len(self.out) < share and len(pieces) <= pool.free_count and port.room()
        copy = self._node.allocate(1 if room else 0, len(pieces[0]))
        if not len(copy):
            self._node.board.counters[Counter.RX_MISSED] += 1
            return
        pool.extend(int(copy.handles[0]), [len(piece) for piece in pieces[1:]], as_net_buffers=False)
        for view, piece in zip(next(copy[0].net_buffers).pieces, pieces, strict=True):
            view[:] = piece
        copy.source_handle = self._source
        copy.packet_id = np.array([nbl.packet_id], np.uint64)
        copy.flags = NblFlags.IS_LOOPBACK_PACKET
        self._node.arena.cancel[copy.slots] = self._node.arena.source[
            nbl.slot
        ]  # where a filter finds the sender
        self.out.add(int(copy.handles[0]))
        port.request(Op.INDICATE, copy, ReceiveFlags.LOOPBACK)
