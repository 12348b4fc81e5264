"""NET_BUFFER_LISTs: drivers that link, derive, mark, keep or free packets as the contract forbids."""

from __future__ import annotations

from typing import Any

from nodes import NblChain, Protocol, Status
from nodes.crossings.crossing import RESOURCES
from nodes.ndis import Adapter, Binding
from nodes.packets.nbl_flags import NblFlags
from nodes.stock.receiver import Receiver
from orchestrator import Run
from tests.zoo.beast import ABOVE_NIC, BETWEEN, ON_TOP, beast
from tests.zoo.honest import Completer, Looker, Sender
from tests.zoo.sends import PIECES, PIECES_ABOVE

BETWEEN_PIECES = """
nodes:
  top:   {driver: pieces}
  beast: {driver: beast}
  nic:   {driver: miniport}
bindings: [top -> beast -> nic]
"""
"""The beast is a layer under a source of packets of three NBs, the last of two MDLs."""

RECEIVES = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256}
  nic0:  {driver: miniport}
  nic1:  {driver: miniport}
  beast: {driver: beast}
bindings: [bulk -> nic0, beast -> nic1]
wires: [{between: [nic0, nic1]}]
"""
"""The beast is the protocol that receives."""


@beast("N6-NBL-01", PIECES_ABOVE, extra=PIECES)
class MovesNetBuffers(Completer):
    """Moves an NB of one packet it was sent into another."""

    def initialize(self, adapter: Adapter) -> None:
        self.taken: list[Any] = []

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        if self.taken:
            chain[0].relink([*chain[0].net_buffers, *self.taken])
        self.taken = list(chain[0].net_buffers)[1:]
        super().complete(chain, status)


@beast("N6-NBL-01", PIECES_ABOVE, extra=PIECES)
class MakesCircles(Completer):
    """Links an NB of a packet behind itself."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        first, second, _ = chain[0].net_buffers
        chain[0].relink([first, second, first])
        super().complete(chain, status)


@beast("N6-NBL-04", BETWEEN)
class TakesSourceHandles(Looker):
    """Puts its own SourceHandle into packets that it passes on, as if it had made them."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        chain.source_handle = self.module.handle
        super().send_net_buffer_lists(chain, flags)


@beast("N6-NBL-04", ABOVE_NIC)
class ClearsSourceHandles(Completer):
    """Clears the SourceHandle of packets that it completes."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        chain.source_handle = 0
        super().complete(chain, status)


class Cloner(Looker):
    """Sends a clone of each packet on, and completes the packet when the clone is back."""

    originates = True

    def attach(self, module: Any) -> None:
        self.parents: dict[int, NblChain] = {}

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        for index, nbl in enumerate(chain):
            clone = self.module.allocate_clone_net_buffer_list(nbl)
            self.parents[int(clone.handles[0])] = chain[index : index + 1]
            self.module.send_net_buffer_lists(clone, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        done = [self.parents.pop(handle) for handle in chain.handles.tolist() if handle in self.parents]
        self.free(chain)
        for parent in done:
            parent.status = Status.SUCCESS
            self.module.send_net_buffer_lists_complete(parent, flags)


@beast("N6-NBL-05", BETWEEN)
class PassesParents(Cloner):
    """Passes packets on too while clones of them are out."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(chain, flags)
        parents, self.parents = self.parents, {}
        for parent in parents.values():
            self.module.send_net_buffer_lists(parent, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        own = chain.source_handle == self.module.handle
        self.free(chain[own])
        self.module.send_net_buffer_lists_complete(chain[~own], flags)


@beast("N6-NBL-05", ON_TOP)
class FreesParents(Sender):
    """Sends a clone of a packet, and frees the packet while the clone is out."""

    packets = 1

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(binding.allocate_clone_net_buffer_list(chain[0]))
        self.free(chain)


@beast("N6-NBL-06", BETWEEN)
class OverwritesParents(Looker):
    """Writes the parent pointer of packets that came from above."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        chain[0].parent_net_buffer_list = 0
        super().send_net_buffer_lists(chain, flags)


@beast("N6-NBL-07", BETWEEN)
class CompletesParents(Cloner):
    """Completes packets while clones of them are out."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(chain, flags)
        self.parents = {}
        chain.status = Status.SUCCESS
        self.module.send_net_buffer_lists_complete(chain)


@beast("N6-NBL-08", BETWEEN)
class LeavesHeaders(Looker):
    """Puts a header before the data of each packet, and does not take it away again."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        chain.retreat(8)
        super().send_net_buffer_lists(chain, flags)


@beast("N6-NBL-08", BETWEEN_PIECES, extra=PIECES)
class FreesOthersMdls(Looker):
    """Skips an MDL of the last NB with an advance that frees MDLs, though it has added none."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        *_, last = chain[0].net_buffers
        last.advance(100, free_mdl=True)
        super().send_net_buffer_lists(chain, flags)


@beast("N6-NBL-08", RECEIVES)
class ReturnsWithoutHeaders(Receiver):
    """Skips the header of each packet received, and returns it so."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        chain.advance(14)
        if not flags & RESOURCES:
            binding.return_net_buffer_lists(chain)


@beast("N6-NBL-09", RECEIVES)
class FreesReceivedMdls(Receiver):
    """Skips the header of each packet received, and frees MDLs that it has skipped."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        chain.advance(14, free_mdl=True)
        chain.retreat(14)
        if not flags & RESOURCES:
            binding.return_net_buffer_lists(chain)


@beast("N6-NBL-10", ON_TOP)
class KeepsContexts(Sender):
    """Frees packets that it has given extra context space, and leaves that."""

    def make(self, binding: Binding) -> NblChain:
        chain = super().make(binding)
        for nbl in chain:
            binding.allocate_net_buffer_list_context(nbl, 16)
        return chain


@beast("N6-NBL-10", ON_TOP)
class FreesReservedContexts(Sender):
    """Releases context space that came with the packet."""

    packets = 1

    def make(self, binding: Binding) -> NblChain:
        chain = binding.allocate_net_buffer_list([80], context=16)
        binding.free_net_buffer_list_context(chain[0])
        return chain


@beast("N6-NBL-11", ON_TOP)
class FreesItsFirst(Sender):
    """Frees singly an NB that came with its packet."""

    packets = 1

    def make(self, binding: Binding) -> NblChain:
        chain = binding.allocate_net_buffer_list([80], [90])
        binding.free_net_buffer(list(chain[0].net_buffers)[1])
        return chain


@beast("N6-NBL-11", ON_TOP)
class KeepsNetBuffers(Sender):
    """Frees packets before the NBs that it has allocated for them."""

    packets = 1

    def make(self, binding: Binding) -> NblChain:
        chain = super().make(binding)
        binding.allocate_net_buffer(chain[0], 90)
        return chain


@beast("N6-NBL-11", ON_TOP)
class FreesTwice(Sender):
    """Frees what has come back twice."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        self.free(chain)


@beast("N6-NBL-11", BETWEEN)
class FreesOthers(Looker):
    """Frees packets of the driver above instead of completing them."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.free(chain[:1])
        super().send_net_buffer_lists(chain[1:], flags)


@beast("N6-NBL-12", ON_TOP)
class Leaks(Sender):
    """Never frees one packet of its pool."""

    def make(self, binding: Binding) -> NblChain:
        self.spare = binding.allocate_net_buffer_lists(1, 60)
        return super().make(binding)


@beast("N6-NBL-15", ON_TOP)
class TwoVersions(Sender):
    """Marks packets as IPv4 and IPv6 at once."""

    def make(self, binding: Binding) -> NblChain:
        chain = super().make(binding)
        chain.flags = NblFlags.IS_IPV4 | NblFlags.IS_IPV6
        return chain


@beast("N6-NBL-15", ON_TOP)
class UdpOverNothing(Sender):
    """Marks packets as UDP, but as no version of IP."""

    def make(self, binding: Binding) -> NblChain:
        chain = super().make(binding)
        chain.flags = int(NblFlags.IS_UDP)
        return chain


@beast("N6-SEND-03", ON_TOP)
class KeepsNbl(Sender):
    """Asks a packet that it has sent for its id, by an object made before."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        nbl = chain[0]
        binding.send_net_buffer_lists(chain)
        self.last = nbl.packet_id


@beast("N6-SEND-03", ON_TOP)
class KeepsNetBuffer(Sender):
    """Asks an NB of a packet that it has sent for its length."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        buffer = next(chain[0].net_buffers)
        binding.send_net_buffer_lists(chain)
        self.last = buffer.data_length


@beast("N6-SEND-03", ON_TOP)
class KeepsMdl(Sender):
    """Asks an MDL of a packet that it has sent how many bytes it describes."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        mdl = next(next(chain[0].net_buffers).mdls)
        binding.send_net_buffer_lists(chain)
        self.last = mdl.byte_count


@beast("N6-SEND-03", ON_TOP)
class WritesThroughView(Sender):
    """Writes into a packet that it has sent, through a view from before."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        view = next(next(chain[0].net_buffers).pieces)
        binding.send_net_buffer_lists(chain)
        view[0] = 1


def unbind(run: Run) -> None:
    """Take the beast's binding away once something has arrived."""
    run.wait(0.01)
    run.unbind("beast", "nic1")


@beast("N6-SEND-22", RECEIVES, act=unbind)
class UnbindsWithPackets(Protocol):
    """Keeps a packet that it has received, also when its binding is taken away."""

    kept: NblChain | None = None

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        if self.kept is None:
            self.kept, chain = chain[:1], chain[1:]
        binding.return_net_buffer_lists(chain)


@beast("N6-SEND-14", ABOVE_NIC)
class ReadsThroughView(Completer):
    """Reads data of packets that it has completed, through a view from before."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        data = chain[0].data
        super().complete(chain, status)
        self.first = data[0]


@beast("N6-SEND-14", ABOVE_NIC)
class MarksAfterCompleting(Completer):
    """Writes the flags of packets that it has completed."""

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        super().complete(chain, status)
        chain.flags = NblFlags.IS_IPV4
