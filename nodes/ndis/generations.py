"""Calls of one NDIS generation that are forbidden to drivers of another (N5-SND-11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.node import Node


class Ndis5CallsForbidden:
    """The NDIS 5 calls of a miniport, as an NDIS 6 miniport finds them: each is a violation and does nothing."""

    _node: Node

    def send_complete(self, *arguments: Any) -> None:
        """Report NdisMSendComplete (N5-SND-11)."""
        self._forbid("NdisMSendComplete")

    def send_resources_available(self, *arguments: Any) -> None:
        """Report NdisMSendResourcesAvailable (N5-SND-11)."""
        self._forbid("NdisMSendResourcesAvailable")

    def transfer_data_complete(self, *arguments: Any) -> None:
        """Report NdisMTransferDataComplete (N5-SND-11)."""
        self._forbid("NdisMTransferDataComplete")

    def eth_indicate_receive(self, *arguments: Any) -> Any:
        """Report NdisMEthIndicateReceive (N5-SND-11)."""
        self._forbid("NdisMEthIndicateReceive")

    def eth_indicate_receive_complete(self, *arguments: Any) -> None:
        """Report NdisMEthIndicateReceiveComplete (N5-SND-11)."""
        self._forbid("NdisMEthIndicateReceiveComplete")

    def indicate_receive_packet(self, *arguments: Any) -> None:
        """Report NdisMIndicateReceivePacket (N5-SND-11)."""
        self._forbid("NdisMIndicateReceivePacket")

    def _forbid(self, call: str) -> None:
        self._node.complain(
            "N5-SND-11",
            0,
            f"{call} is for NDIS 5 miniports only (bug check 0x7C/0x15 INVALID_NDIS5_CALL); "
            "derive the driver from Miniport5 or use the NDIS 6 call",
        )
