"""NDIS 6: protocol, filter, intermediate and miniport drivers and the handles they call NDIS with.

The room's rule: a driver class says what NDIS would call it with; names are NDIS's in snake case without the role's
prefix. May import the node's own modules and shm.
"""

from nodes.ndis.adapter import Adapter
from nodes.ndis.binding import Binding
from nodes.ndis.filter import Filter, FilterModule
from nodes.ndis.indication import LinkState, StatusIndication
from nodes.ndis.intermediate import Intermediate
from nodes.ndis.miniport import Miniport
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid import Oid, OidRequest, PacketFilter, RequestType
from nodes.ndis.protocol import Protocol
from nodes.ndis.states import BindingState, DevicePnpEvent, HaltAction

__all__ = [
    "Adapter",
    "Binding",
    "BindingState",
    "DevicePnpEvent",
    "Filter",
    "FilterModule",
    "HaltAction",
    "Intermediate",
    "LinkState",
    "Miniport",
    "NetEvent",
    "Oid",
    "OidRequest",
    "PacketFilter",
    "Protocol",
    "RequestType",
    "StatusIndication",
]
