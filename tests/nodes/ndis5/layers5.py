"""NDIS 5 drivers for tests: a protocol that is told what to do, and miniports that answer as they are told."""

from __future__ import annotations

from collections.abc import Callable

from nodes.ndis import Adapter, Binding
from nodes.ndis5 import Adapter5, Binding5, Miniport5, Protocol5
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.policy import Policy
from nodes.status import Status, status_name
from nodes.verifier.force import Force
from tests.bench import Bench, Layer

POST = Policy(ndis5_sends="post")


class Caller(Protocol5):
    """Sends what it is told, keeps verdicts and completions in the order they came, and does as told on receives."""

    default_pool_size = 256

    def bind_adapter(self, binding: Binding) -> None:
        assert isinstance(binding, Binding5)
        self.binding = binding
        self.log: list[tuple[str, object]] = []
        self.on_receive: Callable[[int, int], Status] = lambda context, size: Status.SUCCESS
        self.looks: list[tuple[bytes, bytes, int]] = []
        self.full: list[tuple[bytes, bool]] = []
        self.kept: list[Nbl] = []
        self.keep = 0
        self.landed: list[bytes] = []

    def packet(self, length: int = 60) -> Nbl:
        """Return a fresh packet."""
        packet = self.binding.allocate_packet(length)
        assert packet is not None
        return packet

    def send_one(self) -> int:
        """Send one packet by NdisSend and log its verdict; return its handle."""
        packet = self.packet()
        status = self.binding.send(packet)
        self.log.append(("verdict", status_name(status)))
        if status is not Status.PENDING:
            self.free_packet(packet)
        return packet.handle

    def send_array(self, count: int) -> list[int]:
        """Send an array by NdisSendPackets; return the handles."""
        chain = self.binding.allocate_net_buffer_lists(count, 60)
        handles: list[int] = chain.handles.tolist()
        self.binding.send_packets(chain)
        return handles

    def transfer(self, context: int, offset: int, count: int, packet: Nbl | None = None) -> Status:
        """Ask for bytes of a received packet and log the verdict; keep what came."""
        packet = packet or self.packet(256)
        status, got = self.binding.transfer_data(context, offset, count, packet)
        self.log.append(("verdict", (status_name(status), got)))
        if status is not Status.PENDING:
            self.landed.append(bytes(packet.data)[:got])
            self.free_packet(packet)
        return status

    def send_complete(self, binding: Binding5, packet: Nbl, status: Status) -> None:
        self.log.append(("complete", (packet.handle, status_name(status))))
        super().send_complete(binding, packet, status)

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        self.looks.append((header, lookahead, packet_size))
        return self.on_receive(context, packet_size)

    def transfer_data_complete(
        self, binding: Binding5, packet: Nbl, status: Status, bytes_transferred: int
    ) -> None:
        self.log.append(("transferred", (status_name(status), bytes_transferred)))
        self.landed.append(bytes(packet.data)[:bytes_transferred])
        super().transfer_data_complete(binding, packet, status, bytes_transferred)

    def receive_complete(self, binding: Binding5) -> None:
        self.log.append(("receive complete", None))

    def receive_packet(self, binding: Binding5, packet: Nbl, *, lent: bool) -> int:
        self.full.append((bytes(packet.data), lent))
        if self.keep:
            self.kept.append(packet)
        return self.keep

    @property
    def ends(self) -> list[str]:
        """Return the statuses of completions in order."""
        return [end[1] for what, end in self.log if what == "complete" and isinstance(end, tuple)]


class Serial(Miniport5):
    """A serialised miniport: `verdicts` are given in order, then PENDING; `offers` are what it was offered."""

    def initialize(self, adapter: Adapter) -> None:
        assert isinstance(adapter, Adapter5)
        self.offers: list[list[int]] = []
        self.verdicts: list[Status] = []
        self.pending: list[Nbl] = []
        self.seen: list[Nbl] = []
        self.levels: list[int] = []
        self.inside = 0
        self.early: Status | None = None
        self.frame = b""
        self.reads: list[tuple[Nbl, int, int]] = []
        self.transfer_verdict: Status | None = None
        self.returned: list[int] = []

    def verdict(self, packet: Nbl) -> Status:
        """Return what this packet gets."""
        self.seen.append(packet)
        status = self.verdicts.pop(0) if self.verdicts else Status.PENDING
        if status is Status.PENDING:
            self.pending.append(packet)
        return status

    def send(self, packet: Nbl, flags: int) -> Status:
        self.inside += 1
        assert self.inside == 1
        self.levels.append(self.current_irql())
        self.offers.append([packet.handle])
        status = self.verdict(packet)
        if self.early is not None:
            self.pending = []
            self.adapter.send_complete(packet, self.early)
        self.inside -= 1
        return status

    def finish(self, count: int = 1, status: Status = Status.SUCCESS) -> None:
        """Complete pending sends as an interrupt's DPC would."""

        def complete() -> None:
            for _ in range(count):
                self.adapter.send_complete(self.pending.pop(0), status)

        self.set_timer(0, complete)

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        self.reads.append((packet, byte_offset, count))
        if self.transfer_verdict is not None:
            return self.transfer_verdict, 0
        return Status.SUCCESS, self.copy(packet, byte_offset, count)

    def copy(self, packet: Nbl, offset: int, count: int) -> int:
        """Copy bytes of the frame's data into a packet; return how many."""
        data = self.frame[14:][offset : offset + count]
        packet.data[: len(data)] = data  # type: ignore[index]
        return len(data)

    def look(self, frame: bytes, lookahead: int) -> Status:
        """Indicate a frame's first bytes."""
        self.frame = frame
        return self.adapter.eth_indicate_receive(7, frame[:14], frame[14 : 14 + lookahead], len(frame) - 14)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.returned += chain.handles.tolist()
        super().return_net_buffer_lists(adapter, chain, flags)


class Arrays(Serial):
    """A serialised miniport that takes arrays, and has MiniportSend as well."""

    def send_packets(self, packets: NblChain) -> None:
        self.offers.append(packets.handles.tolist())
        for packet in packets:
            status = self.verdict(packet)
            if status is not Status.CALL_ACTIVE:
                packet.status = status


class Free(Serial):
    """A deserialised miniport."""

    serialised = False


class FreeArrays(Arrays):
    """A deserialised miniport that takes arrays."""

    serialised = False


class Whole(Serial):
    """A miniport that indicates full packets."""

    full_packets = True
    transfer_data = Miniport5.transfer_data


class Contradictory(Serial):
    """Says that it indicates full packets, and registers a transfer handler all the same."""

    full_packets = True


def pair(
    bottom: type[Serial], policy: Policy | None = None, force: Force | None = None
) -> tuple[Bench, Caller, Serial]:
    """Return a caller over a miniport, running."""
    layers: dict[str, Layer] = {"top": Caller, "nic": bottom}
    bench = Bench(layers, ["top -> nic"], policy=policy, force=force).start()
    return bench, bench.driver("top", Caller), bench.driver("nic", bottom)
