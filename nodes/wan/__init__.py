"""WAN miniports and NDISWAN: PPP over links with send windows, joined to bundles by multilink.

The room's rule: a WAN packet is one contiguous buffer that belongs to NDISWAN and comes back to it; what NDIS says of
lines goes by status records. May import the node's own modules, `nodes.ndis` and shm.
"""

from nodes.wan.adapter import WanAdapter
from nodes.wan.condis import CoWanAdapter, CoWanMiniport
from nodes.wan.miniport import WanMiniport
from nodes.wan.packet import WanPacket
from nodes.wan.records import MacFragment, MacLineDown, MacLineUp, WanError, WanInfo, WanQuality

__all__ = [
    "CoWanAdapter",
    "CoWanMiniport",
    "MacFragment",
    "MacLineDown",
    "MacLineUp",
    "WanAdapter",
    "WanError",
    "WanInfo",
    "WanMiniport",
    "WanPacket",
    "WanQuality",
]
