"""A NIC with a loop-back plug: what is sent comes back as received."""

from __future__ import annotations

import numpy as np

from nodes.metrics import Counter
from nodes.ndis import Adapter, Miniport
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.frame_rows import FrameRows, cells_for, frame_rows, write_frame
from shm.arena import CELL_LENGTH


class Loopback(Miniport):
    """Copy every frame sent into a receive packet, indicate it, and complete the send with SUCCESS.

    A frame for which there is no receive packet, or no room above, is missed; its send completes all the same
    (N6-SEND-15).
    """

    no_loopback = False

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Loop a chain back and complete it."""
        self.loop(adapter, chain)
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)

    def loop(self, adapter: Adapter, chain: NblChain) -> None:
        """Indicate a copy of each frame of a chain, as far as there are packets and room; the rest is missed."""
        frames = frame_rows(self._node.arena, chain)
        if int(frames.lengths.max(initial=0)) <= CELL_LENGTH:
            looped = self._loop(adapter, chain, frames)
        else:
            looped = self._loop_long(adapter, chain, frames)
        self._node.board.counters[Counter.RX_MISSED] += len(frames) - looped

    def indicate(self, adapter: Adapter, copies: NblChain) -> None:
        """Lend copies to the drivers above."""
        adapter.indicate_receive_net_buffer_lists(copies)

    def _loop(self, adapter: Adapter, chain: NblChain, frames: FrameRows) -> int:
        """Indicate copies of as many frames as possible, as one chain; return how many."""
        count = min(len(frames), adapter.receive_room)
        copies = adapter.allocate_net_buffer_lists(count, frames.lengths[:count].astype(np.uint32))
        count = len(copies)
        if not count:
            return 0
        copies.packet_id = chain.packet_id[frames.packet[:count]]
        block = frames.block()[:count]
        self._node.arena.cells[copies.slots, : block.shape[1]] = block
        self.indicate(adapter, copies)
        return count

    def _loop_long(self, adapter: Adapter, chain: NblChain, frames: FrameRows) -> int:
        """Indicate copies of frames one by one, each over as many cells as it needs; return how many."""
        ids, looped = chain.packet_id, 0
        for index, length, packet in zip(
            frames.index.tolist(), frames.lengths.tolist(), frames.packet.tolist(), strict=True
        ):
            if cells_for(length) > self._node.pool.free_count or not adapter.receive_room:
                continue
            copy = adapter.allocate_net_buffer_lists(1, min(length, CELL_LENGTH))
            if not len(copy):
                continue
            write_frame(self._node.pool, copy, frames.rows[index, :length])
            copy.packet_id = ids[packet : packet + 1]
            self.indicate(adapter, copy)
            looped += 1
        return looped
