"""Receives: drivers that misuse packets lent to them or by them, with and without RESOURCES."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from nodes import Filter, Miniport, NblChain, Protocol, Status
from nodes.crossings.crossing import ReceiveFlags
from nodes.ndis import Adapter, Binding, FilterModule, NetEvent
from nodes.ndis.oid import Oid, OidRequest, PacketFilter, RequestType
from orchestrator import Run
from tests.zoo.beast import beast

SOON = 1_000_000
RESOURCES = ReceiveFlags.RESOURCES
IPV4, IPV6 = (bytes(12) + kind + bytes(46) for kind in (b"\x08\x00", b"\x86\xdd"))
VLAN5, VLAN6 = (bytes(12) + b"\x81\x00\x00" + tag + bytes(44) for tag in (b"\5", b"\6"))
GROUP = b"\x01\x00\x5e\x00\x00\x01" + IPV4[6:]


class Lender(Miniport):
    """A right miniport: while it runs it indicates its frames again and again, ever more rarely, under its flags."""

    frames: ClassVar[tuple[bytes, ...]] = (IPV4, IPV4)
    flags: ClassVar[int] = 0

    def restart(self) -> None:
        self.delay = SOON
        self.timer = self.set_timer(self.delay, self.tick)

    def pause(self) -> Status:
        self.timer.cancel()
        return Status.SUCCESS

    def tick(self) -> None:
        """Lend, and then again: the layers above begin later."""
        self.lend()
        self.delay *= 2
        self.timer = self.set_timer(self.delay, self.tick)

    def made(self, *frames: bytes) -> NblChain:
        """Return received packets with these frames."""
        chain = self.adapter.allocate_net_buffer_lists(len(frames), len(frames[0]))
        chain.write(np.array([list(frame) for frame in frames], np.uint8))
        return chain

    def lend(self) -> None:
        """Indicate the frames; with RESOURCES free them after the call."""
        chain = self.made(*self.frames)
        self.adapter.indicate_receive_net_buffer_lists(chain, self.flags)
        if self.flags & RESOURCES:
            self.free(chain)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class ShortLender(Lender):
    """Indicates with RESOURCES."""

    flags = int(RESOURCES)


BELOW = """
nodes:
  sink:  {driver: receiver, hold: 20ms}
  beast: {driver: beast}
bindings: [sink -> beast]
"""
"""The beast is the miniport below a slow reader."""

ABOVE = """
nodes:
  beast: {driver: beast}
  nic:   {driver: nic}
bindings: [beast -> nic]
"""
"""The beast is the protocol above a miniport that indicates."""

BETWEEN = """
nodes:
  sink:  {driver: receiver, hold: 20ms}
  beast: {driver: beast}
  nic:   {driver: nic}
bindings: [sink -> beast -> nic]
"""
"""The beast is a filter between the two."""

LENDER, SHORT = {"nic": Lender}, {"nic": ShortLender}


@beast("N6-RX-01", BELOW)
class NamesAnother(Lender):
    """Indicates packets with a SourceHandle that is not its adapter's."""

    def made(self, *frames: bytes) -> NblChain:
        chain = super().made(*frames)
        chain.source_handle = 7
        return chain


@beast("N6-RX-02", BELOW)
class ReadsLent(Lender):
    """Reads packets that it has lent out."""

    def lend(self) -> None:
        chain = self.made(*self.frames)
        self.adapter.indicate_receive_net_buffer_lists(chain)
        chain.header(14)


@beast("N6-RX-02", BELOW)
class WritesLent(Lender):
    """Writes to packets that it has lent out."""

    def lend(self) -> None:
        chain = self.made(*self.frames)
        self.adapter.indicate_receive_net_buffer_lists(chain)
        chain.write(np.zeros(60, np.uint8))


@beast("N6-RX-02", BELOW)
class FreesLent(Lender):
    """Frees packets that it has lent out."""

    def lend(self) -> None:
        chain = self.made(*self.frames)
        self.adapter.indicate_receive_net_buffer_lists(chain)
        self.free(chain)


@beast("N6-RX-02", BELOW)
class LendsTwice(Lender):
    """Indicates packets again that are not back."""

    def lend(self) -> None:
        chain = self.made(*self.frames)
        self.adapter.indicate_receive_net_buffer_lists(chain)
        self.adapter.indicate_receive_net_buffer_lists(chain)


@beast("N6-RX-04", ABOVE, extra=LENDER)
class ReturnsTwice(Protocol):
    """Returns the first packet of each chain again."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        binding.return_net_buffer_lists(chain)
        binding.return_net_buffer_lists(chain[:1])


@beast(
    "N6-RX-04",
    """
nodes:
  beast: {driver: beast}
  nic:   {driver: nic}
  idle:  {driver: miniport}
bindings: [beast -> nic, beast -> idle]
""",
    extra=LENDER,
)
class ReturnsAstray(Protocol):
    """Returns packets to a binding that never lent them, then to the right one."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        for one in reversed(self.bindings):
            one.return_net_buffer_lists(chain)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class ReturnsLoan(Protocol):
    """Returns packets lent with RESOURCES."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        binding.return_net_buffer_lists(chain)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class ReturnsLoanLater(Protocol):
    """Keeps packets lent with RESOURCES, and returns them after its handler."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.set_timer(SOON, lambda: binding.return_net_buffer_lists(chain))


@beast("N6-RX-05", ABOVE, extra=SHORT)
class KeepsLoan(Protocol):
    """Keeps packets lent with RESOURCES, and reads them after its handler."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.set_timer(SOON, lambda: chain.length)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class KeepsLoanLonger(Protocol):
    """Keeps packets lent with RESOURCES, and reads them when their lender has long lent their memory again."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.set_timer(20 * SOON, lambda: chain.length)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class FreesLoan(Protocol):
    """Frees packets lent with RESOURCES."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.free(chain)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class SendsLoan(Protocol):
    """Sends packets lent with RESOURCES back where they came from."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        binding.send_net_buffer_lists(chain)


@beast("N6-RX-05", ABOVE, extra=SHORT)
class ShortensLoan(Protocol):
    """Leaves packets lent with RESOURCES shorter than they came."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        chain.length = 20


@beast("N6-RX-05", ABOVE, extra=SHORT)
class AdvancesLoan(Protocol):
    """Strips the header of packets lent with RESOURCES, and does not put it back."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        chain.advance(14)


@beast("N6-RX-05", BETWEEN, extra=SHORT)
class FilterReturnsLoan(Filter):
    """A filter that returns packets which it was called with under RESOURCES."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.return_net_buffer_lists(chain)


@beast("N6-RX-05", BETWEEN, extra=SHORT)
class FilterQueuesLoan(Filter):
    """A filter that queues packets lent with RESOURCES, without a copy, and passes them up later."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.set_timer(SOON, lambda: self.module.indicate_receive_net_buffer_lists(chain))

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.return_net_buffer_lists(chain)


@beast("N6-RX-07", BETWEEN, extra=SHORT)
class ClearsResources(Filter):
    """A filter that clears RESOURCES and returns from its handler while its packets are still above."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.indicate_receive_net_buffer_lists(chain, flags & ~RESOURCES)


@beast("N6-RX-09", BELOW)
class ClaimsOneEtherType(Lender):
    """Claims one EtherType for a chain of two."""

    frames = (IPV4, IPV6)
    flags = int(ReceiveFlags.SINGLE_ETHER_TYPE)


@beast("N6-RX-09", BELOW)
class ClaimsOneVlan(Lender):
    """Claims one VLAN for a chain of two."""

    frames = (VLAN5, VLAN6)
    flags = int(ReceiveFlags.SINGLE_VLAN)


class Listener(Protocol):
    """A right protocol: asks for directed and broadcast frames, and for the multicast address that it is told."""

    wanted: ClassVar[int] = int(PacketFilter.DIRECTED | PacketFilter.BROADCAST)
    groups: ClassVar[bytes] = b""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            binding.oid_request(OidRequest(Oid.IEEE_MULTICAST_LIST, RequestType.SET, self.groups))
            wanted = self.wanted.to_bytes(4, "little")
            binding.oid_request(OidRequest(Oid.GEN_CURRENT_PACKET_FILTER, RequestType.SET, wanted))
        return Status.SUCCESS


class GroupListener(Listener):
    """Wants one multicast address."""

    wanted = int(PacketFilter.DIRECTED | PacketFilter.MULTICAST)
    groups = b"\x01\x00\x5e\x00\x00\x02"


class Filtering(Lender):
    """Indicates once its packet filter has been set, and claims that every frame passed it."""

    flags = int(ReceiveFlags.PERFECT_FILTERED)

    def restart(self) -> None: ...

    def pause(self) -> Status:
        return Status.SUCCESS

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        if request.oid == Oid.GEN_CURRENT_PACKET_FILTER:
            self.set_timer(SOON, self.lend)
        request.read(len(request.buffer))
        return Status.SUCCESS


LISTENING = """
nodes:
  top:   {driver: top}
  beast: {driver: beast}
bindings: [top -> beast]
"""


@beast("N6-RX-09", LISTENING, extra={"top": Listener})
class ClaimsPerfectFilter(Filtering):
    """Claims to have filtered, but indicates a multicast frame that nobody asked for."""

    frames = (IPV4, GROUP)


@beast("N6-RX-09", LISTENING, extra={"top": GroupListener})
class ClaimsPerfectList(Filtering):
    """Claims to have filtered, but indicates a multicast frame of an address that is not in the list."""

    frames = (IPV4, GROUP)


class Claimant(Lender):
    """Indicates two chains, each of one EtherType, and says so."""

    def lend(self) -> None:
        for frame in (IPV4, IPV6):
            chain = self.made(frame, frame)
            self.adapter.indicate_receive_net_buffer_lists(chain, ReceiveFlags.SINGLE_ETHER_TYPE)


@beast("N6-RX-09", BETWEEN, extra={"nic": Claimant})
class MergesClaims(Filter):
    """A filter that merges chains of different EtherTypes, and keeps the claim of the one before."""

    def attach(self, module: FilterModule) -> None:
        self.waiting: list[NblChain] = []

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.waiting.append(chain)
        if len(self.waiting) == 2:
            self.module.indicate_receive_net_buffer_lists(NblChain.join(self.waiting), flags)
            self.waiting = []

    def pause(self) -> Status:
        for chain in self.waiting:
            self.module.return_net_buffer_lists(chain)
        return Status.SUCCESS

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.return_net_buffer_lists(chain)


@beast("N6-RX-12", BELOW)
class IndicatesAtOnce(Lender):
    """Indicates while it is being initialised."""

    def initialize(self, adapter: Adapter) -> None:
        adapter.indicate_receive_net_buffer_lists(adapter.allocate_net_buffer_lists(1, 60))


def pause(run: Run) -> None:
    """Pause the beast and what is above it."""
    run.pause("beast")


@beast("N6-RX-12", BELOW, act=pause)
class IndicatesWhilePaused(Lender):
    """Indicates what it finds in its ring after its pause has ended."""

    def pause(self) -> Status:
        self.timer.cancel()
        self.set_timer(SOON, self.lend)
        return Status.SUCCESS


@beast(
    "N6-NBL-12",
    """
nodes:
  bulk:  {driver: traffic, packets: 20, rate: 1000}
  sink:  {driver: receiver}
  beast: {driver: beast}
bindings: [bulk -> beast, sink -> beast]
""",
)
class WaitsForReturn(ShortLender):
    """Waits for a return call for packets that it indicated with RESOURCES, so that it never frees them."""

    def tick(self) -> None:
        self.adapter.indicate_receive_net_buffer_lists(self.made(*self.frames), RESOURCES)


@beast("N6-RX-02", BELOW)
class WritesLentView(Lender):
    """Writes through a view that it has kept of a packet which is lent out."""

    def lend(self) -> None:
        chain = self.made(*self.frames)
        kept = np.frombuffer(chain[0].data, np.uint8)
        self.adapter.indicate_receive_net_buffer_lists(chain)
        kept[12] = 0
