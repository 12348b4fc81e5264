"""What the flags of an indication claim about all of its packets, checked (N6-RX-09)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nodes.crossings.crossing import ReceiveFlags
from nodes.formats.frames import ETHERNET_LENGTH
from nodes.ndis.oid import Oid
from nodes.ndis.packet_filter import admitted
from nodes.packets.chain import NblChain

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.ndis.oid_queue import OidQueue
    from nodes.node import Node

VLAN_TYPE = 0x8100
_TAG = 2


def check_claims(node: Node, chain: NblChain, flags: int, above: Sequence[Port], oids: OidQueue) -> None:
    """Report a chain whose frames are not all what `flags` say: of one EtherType, of one VLAN, wanted by the filters.

    Consumers may rely on the claims, so a false one misleads them; frames too short for a header claim nothing.
    `above` lead to the bindings whose packet filters count, `oids` knows the multicast list. SINGLE_QUEUE is always
    true here, where an adapter has one receive queue.
    """
    if not len(chain) or int(chain.length.min()) < ETHERNET_LENGTH + _TAG:
        return
    header = chain.header(ETHERNET_LENGTH + _TAG).astype(np.uint16)
    types = header[:, 12] << 8 | header[:, 13]
    vlans = np.where(types == VLAN_TYPE, (header[:, 14] << 8 | header[:, 15]) & 0xFFF, 0)
    for flag, values in ((ReceiveFlags.SINGLE_ETHER_TYPE, types), (ReceiveFlags.SINGLE_VLAN, vlans)):
        odd = np.flatnonzero(values != values[0])
        if flags & flag and len(odd):
            node.complain(
                "N6-RX-09",
                int(chain.handles[int(odd[0])]),
                f"indicated with {flag.name}, but {int(values[odd[0]]):#06x} is not {int(values[0]):#06x}",
            )
    if flags & ReceiveFlags.PERFECT_FILTERED:
        _check_filtered(node, chain, above, oids.setting(Oid.IEEE_MULTICAST_LIST))


def _check_filtered(node: Node, chain: NblChain, above: Sequence[Port], groups: bytes) -> None:
    wanted = np.zeros(len(chain), np.bool_)
    for port in above:
        wanted |= admitted(port, chain, groups)
    if not wanted.all():
        first = int(np.argmin(wanted))
        address = chain.header(6)[first].tobytes().hex(":")
        text = f"indicated with PERFECT_FILTERED, but nobody asked for frames to {address}"
        node.complain("N6-RX-09", int(chain.handles[first]), text)
