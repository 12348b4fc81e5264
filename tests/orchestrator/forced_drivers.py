"""Drivers that runs with something forced are observed by."""

from __future__ import annotations

import numpy as np

from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Miniport
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.traffic import Traffic


class Watcher(Traffic):
    """Counts packets that complete later than one sent after them."""

    def start(self) -> None:
        self.latest = 0
        super().start()

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        serials = (chain.packet_id & np.uint64(0xFFFFFFFFFFFF)).astype(np.int64)
        so_far = np.maximum.accumulate(np.concatenate([[self.latest], serials]))
        self.latest = int(so_far[-1])
        self._node.board.counters[Counter.OUT_OF_ORDER] += int(np.count_nonzero(serials < so_far[:-1]))
        super().send_net_buffer_lists_complete(binding, chain, flags)


class Careless(Miniport):
    """Takes it for granted that there is memory for the answer to each send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        answer = adapter.allocate_net_buffer_lists(1, 64)
        next(answer[0].net_buffers)
        self.free(answer)
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
