"""Drivers for runs of packets of many pieces in both modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nodes.ndis import Binding, Filter, NetEvent, Protocol
from nodes.options import Positive
from nodes.packets.chain import NblChain
from nodes.status import SEND_STATUSES, Status
from tests.nodes.ndis.packet_layers import Copier, Splitter, put

__all__ = ["Copier", "Head", "PieceSource", "Splitter"]

PIECES = ([300, 17], [250])
SOON = 20_000


@dataclass(frozen=True)
class Amount:
    """How many packets."""

    packets: Positive = 60


class PieceSource(Protocol):
    """Sends packets of two NBs and three MDLs, and cancels every third; done when all are back whole."""

    source: ClassVar[bool] = True
    Options = Amount
    default_pool_size = 256

    def bind_adapter(self, binding: Binding) -> None:
        self.sent, self.back = 0, 0
        self.partial = binding.generate_partial_cancel_id() << 56
        self.datas = [bytes(range(256)) + bytes(61), bytes(reversed(range(250)))]

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.set_timer(SOON, self.send_one)
        return Status.SUCCESS

    def send_one(self) -> None:
        if self.sent == self.options.packets:
            return
        binding = self.bindings[0]
        chain = binding.allocate_net_buffer_list(*PIECES)
        if len(chain):
            for buffer, data in zip(chain[0].net_buffers, self.datas, strict=True):
                put(buffer, data)
            self.sent += 1
            chain.cancel_id = np.array([self.partial | self.sent], np.uint64)
            binding.send_net_buffer_lists(chain)
            if self.sent % 3 == 0:
                binding.cancel_send_net_buffer_lists(self.partial | self.sent)
        self.set_timer(SOON, self.send_one)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        for nbl in chain:
            assert nbl.status in SEND_STATUSES
            assert [b"".join(buffer.pieces) for buffer in nbl.net_buffers] == self.datas
        self.back += len(chain)
        self.free(chain)
        if self.back == self.options.packets:
            self.report_done()


class Head(Filter):
    """Puts a header before the data of every NB, and takes it away again."""

    default_pool_size = 256

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        assert chain.retreat(20)
        self.module.send_net_buffer_lists(chain, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        chain.advance(20, free_mdl=True)
        self.module.send_net_buffer_lists_complete(chain, flags)
