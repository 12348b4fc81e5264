"""CoNDIS WAN miniports, which replace WAN miniports on current NDIS (WAN-CO-01): sends are CoNDIS sends per VC.

Only what NDISWAN sees of them is here: a VC is a link with a window of its own, NBLs go down it and come back by the
CoNDIS completion, speed and window change by link parameters. Calls and call managers are no part of this room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nodes.crossings.port import Port
from nodes.ndis.adapter import Returned
from nodes.packets.chain import NblChain
from nodes.status import UNSET, Status, status_name
from nodes.wan.adapter import WanAdapter
from nodes.wan.miniport import WanMiniport
from nodes.wan.packet import WanPacket
from nodes.wan.records import SPEED_UNIT, CoFragment, CoLinkParameters, MacLineDown, MacLineUp

if TYPE_CHECKING:
    from nodes.node import Node

NOT_FINAL = (int(Status.PENDING), UNSET)


class CoWanAdapter(WanAdapter):
    """The adapter handle of a CoNDIS WAN miniport."""

    def __init__(self, node: Node, ports: Sequence[Port], returned: Returned) -> None:
        """Open the adapter; errors as for `WanAdapter`."""
        super().__init__(node, ports, returned)
        self._contexts_of: dict[int, int] = {}

    def activate_vc(self, vc: int, *, transmit_speed: int, max_send_window: int) -> None:
        """Let sends use a VC (NdisMCoActivateVcComplete): speed in bit/s, window as in the call info (WAN-CO-01)."""
        self._node.irql.check("NdisMCoActivateVcComplete")
        record = MacLineUp(transmit_speed // SPEED_UNIT, 0, max_send_window, vc, vc)
        self.indicate_line_up(record)
        self._contexts_of[vc] = record.ndis_link_context

    def deactivate_vc(self, vc: int) -> None:
        """End the use of a VC (NdisMCoDeactivateVcComplete); raises KeyError for one that is not active."""
        self._node.irql.check("NdisMCoDeactivateVcComplete")
        self.indicate_line_down(MacLineDown(self._contexts_of.pop(vc)))

    def indicate_link_parameters(self, vc: int, *, transmit_speed: int, send_window: int) -> None:
        """Change speed (bit/s) and window of a VC, 0 to close it (NDIS_STATUS_WAN_CO_LINKPARAMS, WAN-CO-03)."""
        speed = transmit_speed // 8
        record = CoLinkParameters(self._contexts_of.get(vc, 0), speed, speed, send_window)
        self.indicate_wan_status(Status.WAN_CO_LINKPARAMS, record)

    def indicate_co_fragment(self, vc: int, errors: int) -> None:
        """Tell of a frame that arrived in part (NDIS_STATUS_WAN_CO_FRAGMENT, WAN-CO-03)."""
        self.indicate_wan_status(Status.WAN_CO_FRAGMENT, CoFragment(self._contexts_of.get(vc, 0), errors))

    def co_send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Complete sends with the Status in each NBL (NdisMCoSendNetBufferListsComplete, WAN-CO-02).

        PENDING, or a Status that nobody has set, is no final one (WAN-SND-10): such a packet fails.
        """
        self._node.irql.check("NdisMCoSendNetBufferListsComplete", flags, lock_rule="WAN-SND-08")
        statuses = self._node.arena.status[chain.slots]
        for place in np.flatnonzero(np.isin(statuses, NOT_FINAL)).tolist():
            name = status_name(int(statuses[place]))
            self._node.complain("WAN-SND-10", int(chain.handles[place]), f"a send was completed with {name}")
            statuses[place] = Status.FAILURE
        self.give_back(chain, statuses, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Report a completion by the connectionless call (WAN-CO-02), and complete the packets all the same."""
        self._wrong_call(int(chain.handles[0]), "NdisMSendNetBufferListsComplete")
        self.co_send_net_buffer_lists_complete(chain, flags)

    def wan_send_complete(self, packet: WanPacket, status: Status = Status.SUCCESS) -> None:
        """Report a completion by the call of WAN miniports (WAN-CO-02), and complete the packet all the same."""
        self._wrong_call(packet.handle, "NdisMWanSendComplete")
        self.finish(packet.chain, status)

    def _wrong_call(self, handle: int, call: str) -> None:
        self._node.complain(
            "WAN-CO-02",
            handle,
            f"a CoNDIS send was completed by {call}, not NdisMCoSendNetBufferListsComplete",
        )


class CoWanMiniport(WanMiniport):
    """A CoNDIS WAN miniport driver: NBLs come by VC, and every one is completed, as there is no return value."""

    serialised = False
    adapter_class = CoWanAdapter
    adapter: CoWanAdapter

    def co_send_net_buffer_lists(self, vc: int, chain: NblChain, flags: int) -> None:
        """Take NBLs for a VC (MiniportCoSendNetBufferLists); each is owed one completion (WAN-CO-02)."""
        raise NotImplementedError

    def broken(self, rule: str, handle: int) -> str:
        """Return the rule's own id: a CoNDIS send is no WAN send, it has the NBL's rules."""
        return rule

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        """Hand a packet on as a CoNDIS send; NDISWAN's own packet is the NBL (WAN-CO-04)."""
        self.co_send_net_buffer_lists(link_handle, packet.chain, 0)
        return Status.PENDING
