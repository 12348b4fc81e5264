"""Drivers for runs in both modes: an NDIS 5 source over an NDIS 5 miniport, and an NDIS 6 pair that waits and lends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nodes.crossings.crossing import ReceiveFlags
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Miniport, NetEvent, Protocol
from nodes.ndis5 import Adapter5, Binding5, Miniport5, Protocol5
from nodes.options import Positive
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import Status

HEADER = bytes(12) + b"\x08\x00"
SOON = 10_000
LIMIT = 2_000_000_000


@dataclass(frozen=True)
class Amount:
    """How many packets."""

    packets: Positive = 60


class Source5(Protocol5):
    """Sends packets one by one by NdisSend, and fetches what is indicated; done when all is back."""

    source: ClassVar[bool] = True
    Options = Amount
    default_pool_size = 128

    def bind_adapter(self, binding: Binding) -> None:
        assert isinstance(binding, Binding5)
        self.binding, self.sent, self.back = binding, 0, 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.set_timer(SOON, self.send_one)
        return Status.SUCCESS

    def send_one(self) -> None:
        if self.sent == self.options.packets:
            return
        packet = self.binding.allocate_packet(60)
        assert packet is not None
        self.sent += 1
        if self.binding.send(packet) is not Status.PENDING:
            self.ended(packet)
        self.set_timer(SOON, self.send_one)

    def send_complete(self, binding: Binding5, packet: Nbl, status: Status) -> None:
        self.ended(packet)

    def ended(self, packet: Nbl) -> None:
        self.free_packet(packet)
        self.back += 1
        if self.back == self.options.packets:
            self.report_done()

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        packet = binding.allocate_packet(packet_size)
        if packet is None:
            return Status.NOT_RECOGNIZED
        status, count = binding.transfer_data(context, 0, packet_size, packet)
        if status is Status.SUCCESS and (count != packet_size or bytes(packet.data)[:4] != lookahead[:4]):
            self._node.board.counters[Counter.CORRUPT] += 1
        if status is not Status.PENDING:
            self.free_packet(packet)
        return Status.SUCCESS


class Nic5(Miniport5):
    """Gives each verdict in turn, completes what pends later, and indicates a look-ahead for every send."""

    def initialize(self, adapter: Adapter) -> None:
        assert isinstance(adapter, Adapter5)
        self.count, self.pending = 0, list[Nbl]()

    def send(self, packet: Nbl, flags: int) -> Status:
        self.count += 1
        kind = self.count % 4
        if kind == 0:
            self.set_timer(SOON, self.adapter.send_resources_available)
            return Status.RESOURCES
        if kind == 1:
            self.pending.append(packet)
            self.set_timer(SOON, self.finish)
            return Status.PENDING
        return Status.SUCCESS if kind == 2 else Status.FAILURE

    def finish(self) -> None:
        while self.pending:
            self.adapter.send_complete(self.pending.pop(), Status.SUCCESS)
        self.adapter.eth_indicate_receive(self.count, HEADER, b"look", 100)
        self.adapter.eth_indicate_receive_complete()

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        packet.data[:4] = b"look"  # type: ignore[index]
        return Status.SUCCESS, count


class WaitingSource(Protocol):
    """Sends one packet at a time and waits for each in its handler; done when all are back."""

    source: ClassVar[bool] = True
    Options = Amount
    default_pool_size = 8

    def bind_adapter(self, binding: Binding) -> None:
        self.binding, self.back, self.sent = binding, 0, 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            for _ in range(self.options.packets):
                self.send_one()
            self.report_done()
        return Status.SUCCESS

    def send_one(self) -> None:
        self.sent += 1
        self.binding.send_net_buffer_lists(self.binding.allocate_net_buffer_lists(1, 60))
        if not self.wait(lambda: self.back == self.sent, LIMIT):
            raise TimeoutError(f"packet {self.sent} did not come back")

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        self.free(chain)


class Lender(Miniport):
    """Lends a packet with RESOURCES for every send before it completes it, and frees it as the call returns."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        lent = adapter.allocate_net_buffer_lists(len(chain), 60)
        adapter.indicate_receive_net_buffer_lists(lent, ReceiveFlags.RESOURCES)
        self.free(lent)
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
