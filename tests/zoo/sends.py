"""Sends: drivers that complete, touch or order packets as the contract forbids."""

from __future__ import annotations

from nodes import Miniport, NblChain, Status
from nodes.crossings.crossing import ReceiveFlags
from nodes.ndis import Adapter, Binding
from nodes.packets.net_buffer import NetBuffer
from tests.zoo.beast import ABOVE_NIC, BETWEEN, ON_TOP, beast
from tests.zoo.honest import Completer, Looker, Nic, Pieces, Queue, Relay, Runts, Sender

ON_WIRE = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256, window: 8, burst: 4}
  beast: {driver: beast}
  nic:   {driver: miniport}
  sink:  {driver: receiver}
bindings: [bulk -> beast, sink -> nic]
wires: [{between: [beast, nic]}]
"""
"""The beast is the miniport that transmits."""

TRAFFIC = "{driver: traffic, packets: 40, size: 256, window: 8, burst: 4}"
PIECES_ON_WIRE = ON_WIRE.replace(TRAFFIC, "{driver: pieces}")
PIECES_ABOVE = ABOVE_NIC.replace(TRAFFIC, "{driver: pieces}")
"""The beast is the miniport under a source of packets of three NBs."""

LATE = f"{ABOVE_NIC}policy: {{send_limit: 20ms, hang_limit: 10s}}\n"
HUNG = f"{ABOVE_NIC}policy: {{send_limit: 10s, hang_limit: 20ms}}\n"
PIECES = {"pieces": Pieces}


@beast("N6-SEND-02", ON_TOP)
class NoSourceHandle(Sender):
    """Sends packets whose SourceHandle it has cleared."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        chain.source_handle = 0
        binding.send_net_buffer_lists(chain)


@beast("N6-SEND-03", ON_TOP)
class LooksAtStatusAfterSend(Sender):
    """Asks for the Status of packets that it has just sent."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)
        self.failed = int(chain[0].status)


@beast("N6-SEND-03", ON_TOP)
class WritesDataAfterSend(Sender):
    """Writes into a packet that it has just sent."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)
        chain[:1].write(chain[:1].header(10)[0])


@beast("N6-SEND-03", ON_TOP)
class SendsTwice(Sender):
    """Sends the same packet again before it is back."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)
        binding.send_net_buffer_lists(chain[:1])


@beast("N6-SEND-03", ON_TOP)
class FreesAfterSend(Sender):
    """Frees a packet that it has just sent."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)
        self.free(chain[:1])


@beast("N6-SEND-03", ON_TOP)
class RelinksAfterSend(Sender):
    """Takes NBs out of a packet that it has just sent."""

    packets = 1

    def send(self, binding: Binding, chain: NblChain) -> None:
        self.free(chain)
        chain = binding.allocate_net_buffer_list([80], [90])
        buffers = list(chain[0].net_buffers)
        binding.send_net_buffer_lists(chain)
        chain[0].relink(buffers[:1])


@beast("N6-SEND-03", BETWEEN)
class LooksAfterPassingOn(Looker):
    """Reads the data of packets that it has passed on."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists(chain, flags)
        self.seen = bytes(chain[0].data)


@beast("N6-SEND-08", ON_WIRE)
class LastInFirstOut(Nic):
    """Transmits each call back to front."""

    def transmit(self, chain: NblChain) -> None:
        super().transmit(chain[::-1])


@beast("N6-SEND-08", ON_WIRE)
class HoldsOneBack(Nic):
    """Transmits the first packet of a call behind all others."""

    def transmit(self, chain: NblChain) -> None:
        super().transmit(chain[1:])
        super().transmit(chain[:1])


@beast("N6-SEND-08", PIECES_ON_WIRE, extra=PIECES)
class SwapsNetBuffers(Nic):
    """Transmits the NBs of a packet in another order, and puts them back when they have left."""

    def transmit(self, chain: NblChain) -> None:
        for nbl in chain:
            first, second, third = nbl.net_buffers
            nbl.relink([first, third, second])
        super().transmit(chain)

    def frames_left(self, chain: NblChain) -> None:
        for nbl in chain:
            first, third, second = nbl.net_buffers
            nbl.relink([first, second, third])
        super().frames_left(chain)


@beast("N6-SEND-09", ABOVE_NIC)
class ReturnsResources(Completer):
    """Answers a send with RESOURCES, as if it could be handed back for later."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(adapter, chain, flags)
        return Status.RESOURCES  # type: ignore[return-value]


@beast("N6-SEND-10", ABOVE_NIC)
class CompletesTwice(Miniport):
    """Completes the first packet of each call again."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
        adapter.send_net_buffer_lists_complete(chain[:1])


@beast("N6-SEND-10", ABOVE_NIC)
class CompletesItsOwn(Completer):
    """Completes a packet that it was never given, one of its own receive pool."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.complete(chain)
        self.complete(adapter.allocate_net_buffer_lists(1, 60))


@beast("N6-SEND-10", ON_WIRE)
class CompletesWhileOnWire(Nic):
    """Completes packets that its NIC still transmits."""

    def transmit(self, chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        super().transmit(chain)
        self.adapter.send_net_buffer_lists_complete(chain)


@beast("N6-SEND-11", ABOVE_NIC)
class CompletesPending(Completer):
    """Completes sends with PENDING."""

    def complete(self, chain: NblChain, status: int = Status.PENDING) -> None:
        super().complete(chain, status)


@beast("N6-SEND-11", ABOVE_NIC)
class CompletesUnset(Completer):
    """Completes sends without ever writing their Status."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        self.adapter.send_net_buffer_lists_complete(chain)


@beast("N6-SEND-11", ABOVE_NIC)
class CompletesNotAccepted(Completer):
    """Completes sends with a status that is none of a send's."""

    def complete(self, chain: NblChain, status: int = Status.NOT_ACCEPTED) -> None:
        super().complete(chain, status)


@beast("N6-SEND-12", PIECES_ON_WIRE, extra=PIECES)
class SendsTheFirstOnly(Nic):
    """Transmits the first NB of each packet and says that all went well."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.whole: dict[int, list[NetBuffer]] = {}

    def transmit(self, chain: NblChain) -> None:
        for nbl in chain:
            self.whole[nbl.handle] = list(nbl.net_buffers)
            nbl.relink(self.whole[nbl.handle][:1])
        super().transmit(chain)

    def frames_left(self, chain: NblChain) -> None:
        for nbl in chain:
            nbl.relink(self.whole.pop(nbl.handle))
        super().frames_left(chain)


@beast("N6-SEND-13", PIECES_ABOVE, extra=PIECES)
class LosesNetBuffers(Completer):
    """Completes packets with their first NB only."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        for nbl in chain:
            nbl.relink(list(nbl.net_buffers)[:1])
        super().complete(chain, status)


@beast("N6-SEND-13", ABOVE_NIC)
class ShortensData(Completer):
    """Completes packets with less data than they came with."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        chain.length = 60
        super().complete(chain, status)


@beast("N6-SEND-14", ABOVE_NIC)
class LooksAfterCompleting(Completer):
    """Adds up the lengths of packets that it has completed."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        super().complete(chain, status)
        self.octets = int(chain.length.sum())


@beast("N6-SEND-14", ABOVE_NIC)
class FreesAfterCompleting(Completer):
    """Frees packets that it has completed."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        super().complete(chain, status)
        self.free(chain)


@beast("N6-SEND-14", ON_WIRE)
class TransmitsAfterCompleting(Nic):
    """Completes packets before it gives them to its NIC."""

    def transmit(self, chain: NblChain) -> None:
        self.complete(chain)
        super().transmit(chain)


@beast("N6-SEND-16", ABOVE_NIC)
class LoopsBack(Completer):
    """Indicates what it has been sent, though it declared NO_LOOPBACK."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        copies = adapter.allocate_net_buffer_lists(len(chain), chain.length)
        copies.write(chain.header(100))
        adapter.indicate_receive_net_buffer_lists(copies, ReceiveFlags.LOOPBACK)
        self.complete(chain)


@beast("N6-SEND-17", ON_WIRE.replace(TRAFFIC, "{driver: runts}"), extra={"runts": Runts})
class DoesNotPad(Nic):
    """Transmits short frames as they are."""

    pads = False


@beast("N6-SEND-19", LATE)
class Late(Queue):
    """Completes what it has been sent only after the time that a send may take."""

    delay = 50_000_000


@beast("N6-SEND-19", HUNG)
class Hung(Queue):
    """Completes nothing for longer than a miniport with sends may."""

    delay = 50_000_000


@beast("N6-SEND-19", LATE)
class ForgetsOne(Queue):
    """Never completes the first packet that it was sent until it is paused."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.forgotten: list[NblChain] = []

    def pause(self) -> Status:
        self.waiting += self.forgotten
        return super().pause()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        if not self.forgotten:
            self.forgotten, chain = [chain[:1]], chain[1:]
        self.complete(chain)


@beast("N6-SEND-21", ON_TOP)
class KeepsCancelIds(Sender):
    """Sends packets again with the cancel ids that they came back with."""

    def make(self, binding: Binding) -> NblChain:
        chain = super().make(binding)
        chain.cancel_id = self.tag(binding, 1)
        return chain

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        if self.back <= self.packets:
            binding.send_net_buffer_lists(chain)
        else:
            self.free(chain)
            self.report_done()


@beast("N6-IM-03", BETWEEN)
class Shuffles(Relay):
    """Forwards each call back to front, and changes nothing."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(adapter, chain[::-1], flags)
