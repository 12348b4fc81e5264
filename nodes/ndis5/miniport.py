"""NDIS 5 miniports: sends have a verdict, received data may be fetched piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from nodes.crossings.crossing import CALLED, Op
from nodes.crossings.port import Port
from nodes.ndis.adapter import Adapter
from nodes.ndis.miniport import Miniport
from nodes.ndis5.adapter import Adapter5
from nodes.ndis5.sends import Sends
from nodes.ndis5.transfers import Transfers, read_request
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node
    from nodes.timers import Timer

_RULES = {
    "N6-SEND-03": "N5-SND-02",
    "N6-SEND-10": "N5-SND-01",
    "N6-SEND-14": "N5-SND-02",
    "N6-SEND-19": "N5-SND-01",
}


class BadCharacteristics(TypeError):
    """A miniport registers handlers that do not go together; leave one of them out."""


class Miniport5(Miniport):
    """An NDIS 5 miniport: overrides `send` or `send_packets`; with both NDIS uses the latter (N5-SND-10).

    Ownership of a packet ends with every verdict but PENDING, which owes one `adapter.send_complete` (N5-SND-01,
    N5-SND-02). A `serialised` one is entered by one call at a time at DISPATCH_LEVEL and may hand packets back with
    RESOURCES; a deserialised one owes every packet (N5-SND-05). `full_packets` says that it never indicates
    look-aheads, and so has no `transfer_data` (N5-TD-06). A cancel first ends what NDIS has queued, with
    REQUEST_ABORTED, then reaches `cancel_send`, which a driver need not have. OIDs and resets come by the handlers of
    NDIS 6, `oid_request` and `reset`; sends may be held across a reset (N6-RST-03).
    """

    generation = 5
    ndis_version: ClassVar[tuple[int, int]] = (5, 1)
    adapter_class = Adapter5
    serialised: ClassVar[bool] = True
    full_packets: ClassVar[bool] = False
    adapter: Adapter5

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)
        by_array = type(self).send_packets is not Miniport5.send_packets
        self._sends = Sends(node, self, self._sends_ended, by_array=by_array)
        self._transfers = Transfers(node)
        self._pausing = False

    def send(self, packet: Nbl, flags: int) -> Status:
        """Send one packet (MiniportSend): SUCCESS or an error ends it, PENDING owes it, RESOURCES hands it back."""
        raise NotImplementedError

    def send_packets(self, packets: NblChain) -> None:
        """Send an array (MiniportSendPackets): each packet's status is its verdict, set before returning.

        The first RESOURCES means RESOURCES for the rest (N5-SND-04). A deserialised miniport's statuses are ignored.
        """
        raise NotImplementedError

    def transfer_data(self, packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        """Copy bytes of the indicated packet into `packet` (MiniportTransferData); return status and byte count.

        PENDING, with any count, owes one `adapter.transfer_data_complete` (N5-TD-02).
        """
        return Status.NOT_SUPPORTED, 0

    def start(self) -> None:
        """Check the characteristics and open the adapter; raises BadCharacteristics (N5-TD-06)."""
        if self.full_packets and type(self).transfer_data is not Miniport5.transfer_data:
            raise BadCharacteristics(
                f"{type(self).__name__} indicates full packets and registers transfer_data (N5-TD-06)"
            )
        super().start()

    def open_upper(self, adapter: Adapter, ports: list[Port], *, serial: bool = True) -> None:
        """Give the adapter NDIS's halves of sends and transfers before the driver sees it."""
        if isinstance(adapter, Adapter5):
            adapter.sends, adapter.transfers = self._sends, self._transfers
            adapter.indicating, adapter.full_packets = {}, self.full_packets
            self._node.watch.queued = self._sends.handed_back
        super().open_upper(adapter, ports, serial=serial)

    def set_timer(self, delay: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` later (NdisMSetTimer), inside a serialised miniport's lock."""
        return super().set_timer(delay, lambda: self._sends.locked(callback))

    def pause_layer(self) -> Status:
        """Pause: what NDIS has queued comes back with PAUSED, what the miniport owes is waited for."""
        self._sends.flush(Status.PAUSED)
        status = self.pause()
        if status is Status.SUCCESS and self._sends.owed:
            self._pausing = True
            return Status.PENDING
        return status

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into handler calls; sends that come while paused or in a reset are completed so."""
        running = self._node.lifecycle.running
        if op is Op.SEND and running and not self.adapter.resets.active:
            self._sends.arrived(chain, called=bool(flags & CALLED))
        elif op is Op.SEND:
            status = Status.RESET_IN_PROGRESS if running else Status.PAUSED
            self._sends.refuse(chain, status, called=bool(flags & CALLED))
        elif op is Op.TRANSFER:
            for packet in chain:
                self._transfer(port, packet)
        else:
            self._sends.locked(lambda: super(Miniport5, self).accept(port, op, chain, flags))

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """End what a cancel finds in NDIS's queue, then hand it to the driver, inside a serialised one's lock."""
        if op is not Op.CANCEL:
            super().accept_notice(port, op, argument)
            return
        self._sends.cancel(port, argument)
        cancelling, handler = self._node.cancelling, partial(self.cancel_send, self.adapter)
        self._sends.locked(lambda: cancelling.run(port, argument, handler, missing=False, passes_on=False))

    def broken(self, rule: str, handle: int) -> str:
        """Return what NDIS 5 calls a rule that this driver broke; a deserialised one owes every packet (N5-SND-05)."""
        if rule == "N6-SEND-19" and self._transfers.owes(handle):
            return "N5-TD-02"
        if rule == "N6-SEND-19" and handle not in self._sends.owed:
            return "N5-SND-03"
        rule = _RULES.get(rule, rule)
        return "N5-SND-05" if rule == "N5-SND-01" and not self.serialised else rule

    def _transfer(self, port: Port, packet: Nbl) -> None:
        request = read_request(self._node.arena, packet.slot)
        self._transfers.owe(port, packet, request.length)
        size = self.adapter.indicating.get(request.context, -1)
        if request.offset + request.length > size:
            self._transfers.judge(packet, Status.FAILURE, 0)
            return
        verdict = self.transfer_data(packet, request.context, request.offset, request.length)
        self._transfers.judge(packet, *verdict)

    def _sends_ended(self) -> None:
        """End a pause that waited for the last send."""
        if self._pausing and not self._sends.owed:
            self._pausing = False
            self.pause_complete()
