"""The adapter handle of an NDIS 5 miniport: what it calls NDIS with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nodes.crossings.crossing import Op, ReceiveFlags
from nodes.crossings.waiting import CALL_LIMIT, CallUnanswered
from nodes.ndis.adapter import Adapter
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.crossings.message import Body
    from nodes.crossings.port import Port
    from nodes.ndis5.sends import Sends
    from nodes.ndis5.transfers import Transfers


class Adapter5(Adapter):
    """An adapter whose sends have verdicts.

    `sends` and `transfers` are NDIS's halves of both; `indicating` the sizes of look-ahead indications in progress, by
    context: only these can be transferred from (N5-TD-01).
    """

    sends: Sends
    transfers: Transfers
    indicating: dict[int, int]
    full_packets: bool

    def send_complete(self, packet: Nbl, status: Status) -> None:
        """End one send that pends (NdisMSendComplete), exactly once, at DISPATCH if serialised (N5-SND-09)."""
        self.sends.complete(packet, status)

    def send_resources_available(self) -> None:
        """Say that sends handed back with RESOURCES can be offered again (NdisMSendResourcesAvailable)."""
        self.sends.resources_available()

    def transfer_data_complete(self, packet: Nbl, status: Status, bytes_transferred: int) -> None:
        """End one transfer that pends (NdisMTransferDataComplete), exactly once (N5-TD-02)."""
        self._node.irql.check("NdisMTransferDataComplete")
        self.transfers.complete(packet, status, bytes_transferred)

    def eth_indicate_receive(self, context: int, header: bytes, lookahead: bytes, packet_size: int) -> Status:
        """Indicate the first bytes of a received packet (NdisMEthIndicateReceive); return what the protocol said.

        `packet_size` counts the data behind the header, all of which can be had by transfer until this call returns.
        The protocol is the first one above that is of NDIS 5 and takes the frame's type; NOT_RECOGNIZED if none is.
        Raises MessageTooLong for a look-ahead of nearly 2 KiB, CallUnanswered when the protocol does not return.
        """
        if self.full_packets:
            self._node.complain(
                "N5-TD-06", 0, "a miniport that indicates full packets indicated a look-ahead"
            )
        port = self._taker(header)
        if not self._node.lifecycle.running or port is None:
            return Status.NOT_RECOGNIZED
        answers: list[int] = []

        def answered(status: int, body: Body) -> None:
            answers.append(status)

        self.indicating[context] = packet_size
        self._node.messages.post(port, Op.LOOKAHEAD, (context, packet_size, header, lookahead), answered)
        returned = self._node.waiting.until(lambda: bool(answers), CALL_LIMIT, port)
        self.indicating.pop(context, None)
        if not returned:
            raise CallUnanswered(f"{port.spec.peer_name} did not return from its receive handler")
        return Status(answers[0])

    def eth_indicate_receive_complete(self) -> None:
        """Tell the protocols that a burst of indications is over (NdisMEthIndicateReceiveComplete)."""
        for port in self._ports:
            port.notice(Op.RECEIVE_COMPLETE, 0)

    def indicate_receive_packet(self, packets: NblChain) -> None:
        """Indicate full packets (NdisMIndicateReceivePacket), each by the status in its OOB data.

        SUCCESS lends it until the return handler gets it, RESOURCES for the length of this call (N5-TD-01).
        """
        scarce = packets.status == np.uint32(Status.RESOURCES)
        packets.status = Status.SUCCESS
        for mask, flags in ((~scarce, ReceiveFlags.NONE), (scarce, ReceiveFlags.RESOURCES)):
            if mask.any():
                self.indicate_receive_net_buffer_lists(packets[mask], flags)

    def _taker(self, header: bytes) -> Port | None:
        kind = int.from_bytes(header[12:14], "big")
        for port in self._ports:
            wanted = port.spec.options.get("frame_types")
            if port.spec.options.get("upper_generation") == 5 and (not wanted or kind in wanted):
                return port
        return None
