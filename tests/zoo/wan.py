"""WAN: miniports that complete, indicate or tell of lines as none may, and an NDISWAN that sends on no line."""

from __future__ import annotations

from nodes import NblChain, Status
from nodes.irql import Irql
from nodes.ndis import Adapter
from nodes.ndis.oid import OidRequest
from nodes.stock.ndiswan import NdisWan
from nodes.wan import CoWanMiniport, MacFragment, MacLineDown, MacLineUp, WanMiniport, WanPacket
from nodes.wan.ppp import ADDRESS_CONTROL
from tests.zoo.beast import beast

SOON = 10_000
HANDLE = 0x77
CALL = 1
VC = 0x51
FRAME = ADDRESS_CONTROL + b"\xc0\x21" + bytes(16)
"""A frame of the link control protocol, which NDISWAN recognises and has nobody for."""

UNDER_NDISWAN = """
nodes:
  bulk:  {driver: traffic, packets: 12, size: 256, window: 8, burst: 4}
  wan:   {driver: ndiswan}
  beast: {driver: beast}
bindings: [bulk -> wan -> beast]
"""
"""The beast is the WAN miniport under a source and NDISWAN."""

HURRIED = UNDER_NDISWAN + "policy: {send_limit: 300ms}\n"
"""So it is where sends are late after 300 ms."""

ALWAYS_AT_DISPATCH = UNDER_NDISWAN + "policy: {wan_completion_irql: dispatch}\n"
"""So it is by the text of 1998."""

OVER_WAN_MINIPORT = """
nodes:
  bulk:  {driver: traffic, packets: 12, size: 256, window: 8, burst: 4}
  beast: {driver: beast}
  line:  {driver: wan-miniport}
bindings: [bulk -> beast -> line]
"""
"""The beast is the NDISWAN above a WAN miniport."""


class Line(WanMiniport):
    """Brings its line up at the start, lets every send pend and completes it a little later, at DISPATCH."""

    default_pool_size = 32

    def restart(self) -> None:
        self.record = MacLineUp(link_speed=10_000, connection_wrapper_id=CALL, ndis_link_handle=HANDLE)
        self.adapter.indicate_line_up(self.record)

    @property
    def context(self) -> int:
        """Return what NDISWAN filled in."""
        return self.record.ndis_link_context

    def tapi_get_id(self, request: OidRequest) -> Status:
        return request.write(CALL.to_bytes(4, "little"))

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.set_timer(SOON, lambda: self.finish(packet))
        return Status.PENDING

    def finish(self, packet: WanPacket) -> None:
        """Complete a packet."""
        self.adapter.wan_send_complete(packet)


class AtOnce(Line):
    """Ends every send by SUCCESS."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        return Status.SUCCESS


class Free(Line):
    """Is not serialised by NDIS."""

    serialised = False


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesTwice(Line):
    """Completes what pended a second time."""

    def finish(self, packet: WanPacket) -> None:
        super().finish(packet)
        super().finish(packet)


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesAfterSuccess(Line):
    """Answers SUCCESS and completes the packet later all the same."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        super().wan_send(link_handle, packet)
        return Status.SUCCESS


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesThenFails(Line):
    """Completes a packet inside its handler, then answers with an error."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.finish(packet)
        return Status.FAILURE


@beast("WAN-SND-01", HURRIED)
class NeverCompletes(Line):
    """Lets a packet pend and forgets it."""

    def finish(self, packet: WanPacket) -> None:
        pass


@beast("WAN-SND-01", HURRIED)
class DropsAtLineDown(Line):
    """Takes its line down and forgets what was out on it."""

    down = False

    def finish(self, packet: WanPacket) -> None:
        if not self.down:
            self.down = True
            self.adapter.indicate_line_down(MacLineDown(self.context))


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesItsOwn(AtOnce):
    """Completes a packet of its own, which nobody sent."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        own = self.adapter.allocate_net_buffer_lists(1, 60)
        self.adapter.wan_send_complete(WanPacket(own, self._node.custody))
        self.free(own)
        return Status.SUCCESS


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesAsEthernet(Line):
    """Completes a WAN packet by the call of connectionless miniports."""

    def finish(self, packet: WanPacket) -> None:
        packet.chain.status = Status.SUCCESS
        self.adapter.send_net_buffer_lists_complete(packet.chain)


@beast("WAN-SND-01", UNDER_NDISWAN)
class CompletesAsNdis5(Line):
    """Completes a WAN packet by NdisMSendComplete."""

    def finish(self, packet: WanPacket) -> None:
        self.adapter.send_complete(packet, Status.SUCCESS)


@beast("WAN-SND-01", UNDER_NDISWAN)
class AnswersNothing(Line):
    """Returns no status from its send handler."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        return None  # type: ignore[return-value]


@beast("WAN-SND-02", UNDER_NDISWAN)
class HandsBack(AtOnce):
    """Answers with RESOURCES, as if NDISWAN would send the packet again."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        return Status.RESOURCES


@beast("WAN-SND-02", UNDER_NDISWAN)
class CallsForResources(Line):
    """Calls NdisMSendResourcesAvailable after each completion."""

    def finish(self, packet: WanPacket) -> None:
        super().finish(packet)
        self.adapter.send_resources_available()


@beast("WAN-SND-03", UNDER_NDISWAN)
class WritesProtocolReserved(Line):
    """Keeps a number of its own in the upper layer's ProtocolReserved."""

    def finish(self, packet: WanPacket) -> None:
        packet.protocol_reserved = 7
        super().finish(packet)


@beast("WAN-SND-03", UNDER_NDISWAN)
class ReadsAfterCompletion(Line):
    """Reads a packet's data after completing it."""

    def finish(self, packet: WanPacket) -> None:
        super().finish(packet)
        _ = packet.data


@beast("WAN-SND-03", UNDER_NDISWAN)
class WritesAfterSuccess(AtOnce):
    """Shrinks a packet later that it has ended with SUCCESS."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.set_timer(SOON, lambda: setattr(packet.chain, "status", Status.SUCCESS))
        return Status.SUCCESS


@beast("WAN-SND-04", UNDER_NDISWAN)
class WritesBeforeBuffer(Line):
    """Puts a longer header before the data than it asked for room."""

    def finish(self, packet: WanPacket) -> None:
        packet.resize(head=packet.head_room + 4)
        super().finish(packet)


@beast("WAN-SND-04", UNDER_NDISWAN)
class WritesBehindBuffer(Line):
    """Puts a longer trailer behind the data than it asked for room."""

    def finish(self, packet: WanPacket) -> None:
        packet.resize(tail=packet.tail_room + 2)
        super().finish(packet)


@beast("WAN-SND-08", UNDER_NDISWAN)
class CompletesUnderLock(Line):
    """Completes with a spin lock held."""

    def finish(self, packet: WanPacket) -> None:
        with self.allocate_spin_lock("link"):
            super().finish(packet)


class AtPassive(Line):
    """Completes at PASSIVE."""

    def finish(self, packet: WanPacket) -> None:
        self.lower_irql(Irql.PASSIVE)
        super().finish(packet)
        self.raise_irql(Irql.DISPATCH)


@beast("WAN-SND-09", UNDER_NDISWAN)
class CompletesAtPassive(AtPassive):
    """Completes at PASSIVE, though it is serialised."""


@beast("WAN-SND-09", ALWAYS_AT_DISPATCH)
class CompletesFreelyAtPassive(AtPassive):
    """Completes at PASSIVE, deserialised, where every completion is at DISPATCH."""

    serialised = False


@beast("WAN-SND-09", UNDER_NDISWAN)
class CompletesInInterrupt(Free):
    """Completes in its interrupt handler, above DISPATCH."""

    def finish(self, packet: WanPacket) -> None:
        old = self.raise_irql(Irql.DIRQL)
        super().finish(packet)
        self.lower_irql(old)


@beast("WAN-SND-10", UNDER_NDISWAN)
class CompletesWithPending(Line):
    """Completes with PENDING, which is no end."""

    def finish(self, packet: WanPacket) -> None:
        self.adapter.wan_send_complete(packet, Status.PENDING)


@beast("WAN-SND-11", UNDER_NDISWAN)
class LoopsBack(Line):
    """Indicates what it sends, as if it had come in."""

    def finish(self, packet: WanPacket) -> None:
        self.adapter.wan_indicate_receive(self.context, packet.data)
        self.adapter.wan_indicate_receive_complete(self.context)
        super().finish(packet)


@beast("WAN-SND-11", UNDER_NDISWAN)
class RegistersSend(Line):
    """Has a send handler for NBLs beside MiniportWanSend."""

    def send_net_buffer_lists(self, *arguments: object) -> None:
        raise AssertionError("it is never called")


@beast("WAN-SND-12", OVER_WAN_MINIPORT)
class SendsOnNoLine(NdisWan):
    """Is an NDISWAN that takes its own link context for the miniport's link handle."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for link in self.linkage.links:
            link.handle = link.context
        super().send_net_buffer_lists(adapter, chain, flags)


class Receives(AtOnce):
    """Indicates a frame for every send."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.set_timer(SOON, self.receive)
        return Status.SUCCESS

    def receive(self) -> None:
        """Indicate a frame as a batch of its own."""
        self.adapter.wan_indicate_receive(self.context, FRAME)
        self.adapter.wan_indicate_receive_complete(self.context)


@beast("WAN-RCV-01", UNDER_NDISWAN)
class LooksAhead(Receives):
    """Indicates the first bytes of a frame, for the rest to be fetched."""

    def receive(self) -> None:
        self.adapter.eth_indicate_receive(1, bytes(14), FRAME[:8], len(FRAME))


@beast("WAN-RCV-01", UNDER_NDISWAN)
class IndicatesNbls(Receives):
    """Indicates frames in NBLs, as an Ethernet miniport does."""

    def receive(self) -> None:
        self.adapter.indicate_receive_net_buffer_lists(self.adapter.allocate_net_buffer_lists(1, 64))


@beast("WAN-RCV-02", UNDER_NDISWAN)
class IndicatesByHandle(Receives):
    """Names the link by its own handle instead of NDISWAN's context."""

    def receive(self) -> None:
        self.adapter.wan_indicate_receive(HANDLE, FRAME)


@beast("WAN-RCV-02", UNDER_NDISWAN)
class ClosesBatchByHandle(Receives):
    """Closes a batch by its own handle of the link."""

    def receive(self) -> None:
        self.adapter.wan_indicate_receive(self.context, FRAME)
        self.adapter.wan_indicate_receive_complete(HANDLE)


@beast("WAN-RCV-02", UNDER_NDISWAN)
class IndicatesAtPassive(Receives):
    """Indicates a frame below DISPATCH."""

    def receive(self) -> None:
        self.lower_irql(Irql.PASSIVE)
        super().receive()
        self.raise_irql(Irql.DISPATCH)


@beast("WAN-RCV-03", UNDER_NDISWAN)
class IndicatesUnderLock(Receives):
    """Indicates a frame with a spin lock held."""

    def receive(self) -> None:
        with self.allocate_spin_lock("link"):
            super().receive()


@beast("WAN-LNK-01", UNDER_NDISWAN)
class ReadsContextTooEarly(Receives):
    """Keeps the link context from before the line-up, which fills it in."""

    def restart(self) -> None:
        self.early = MacLineUp().ndis_link_context
        super().restart()

    @property
    def context(self) -> int:
        return self.early


@beast("WAN-LNK-02", UNDER_NDISWAN)
class AnswersBeforeLineUp(AtOnce):
    """Answers OID_TAPI_GET_ID at once, and brings the line up later."""

    def restart(self) -> None:
        pass

    def tapi_get_id(self, request: OidRequest) -> Status:
        self.set_timer(SOON, super().restart)
        return super().tapi_get_id(request)


@beast("WAN-LNK-02", UNDER_NDISWAN)
class CompletesBeforeLineUp(AtOnce):
    """Pends OID_TAPI_GET_ID and completes it before it brings the line up."""

    def restart(self) -> None:
        pass

    def tapi_get_id(self, request: OidRequest) -> Status:
        self.set_timer(SOON, lambda: self.connect(request))
        return Status.PENDING

    def connect(self, request: OidRequest) -> None:
        """Answer, then bring the line up."""
        self.adapter.oid_request_complete(request, request.write(CALL.to_bytes(4, "little")))
        super().restart()


@beast("WAN-LNK-04", UNDER_NDISWAN)
class IndicatesAfterLineDown(Receives):
    """Goes on indicating after it has taken its line down."""

    def receive(self) -> None:
        self.adapter.indicate_line_down(MacLineDown(self.context))
        super().receive()


@beast("WAN-LNK-04", UNDER_NDISWAN)
class TakesLineDownByHandle(Receives):
    """Names the line that is down by its own handle."""

    def receive(self) -> None:
        self.adapter.indicate_line_down(MacLineDown(HANDLE))


@beast("WAN-LNK-08", UNDER_NDISWAN)
class TellsOfFragmentByHandle(Receives):
    """Tells of a partial frame by its own handle of the link."""

    def receive(self) -> None:
        self.adapter.indicate_fragment(MacFragment(HANDLE, 1))


@beast("WAN-LNK-08", UNDER_NDISWAN)
class TellsUnknownErrors(Receives):
    """Tells of a partial frame with an error that there is none of."""

    def receive(self) -> None:
        self.adapter.indicate_fragment(MacFragment(self.context, 0x100))


@beast("N5-TD-06", UNDER_NDISWAN)
class RegistersTransferData(AtOnce):
    """Registers a handler for transfer data."""

    def transfer_data(self, *arguments: object) -> None:
        raise AssertionError("it is never called")


class CoLine(CoWanMiniport):
    """Activates a VC at the start, and completes each send a little later."""

    def restart(self) -> None:
        self.adapter.activate_vc(VC, transmit_speed=1_000_000, max_send_window=4)

    def tapi_get_id(self, request: OidRequest) -> Status:
        return request.write(CALL.to_bytes(4, "little"))

    def co_send_net_buffer_lists(self, vc: int, chain: NblChain, flags: int) -> None:
        self.set_timer(SOON, lambda: self.finish(chain))

    def finish(self, chain: NblChain) -> None:
        """Complete a send."""
        chain.status = Status.SUCCESS
        self.adapter.co_send_net_buffer_lists_complete(chain)


@beast("WAN-CO-02", UNDER_NDISWAN)
class CompletesConnectionless(CoLine):
    """Completes CoNDIS sends by NdisMSendNetBufferListsComplete."""

    def finish(self, chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        self.adapter.send_net_buffer_lists_complete(chain)


@beast("WAN-CO-02", UNDER_NDISWAN)
class CompletesAsWan(CoLine):
    """Completes CoNDIS sends by NdisMWanSendComplete."""

    def finish(self, chain: NblChain) -> None:
        self.adapter.wan_send_complete(WanPacket(chain, self._node.custody))


@beast("WAN-SND-10", UNDER_NDISWAN)
class CompletesWithoutStatus(CoLine):
    """Completes CoNDIS sends without writing a Status."""

    def finish(self, chain: NblChain) -> None:
        self.adapter.co_send_net_buffer_lists_complete(chain)


@beast("WAN-SND-08", UNDER_NDISWAN)
class CompletesVcUnderLock(CoLine):
    """Completes CoNDIS sends with a spin lock held."""

    def finish(self, chain: NblChain) -> None:
        with self.allocate_spin_lock("vc"):
            super().finish(chain)
