"""Flags of packets and of deriving packets, with their Windows values (ndis.h)."""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class NblFlags(IntFlag):
    """NDIS_NBL_FLAGS_XXX: what kind of packet an NBL holds; all NBs of it are of that kind (N6-NBL-14)."""

    NONE = 0
    SEND_READ_ONLY = 0x1
    RECV_READ_ONLY = 0x2
    HD_SPLIT = 0x100
    IS_IPV4 = 0x200
    IS_IPV6 = 0x400
    IS_TCP = 0x800
    IS_UDP = 0x1000
    IS_LOOPBACK_PACKET = 0x8000


class CloneFlags(IntFlag):
    """NDIS_CLONE_FLAGS_XXX."""

    NONE = 0
    USE_ORIGINAL_MDLS = 0x2


def is_packet_type(flags: int | NDArray[np.uint32]) -> bool:
    """Return whether type flags agree: IPv4 xor IPv6, and TCP xor UDP only with one of these (N6-NBL-15)."""
    bits = np.asarray(flags, np.uint32)
    ipv4, ipv6 = bits & NblFlags.IS_IPV4 != 0, bits & NblFlags.IS_IPV6 != 0
    tcp, udp = bits & NblFlags.IS_TCP != 0, bits & NblFlags.IS_UDP != 0
    return not bool(((ipv4 & ipv6) | (tcp & udp) | ((tcp | udp) & ~(ipv4 | ipv6))).any())
