"""Sends: drivers that complete, touch or order packets as the contract forbids."""

from __future__ import annotations

from nodes import Miniport, NblChain, Status
from nodes.ndis import Adapter
from tests.zoo.beast import ABOVE_NIC, beast


@beast("N6-SEND-10", ABOVE_NIC)
class CompletesTwice(Miniport):
    """Completes the first packet of each call again."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
        adapter.send_net_buffer_lists_complete(chain[:1])
