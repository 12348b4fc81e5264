"""NDIS 5 neighbours of a driver that is being verified: a protocol and a miniport that use every verdict there is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nodes.ndis import Adapter, Binding
from nodes.ndis5 import Binding5, Miniport5, Protocol5
from nodes.options import Count, Duration
from nodes.packets.net_buffer import Nbl
from nodes.status import Status
from nodes.verifier.neighbours import Ticking

_HEADER = bytes(12) + b"\x08\x00"
_LENGTHS = (64, 128, 577, 1500)
_SIZE = 400
_LOOK = 64
_SOON = 20_000


@dataclass(frozen=True)
class SourceOptions5:
    """What is sent."""

    packets: Count = field(default=400, metadata={"help": "packets to send; 0 for no end"})
    gap: Duration = field(default=50_000, metadata={"help": "time between two calls"})


class Source5(Ticking, Protocol5):
    """Send packets by NdisSend and, every third time, four by NdisSendPackets; fetch all that is indicated."""

    Options = SourceOptions5
    default_pool_size = 256

    def bind_adapter(self, binding: Binding) -> None:
        """Begin with nothing sent."""
        assert isinstance(binding, Binding5)
        self._binding, self._sent, self._back, self._calls = binding, 0, 0, 0

    def send_complete(self, binding: Binding5, packet: Nbl, status: Status) -> None:
        """Free a packet whose send pended."""
        self._home(packet)

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        """Fetch everything behind the header, within this call."""
        packet = binding.allocate_packet(packet_size) if packet_size else None
        if packet is None:
            return Status.NOT_RECOGNIZED
        status, _ = binding.transfer_data(context, 0, packet_size, packet)
        if status is not Status.PENDING:
            self.free_packet(packet)
        return Status.SUCCESS

    def tick(self) -> None:
        """Make the next call, unless all is sent."""
        limit = self.options.packets
        if not self._open or (limit and self._sent >= limit):
            return
        self._turn(onwards=True)
        self._calls += 1
        length = _LENGTHS[self._calls % len(_LENGTHS)]
        count = 1 if self._calls % 3 else 4
        if self._binding.room <= count:
            return
        chain = self._binding.allocate_net_buffer_lists(count, length)
        self._sent += len(chain)
        if len(chain) > 1:
            self._binding.send_packets(chain)
        elif len(chain):
            packet = chain[0]
            if self._binding.send(packet) is not Status.PENDING:
                self._home(packet)

    def _home(self, packet: Nbl) -> None:
        self.free_packet(packet)
        self._back += 1
        if self.options.packets and self._back >= self.options.packets:
            self.report_done()


class Nic5(Miniport5):
    """Answer sends with each verdict in turn, complete what pends later, and indicate look-aheads and full packets."""

    default_pool_size = 256

    def initialize(self, adapter: Adapter) -> None:
        """Begin with nothing pending."""
        self._calls = 0
        self._pending: list[Nbl] = []

    def send(self, packet: Nbl, flags: int) -> Status:
        """Give one of the four verdicts (N5-SND-01)."""
        self._calls += 1
        kind = self._calls % 4
        self.set_timer(_SOON, self._go_on)
        if kind == 0:
            return Status.RESOURCES
        if kind == 1:
            self._pending.append(packet)
            return Status.PENDING
        return Status.SUCCESS if kind == 2 else Status.FAILURE

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        """Fill in what was asked for, at times less of it (N5-TD-07)."""
        given = count if context % 3 else count // 2
        return Status.SUCCESS, given

    def pause(self) -> Status:
        """Complete what pends (N6-PNP-03)."""
        self._complete_all(Status.SUCCESS)
        return Status.SUCCESS

    def reset(self) -> Status:
        """Abort what pends (N6-RST-03)."""
        self._complete_all(Status.REQUEST_ABORTED)
        return Status.SUCCESS

    def _go_on(self) -> None:
        self._complete_all(Status.SUCCESS)
        self.adapter.send_resources_available()
        if self._calls % 5:
            self.adapter.eth_indicate_receive(self._calls, _HEADER, bytes(_LOOK), _SIZE)
            self.adapter.eth_indicate_receive_complete()
            return
        full = self.adapter.allocate_net_buffer_lists(2, _SIZE)
        if len(full) == 2:
            full.status = np.array([Status.SUCCESS, Status.RESOURCES], np.uint32)
            lent = full[1:]
            self.adapter.indicate_receive_packet(full)
            self.free(lent)

    def _complete_all(self, status: Status) -> None:
        pending, self._pending = self._pending, []
        for packet in pending:
            self.adapter.send_complete(packet, status)
