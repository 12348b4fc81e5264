"""Which received frames a binding wants: OID_GEN_CURRENT_PACKET_FILTER, set per binding, kept by NDIS.

NDIS gives the miniport all filters of the bindings above it combined, and itself withholds from each binding what it
did not ask for (N6-OID-23). A binding that never set one gets everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.ndis.oid import Oid, OidRequest, PacketFilter, RequestType
from nodes.packets.chain import NblChain

if TYPE_CHECKING:
    from nodes.crossings.port import Port

_GROUP = 0x01
ADDRESS_LENGTH = 6


@dataclass(frozen=True)
class Setting:
    """What a binding asked for, to take effect once the driver has agreed."""

    port: Port
    wanted: int

    def apply(self) -> None:
        """Let it take effect."""
        self.port.packet_filter = self.wanted


def setting_of(ports: Sequence[Port], port: Port, request: OidRequest) -> Setting | None:
    """Return the packet filter that a request from `port` sets, None if it sets none.

    The request is changed to carry the filters of all bindings combined.
    """
    sets = request.oid == Oid.GEN_CURRENT_PACKET_FILTER and request.type is RequestType.SET
    if not sets or len(request.buffer) != 4:
        return None
    wanted = int.from_bytes(request.buffer, "little")
    others = [of.packet_filter for of in ports if of is not port and of.packet_filter is not None]
    combined = wanted
    for value in others:
        combined |= value
    request.buffer = combined.to_bytes(4, "little")
    return Setting(port, wanted)


def admitted(port: Port, chain: NblChain, groups: bytes | None = None) -> NDArray[np.bool_]:
    """Return which frames of a chain the packet filter of the binding behind `port` lets through (bool[n]).

    With `groups`, a list of addresses, MULTICAST means these; without, every multicast address.
    """
    wanted = port.packet_filter
    if wanted is None or wanted & PacketFilter.PROMISCUOUS:
        return np.ones(len(chain), np.bool_)
    target = chain.header(ADDRESS_LENGTH)
    broadcast = (target == 0xFF).all(axis=1)
    group = (target[:, 0] & _GROUP != 0) & ~broadcast
    mask = np.zeros(len(chain), np.bool_)
    if wanted & PacketFilter.DIRECTED:
        mask |= ~group & ~broadcast
    if wanted & PacketFilter.ALL_MULTICAST or (wanted & PacketFilter.MULTICAST and groups is None):
        mask |= group
    elif wanted & PacketFilter.MULTICAST and groups:
        listed = np.frombuffer(groups[: len(groups) // ADDRESS_LENGTH * ADDRESS_LENGTH], np.uint8)
        mask |= (target[:, None] == listed.reshape(-1, ADDRESS_LENGTH)).all(axis=2).any(axis=1)
    if wanted & PacketFilter.BROADCAST:
        mask |= broadcast
    return mask
