"""What a load generator's packets are made of: a stamped UDP frame in each of their NBs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nodes.ndis import Binding
from nodes.node import Node
from nodes.packets.chain import NblChain
from nodes.stock.flows import Sender
from nodes.stock.frame_sizes import FrameSizes
from shm.arena import Slots


class FrameWriter:
    """Makes packets of `buffers` NBs and writes the next frames of a sender into them.

    Frames are numbered through: packet k of a sender has its frames from ``k * buffers`` on, all planned for the
    packet's time. With one NB there is nothing to follow: NB and payload lie where the packet does.
    """

    def __init__(self, node: Node, sizes: FrameSizes, buffers: int) -> None:
        self.buffers = buffers
        self._arena = node.arena
        self._rng = node.rng
        self._sizes = sizes
        self._base = node.pool.base
        self._slots = np.zeros((node.pool.size if buffers > 1 else 0, buffers), np.int64)

    def allocate(self, binding: Binding, count: int) -> NblChain:
        """Return at most `count` packets, at least one, for a binding; fewer or none where memory is short."""
        low = self._sizes.low
        if self.buffers == 1:
            return binding.allocate_net_buffer_lists(count, low)
        made: list[NblChain] = []
        for _ in range(count):
            made.append(binding.allocate_net_buffer_list(*[[low]] * self.buffers))
            if not len(made[-1]):
                break
            nbl = made[-1][0]
            self._slots[nbl.slot - self._base] = [buffer.slot for buffer in nbl.net_buffers]
        return NblChain.join(made)

    def write(self, chain: NblChain, sender: Sender, planned: NDArray[np.int64]) -> None:
        """Write the next frames of a sender, `planned` for these times (i64[n], ns) packet by packet."""
        slots, first, count = chain.slots, sender.sequence * self.buffers, len(chain) * self.buffers
        if self.buffers > 1:
            slots = self._slots[slots - self._base].reshape(-1)
            planned = np.repeat(planned, self.buffers)
        sequence = np.arange(first, first + count, dtype=np.uint64)
        lengths = self._sizes.draw(self._rng, sender.stream, sequence)
        if not self._sizes.fixed:
            chain.length = lengths[:: self.buffers].astype(np.uint32)
            if self.buffers > 1:
                self._shape_others(slots, lengths)
        sender.template.write(self._arena.cells, slots, lengths, sequence, planned.astype(np.uint64))

    def _shape_others(self, slots: Slots, lengths: NDArray[np.int64]) -> None:
        """Give NBs behind the first ones their lengths; each is over a cell of its own."""
        self._arena.nb_length[slots] = lengths
        self._arena.mdl_length[slots] = lengths
