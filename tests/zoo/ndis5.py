"""NDIS 5: miniports that give a verdict and break it, and protocols that misread one or reach too far."""

from __future__ import annotations

from typing import ClassVar

from nodes import Miniport, NblChain, Status
from nodes.driver import Driver
from nodes.irql import Irql
from nodes.ndis import Adapter, Binding, NetEvent
from nodes.ndis5 import Binding5, Miniport5, Protocol5
from nodes.packets.net_buffer import Nbl
from tests.zoo.beast import beast

SOON = 10_000
HEADER = bytes(12) + b"\x08\x00"
SIZE = 100

UNDER_TRAFFIC = """
nodes:
  bulk:  {driver: traffic, packets: 12, size: 256, window: 8, burst: 4}
  beast: {driver: beast}
bindings: [bulk -> beast]
"""
"""The beast is an NDIS 5 miniport under an NDIS 6 source."""

HURRIED = UNDER_TRAFFIC + "policy: {send_limit: 300ms}\n"
"""So it is where sends are late after 300 ms."""

UNDER_CALLS = """
nodes:
  top:   {driver: calls}
  beast: {driver: beast}
bindings: [top -> beast]
"""
"""The beast is the miniport under an NDIS 5 protocol, which sees verdicts and fetches whatever is indicated."""

OVER_NIC = """
nodes:
  beast: {driver: beast}
  nic:   {driver: nic5}
bindings: [beast -> nic]
"""
"""The beast is an NDIS 5 protocol above a miniport that completes at once and indicates a look-ahead for each send."""


class Calls(Protocol5):
    """Sends some packets, one after the other, and fetches all of what is indicated."""

    source: ClassVar[bool] = True
    default_pool_size = 32
    packets: ClassVar[int] = 6

    def bind_adapter(self, binding: Binding) -> None:
        assert isinstance(binding, Binding5)
        self.binding, self.sent, self.back = binding, 0, 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.set_timer(SOON, self.send_next)
        return Status.SUCCESS

    def send_next(self) -> None:
        """Send one packet, and the next one later."""
        packet = self.binding.allocate_packet(60) if self.sent < self.packets else None
        if packet is None:
            return
        self.sent += 1
        self.verdict(packet, self.binding.send(packet))
        self.set_timer(SOON, self.send_next)

    def verdict(self, packet: Nbl, status: Status) -> None:
        """Act on what the send call returned."""
        if status is not Status.PENDING:
            self.ended(packet)

    def send_complete(self, binding: Binding5, packet: Nbl, status: Status) -> None:
        self.ended(packet)

    def ended(self, packet: Nbl) -> None:
        """Free a packet and count it."""
        self.free_packet(packet)
        self.back += 1
        if self.back == self.packets:
            self.report_done()

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        packet = binding.allocate_packet(packet_size)
        if packet is not None and binding.transfer_data(context, 0, packet_size, packet)[0] != Status.PENDING:
            self.free_packet(packet)
        return Status.SUCCESS


class Nic5(Miniport5):
    """Accepts every send at once and indicates a look-ahead for it a little later."""

    def send(self, packet: Nbl, flags: int) -> Status:
        self.set_timer(SOON, self.look)
        return Status.SUCCESS

    def look(self) -> None:
        """Indicate the first bytes of a frame."""
        self.adapter.eth_indicate_receive(1, HEADER, b"look", SIZE)

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        return Status.SUCCESS, count


class Pends(Nic5):
    """Lets every send pend and completes it a little later."""

    def send(self, packet: Nbl, flags: int) -> Status:
        self.set_timer(SOON, lambda: self.finish(packet))
        return Status.PENDING

    def finish(self, packet: Nbl) -> None:
        """Complete a packet."""
        self.adapter.send_complete(packet, Status.SUCCESS)


NIC: dict[str, type[Driver]] = {"nic5": Nic5}
CALLS: dict[str, type[Driver]] = {"calls": Calls}


@beast("N5-SND-01", UNDER_TRAFFIC)
class CompletesTwice(Pends):
    """Completes what pended a second time."""

    def finish(self, packet: Nbl) -> None:
        super().finish(packet)
        super().finish(packet)


@beast("N5-SND-01", UNDER_TRAFFIC)
class CompletesAfterVerdict(Pends):
    """Says SUCCESS and completes the packet later all the same."""

    def send(self, packet: Nbl, flags: int) -> Status:
        super().send(packet, flags)
        return Status.SUCCESS


@beast("N5-SND-01", UNDER_TRAFFIC)
class CompletesThenFails(Miniport5):
    """Completes a packet inside the send handler, then returns FAILURE for it."""

    def send(self, packet: Nbl, flags: int) -> Status:
        self.adapter.send_complete(packet, Status.SUCCESS)
        return Status.FAILURE


@beast("N5-SND-01", UNDER_TRAFFIC)
class CompletesWithPending(Pends):
    """Completes with PENDING, which is no end."""

    def finish(self, packet: Nbl) -> None:
        self.adapter.send_complete(packet, Status.PENDING)


@beast("N5-SND-01", UNDER_TRAFFIC)
class CompletesItsOwn(Pends):
    """Completes a receive packet of its own, which nobody sent."""

    def send(self, packet: Nbl, flags: int) -> Status:
        own = self.adapter.allocate_net_buffer_lists(1, 60)
        self.set_timer(SOON, lambda: self.finish(own[0]))
        self.set_timer(2 * SOON, lambda: self.free(own))
        return Status.SUCCESS


@beast("N5-SND-01", HURRIED)
class NeverCompletes(Miniport5):
    """Lets a packet pend and forgets it."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return Status.PENDING


@beast("N5-SND-01", UNDER_TRAFFIC)
class ReturnsNothing(Miniport5):
    """Returns no status from its send handler, as an NDIS 6 miniport does."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return None  # type: ignore[return-value]


@beast("N5-SND-02", UNDER_TRAFFIC)
class WritesAfterVerdict(Miniport5):
    """Writes into a packet after SUCCESS has ended its ownership."""

    def send(self, packet: Nbl, flags: int) -> Status:
        self.set_timer(SOON, lambda: setattr(packet, "status", Status.SUCCESS))
        return Status.SUCCESS


@beast("N5-SND-02", UNDER_TRAFFIC)
class ReadsWhatItHandedBack(Miniport5):
    """Looks at a packet's data after RESOURCES, while NDIS has it in its queue."""

    again = False

    def send(self, packet: Nbl, flags: int) -> Status:
        self.again = not self.again
        if self.again:
            self.set_timer(SOON, lambda: self.look_at(packet))
            return Status.RESOURCES
        return Status.SUCCESS

    def look_at(self, packet: Nbl) -> None:
        """Read a packet that is not the driver's."""
        _ = packet.data
        self.adapter.send_resources_available()


@beast("N5-SND-02", UNDER_TRAFFIC)
class ReadsAfterCompletion(Pends):
    """Looks at a packet after it has completed it."""

    def finish(self, packet: Nbl) -> None:
        super().finish(packet)
        _ = packet.data


@beast("N5-SND-03", HURRIED)
class NeverHasResources(Miniport5):
    """Hands a packet back with RESOURCES and never says that it can go on."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return Status.RESOURCES


@beast("N5-SND-04", UNDER_TRAFFIC)
class TakesOneBehindResources(Miniport5):
    """Sets RESOURCES on the first packet of an array and SUCCESS on the rest."""

    short = False

    def send_packets(self, packets: NblChain) -> None:
        packets.status = Status.SUCCESS
        if len(packets) > 1 and not self.short:
            self.short = True
            packets[0].status = Status.RESOURCES
            self.set_timer(SOON, self.adapter.send_resources_available)


@beast("N5-SND-04", UNDER_TRAFFIC)
class CompletesBehindResources(Miniport5):
    """Sets RESOURCES on the first packets of an array and completes the last one by the call."""

    def send_packets(self, packets: NblChain) -> None:
        if len(packets) < 2:
            packets.status = Status.SUCCESS
            return
        packets.status = Status.RESOURCES
        self.adapter.send_complete(packets[len(packets) - 1], Status.SUCCESS)
        self.set_timer(SOON, self.adapter.send_resources_available)


@beast("N5-SND-04", UNDER_TRAFFIC)
class SaysNothingOfTheLast(Miniport5):
    """Sets no status on the last packet of an array, which it completes later."""

    def send_packets(self, packets: NblChain) -> None:
        packets[: len(packets) - 1].status = Status.SUCCESS
        last = packets[len(packets) - 1]
        self.set_timer(SOON, lambda: self.adapter.send_complete(last, Status.SUCCESS))


class Deserialised(Pends):
    """Is not serialised by NDIS."""

    serialised = False


@beast("N5-SND-05", UNDER_TRAFFIC)
class EndsAtOnce(Deserialised):
    """Completes a send by its return value, though it is deserialised."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return Status.SUCCESS


@beast("N5-SND-05", UNDER_TRAFFIC)
class HandsBackDeserialised(Deserialised):
    """Hands a packet back with RESOURCES, though nobody queues for a deserialised miniport."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return Status.RESOURCES


@beast("N5-SND-05", HURRIED)
class TrustsOobStatus(Deserialised):
    """Sets SUCCESS in the OOB data of an array, which nobody reads, and never completes it."""

    def send_packets(self, packets: NblChain) -> None:
        packets.status = Status.SUCCESS


@beast("N5-SND-07", OVER_NIC, extra=NIC)
class WaitsForHandler(Calls):
    """Waits for its completion handler after a final verdict, which never comes."""

    def verdict(self, packet: Nbl, status: Status) -> None:
        if self.sent == self.packets:
            self.set_timer(SOON, self.report_done)


class KeepsOne(Nic5):
    """Completes each send when the next one comes."""

    kept: Nbl | None = None

    def send(self, packet: Nbl, flags: int) -> Status:
        self.let_go()
        self.kept = packet
        return Status.PENDING

    def let_go(self) -> None:
        """Complete what pends."""
        kept, self.kept = self.kept, None
        if kept is not None:
            self.adapter.send_complete(kept, Status.SUCCESS)

    def pause(self) -> Status:
        self.set_timer(0, self.let_go)
        return Status.SUCCESS


@beast("N5-SND-07", OVER_NIC, extra={"nic5": KeepsOne})
class TakesPendingForFinal(Calls):
    """Frees a packet when the send call returns, though it pends."""

    def verdict(self, packet: Nbl, status: Status) -> None:
        self.free_packet(packet)


@beast("N5-SND-09", UNDER_TRAFFIC)
class CompletesUnderLock(Pends):
    """Completes with a spin lock held."""

    def finish(self, packet: Nbl) -> None:
        with self.allocate_spin_lock("ring"):
            super().finish(packet)


@beast("N5-SND-09", UNDER_TRAFFIC)
class CompletesAtPassive(Pends):
    """Lowers the IRQL to PASSIVE for a completion, though it is serialised."""

    def finish(self, packet: Nbl) -> None:
        old = self.current_irql()
        self.lower_irql(Irql.PASSIVE)
        super().finish(packet)
        self.raise_irql(old)


@beast("N5-SND-11", UNDER_TRAFFIC)
class CallsNdis5(Miniport):
    """Completes sends by NdisMSendComplete, though it is an NDIS 6 miniport."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for packet in chain:
            adapter.send_complete(packet, Status.SUCCESS)
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


@beast("N5-TD-01", OVER_NIC, extra=NIC)
class AsksLater(Calls):
    """Asks for the rest of a look-ahead after its receive handler has returned."""

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        self.set_timer(SOON, lambda: self.fetch(binding, context, packet_size))
        return Status.SUCCESS

    def fetch(self, binding: Binding5, context: int, size: int) -> None:
        """Ask for what was indicated."""
        packet = binding.allocate_packet(size)
        assert packet is not None
        binding.transfer_data(context, 0, size, packet)
        self.free_packet(packet)


class Whole(Nic5):
    """Indicates full packets for each send."""

    full_packets = True
    transfer_data = Miniport5.transfer_data

    def look(self) -> None:
        self.adapter.indicate_receive_packet(self.adapter.allocate_net_buffer_lists(1, SIZE))


@beast("N5-TD-01", OVER_NIC, extra={"nic5": Whole})
class AsksForFullPackets(Calls):
    """Asks for the rest of a full packet, all of which it has."""

    def receive_packet(self, binding: Binding5, packet: Nbl, *, lent: bool) -> int:
        target = binding.allocate_packet(SIZE)
        assert target is not None
        binding.transfer_data(packet.packet_id, 0, SIZE, target)
        self.free_packet(target)
        return 0


@beast("N5-TD-02", UNDER_CALLS, extra=CALLS)
class TransfersTwice(Nic5):
    """Completes a transfer inside its handler, then returns SUCCESS as well."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        self.adapter.transfer_data_complete(packet, Status.SUCCESS, count)
        return Status.SUCCESS, count


@beast("N5-TD-02", UNDER_CALLS, extra=CALLS)
class TransfersLaterToo(Nic5):
    """Completes a transfer a second time, later."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        self.set_timer(SOON, lambda: self.adapter.transfer_data_complete(packet, Status.SUCCESS, count))
        return Status.SUCCESS, count


@beast("N5-TD-02", UNDER_CALLS, extra=CALLS)
class TransfersWithPending(Nic5):
    """Completes a transfer with PENDING."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        self.set_timer(SOON, lambda: self.adapter.transfer_data_complete(packet, Status.PENDING, count))
        return Status.PENDING, 0


@beast("N5-TD-02", UNDER_CALLS + "policy: {send_limit: 300ms}\n", extra=CALLS)
class NeverTransfers(Nic5):
    """Lets a transfer pend and forgets it."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        return Status.PENDING, 0


class TransfersLater(Nic5):
    """Lets every transfer pend and completes it a little later."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        self.set_timer(SOON, lambda: self.adapter.transfer_data_complete(packet, Status.SUCCESS, count))
        return Status.PENDING, 0


@beast("N5-TD-03", OVER_NIC, extra={"nic5": TransfersLater})
class ReadsDuringTransfer(Calls):
    """Reads the packet of a transfer that pends."""

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        packet = binding.allocate_packet(packet_size)
        if packet is not None and binding.transfer_data(context, 0, packet_size, packet)[0] == Status.PENDING:
            _ = packet.data
        return Status.SUCCESS


@beast("N5-TD-03", OVER_NIC, extra={"nic5": TransfersLater})
class FreesDuringTransfer(Calls):
    """Frees the packet of a transfer that pends."""

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        packet = binding.allocate_packet(packet_size)
        if packet is not None:
            binding.transfer_data(context, 0, packet_size, packet)
            self.free_packet(packet)
        return Status.SUCCESS


@beast("N5-TD-05", OVER_NIC, extra=NIC)
class AsksForTooMuch(Calls):
    """Asks for more than was indicated."""

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        return super().receive(binding, context, header, lookahead, packet_size + 1)


@beast("N5-TD-05", UNDER_CALLS, extra=CALLS)
class TransfersTooMuch(Nic5):
    """Says that it has transferred more than was asked for."""

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        return Status.SUCCESS, count + 1


@beast("N5-TD-06", UNDER_CALLS, extra=CALLS)
class LooksAheadAndIsWhole(Nic5):
    """Declares full packets and indicates a look-ahead."""

    full_packets = True
    transfer_data = Miniport5.transfer_data
