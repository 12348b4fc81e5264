"""WAN miniport drivers: the bottom of a WAN link, below NDISWAN."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.irql import Irql
from nodes.ndis.adapter import Adapter
from nodes.ndis.miniport import Miniport
from nodes.ndis.oid import Oid, OidRequest
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.wan.adapter import WanAdapter
from nodes.wan.packet import WanPacket
from nodes.wan.records import WanInfo

if TYPE_CHECKING:
    from nodes.node import Node


_RULES = {
    "N6-SEND-03": "WAN-SND-03",
    "N6-SEND-10": "WAN-SND-01",
    "N6-SEND-14": "WAN-SND-03",
    "N6-SEND-19": "WAN-SND-01",
}


class WanMiniport(Miniport):
    """A WAN miniport driver.

    It registers no MiniportSend or MiniportTransferData entry, and NBLs that a driver sends it straight are failed
    (WAN-SND-11, N5-TD-06). `serialised` says
    whether NDIS enters its handlers one at a time (WAN-SND-13).
    """

    upper_edge = "wan"
    serialised: bool = True
    adapter_class = WanAdapter
    adapter: WanAdapter

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)
        self._inside = False
        self._waiting: deque[Callable[[], None]] = deque()
        self._sends: deque[tuple[Port, NblChain]] = deque()

    def wan_info(self) -> WanInfo:
        """Return what OID_WAN_GET_INFO asks for: windows, frame size and the room wanted around the data."""
        return WanInfo()

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        """Take one packet for a link (MiniportWanSend).

        SUCCESS or an error ends it; PENDING owes one `adapter.wan_send_complete`, maybe called before this returns
        (WAN-SND-01, WAN-SND-14). RESOURCES is never returned: what cannot start is queued (WAN-SND-02).
        """
        raise NotImplementedError

    def tapi_get_id(self, request: OidRequest) -> Status:
        """Answer OID_TAPI_GET_ID: SUCCESS only once the call's line is up (WAN-LNK-02), else PENDING or an error."""
        return Status.FAILURE

    def frames_taken(self) -> None:
        """Learn that NDISWAN has worked off frames that were indicated."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer what NDISWAN asks; a driver that overrides this passes on to it what it does not know."""
        if request.oid == Oid.WAN_GET_INFO:
            self.adapter.introduce()
            return request.write(self.wan_info().pack())
        if request.oid == Oid.TAPI_GET_ID:
            status = self.tapi_get_id(request)
            if status == Status.SUCCESS:
                self.adapter.check_call(request)
            return status
        return super().oid_request(adapter, request)

    def start(self) -> None:
        """Report entries that no WAN miniport has, which are never called, and open the adapter."""
        if type(self).send_net_buffer_lists is not Miniport.send_net_buffer_lists:
            self._node.complain(
                "WAN-SND-11", 0, "a WAN miniport registered a send handler of other miniports"
            )
        if hasattr(self, "transfer_data"):
            self._node.complain("N5-TD-06", 0, "a WAN miniport registered a handler for transfer data")
        super().start()

    def broken(self, rule: str, handle: int) -> str:
        """Return what a WAN miniport's contract calls a rule that this driver broke."""
        return _RULES.get(rule, rule)

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Enter the driver, one call at a time when it is serialised (WAN-SND-13)."""
        self._enter(lambda: self._accept(port, op, chain, flags))

    def _enter(self, call: Callable[[], None]) -> None:
        """Have a handler entered; what a serialised driver must not see yet waits until it has left its handler."""
        if not self.serialised:
            call()
            return
        self._waiting.append(call)
        while self._waiting and not self._inside:
            self._inside = True
            self._node.irql.enter(Irql.DISPATCH)
            self._waiting.popleft()()
            self._node.irql.settle()
            self._inside = False

    def _accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        if op is Op.WAN_SEND:
            self._sends += ((port, chain[number : number + 1]) for number in range(len(chain)))
            while self._sends:
                self._send(*self._sends.popleft())
        elif op is Op.WAN_RECEIVE_DONE:
            self.adapter.take_back(chain)
            self.frames_taken()
        elif op is Op.SEND:
            first = int(chain.handles[0])
            peer = port.spec.peer_name
            self._node.complain("WAN-SND-11", first, f"{peer} sent NBLs straight to a WAN miniport", peer)
            chain.status = Status.FAILURE
            Adapter.send_net_buffer_lists_complete(self.adapter, chain)
        else:
            super().accept(port, op, chain, flags)

    def _send(self, port: Port, chain: NblChain) -> None:
        """Enter the driver's send handler, then complete what it has answered at once."""
        packet = WanPacket(chain, self._node.custody)
        refusal = self._refusal(port, packet)
        if refusal is not None:
            self.adapter.finish(chain, refusal)
            return
        status: object = self.wan_send(packet.link_handle, packet)
        if not isinstance(status, int):
            text = f"a WAN send was answered with {status!r}, which is no status"
            self._node.complain("WAN-SND-01", packet.handle, text)
            status = Status.FAILURE
        if status == Status.PENDING:
            return
        if status == Status.RESOURCES:
            self._node.complain(
                "WAN-SND-02", packet.handle, "a WAN send was answered with RESOURCES; queue it instead"
            )
            status = Status.FAILURE
        if packet.held:
            self.adapter.finish(chain, status)
        else:
            self._node.complain(
                "WAN-SND-01",
                packet.handle,
                f"a WAN send was answered with {status!r} though it was already given away",
            )

    def _refusal(self, port: Port, packet: WanPacket) -> Status | None:
        """Return the status of a send that never reaches the driver: paused, in a reset, or for a link not up."""
        if not self._node.lifecycle.running:
            return Status.PAUSED
        if self.adapter.resets.active:
            return Status.RESET_IN_PROGRESS
        line = self.adapter.line_of(packet.link_handle)
        if line is None:
            message = f"{port.spec.peer_name} sent on link {packet.link_handle:#x}, which had no line-up"
            self._node.complain("WAN-SND-12", packet.handle, message, port.spec.peer_name)
        return None if line is not None and line.up else Status.FAILURE
