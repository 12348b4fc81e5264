"""What the flags of an indication claim about all of its packets, checked (N6-RX-09)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nodes.chain import NblChain
from nodes.crossing import ReceiveFlags
from nodes.frames import ETHERNET_LENGTH

if TYPE_CHECKING:
    from nodes.node import Node

CLAIMS = int(ReceiveFlags.SINGLE_ETHER_TYPE | ReceiveFlags.SINGLE_VLAN)
VLAN_TYPE = 0x8100
_TAG = 2


def check_claims(node: Node, chain: NblChain, flags: int) -> None:
    """Report a chain whose frames are not all of one EtherType or one VLAN though `flags` say so.

    Consumers may rely on the claims, so a false one misleads them; frames too short for a header claim nothing.
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
