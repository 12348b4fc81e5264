"""The calls of other miniports, as a WAN miniport finds them: each breaks a rule, and the packets go on."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodes.ndis.adapter import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status


class OtherCallsForbidden(Adapter):
    """An adapter handle on which connectionless and NDIS 5 calls are violations."""

    def finish(self, chain: NblChain, status: int) -> None:
        """Give WAN packets back to the node above with one status."""
        raise NotImplementedError

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Report a completion by NdisMSendNetBufferListsComplete, and complete the packets (WAN-SND-01)."""
        if len(chain):
            self._wrong_completion(int(chain.handles[0]), "NdisMSendNetBufferListsComplete")
            self.finish(chain, Status.SUCCESS)

    def send_complete(self, *arguments: Any) -> None:
        """Report a completion by NdisMSendComplete, and complete the packet (WAN-SND-01)."""
        packet = arguments[0]
        self._wrong_completion(packet.handle, "NdisMSendComplete")
        handles = np.array([packet.handle], np.uint64)
        self.finish(NblChain(handles, np.array([packet.slot]), self._node.custody), Status.SUCCESS)

    def send_resources_available(self, *arguments: Any) -> None:
        """Report NdisMSendResourcesAvailable, as nothing is ever handed back with RESOURCES (WAN-SND-02)."""
        self._node.complain("WAN-SND-02", 0, "a WAN miniport called NdisMSendResourcesAvailable")

    def transfer_data_complete(self, *arguments: Any) -> None:
        """Report NdisMTransferDataComplete, as a WAN miniport transfers nothing (N5-TD-06)."""
        self._node.complain("N5-TD-06", 0, "a WAN miniport called NdisMTransferDataComplete")

    def eth_indicate_receive(self, *arguments: Any) -> Status:
        """Report a look-ahead, as a WAN miniport indicates whole frames only (WAN-RCV-01); nobody recognises it."""
        self._wrong_indication("NdisMEthIndicateReceive")
        return Status.NOT_RECOGNIZED

    def eth_indicate_receive_complete(self, *arguments: Any) -> None:
        """Report the end of a burst of look-aheads (WAN-RCV-01)."""
        self._wrong_indication("NdisMEthIndicateReceiveComplete")

    def indicate_receive_packet(self, *arguments: Any) -> None:
        """Report an indication by NdisMIndicateReceivePacket; the packets come straight back (WAN-RCV-01)."""
        self._wrong_indication("NdisMIndicateReceivePacket")
        self._bounce(arguments[0])

    def indicate_receive_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Report an indication by NdisMIndicateReceiveNetBufferLists; the packets come straight back (WAN-RCV-01)."""
        self._wrong_indication("NdisMIndicateReceiveNetBufferLists")
        self._bounce(chain)

    def _wrong_completion(self, handle: int, call: str) -> None:
        self._node.complain(
            "WAN-SND-01", handle, f"a WAN send was completed by {call}, not NdisMWanSendComplete"
        )

    def _wrong_indication(self, call: str) -> None:
        self._node.complain("WAN-RCV-01", 0, f"a frame was indicated by {call}, not NdisMWanIndicateReceive")
