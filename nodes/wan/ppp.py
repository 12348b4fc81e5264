"""PPP framing (RFC 1661, RFC 1662 without its flags and check sequence) between Ethernet frames and links.

    | FF 03 | protocol | information ... |

The protocols above NDISWAN speak Ethernet, as to any NDIS miniport. An IPv4 or IPv6 frame travels as a network-layer
packet, without its Ethernet header; every other frame travels whole, bridged (RFC 3518):

    | 00 31 | flags 00 | MAC type 01 | Ethernet frame ... |
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frames import ETHERNET_LENGTH

Bytes2D = NDArray[np.uint8]

ADDRESS_CONTROL = b"\xff\x03"
ETHERTYPE_OFFSET = 12
BRIDGE_PREFIX = b"\x00\x31\x00\x01"
LONGEST_PREFIX = len(BRIDGE_PREFIX)


class PppProtocol(IntEnum):
    """Values of the PPP protocol field that NDISWAN recognises."""

    IPV4 = 0x0021
    BRIDGE = 0x0031
    MULTILINK = 0x003D
    IPV6 = 0x0057


ETHERTYPES = {0x0800: PppProtocol.IPV4, 0x86DD: PppProtocol.IPV6}
"""Ethernet types that travel as network-layer packets."""
_ETHERTYPE_OF = {int(protocol): ethertype for ethertype, protocol in ETHERTYPES.items()}
_KNOWN = frozenset(PppProtocol)


class MalformedPpp(ValueError):
    """A frame is too short for the header that it begins with, or has a bridge header of another form."""


class Prefixes(NamedTuple):
    """How Ethernet frames are carried: what stands before each, and how much of its beginning is left out.

    `rows` has shape (n, LONGEST_PREFIX), of which the first `lengths` bytes count; `skipped` is in bytes.
    """

    rows: Bytes2D
    lengths: NDArray[np.int64]
    skipped: NDArray[np.int64]


def prefixes(types: NDArray[np.uint16], *, bridge: bool = False) -> Prefixes:
    """Return how frames of these Ethernet types are carried; with `bridge` every one of them whole."""
    rows = np.tile(np.frombuffer(BRIDGE_PREFIX, np.uint8), (len(types), 1))
    lengths = np.full(len(types), len(BRIDGE_PREFIX), np.int64)
    skipped = np.zeros(len(types), np.int64)
    for ethertype, protocol in () if bridge else ETHERTYPES.items():
        mask = types == ethertype
        rows[mask, :2] = np.frombuffer(protocol.to_bytes(2, "big"), np.uint8)
        lengths[mask], skipped[mask] = 2, ETHERNET_LENGTH
    return Prefixes(rows, lengths, skipped)


def unframed(frame: bytes) -> bytes:
    """Return a frame without its address and control fields, which a link may have left out (RFC 1661, 6.6)."""
    return frame[2:] if frame.startswith(ADDRESS_CONTROL) else frame


def protocol_of(packet: bytes) -> tuple[int, bytes]:
    """Return protocol and information of a packet, whose protocol field may be compressed to a byte (RFC 1661, 6.5).

    Raises MalformedPpp when the packet ends before its protocol field does.
    """
    size = 1 if packet and packet[0] & 1 else 2
    if len(packet) < size:
        raise MalformedPpp(f"a PPP packet of {len(packet)} bytes has no whole protocol field")
    return int.from_bytes(packet[:size], "big"), packet[size:]


def recognised(frame: bytes) -> bool:
    """Return whether NDISWAN would take the frame: it is long enough and of a known protocol (WAN-RCV-02)."""
    try:
        return protocol_of(unframed(frame[:4]))[0] in _KNOWN
    except MalformedPpp:
        return False


def ethernet_of(packet: bytes, addresses: bytes) -> bytes | None:
    """Return the Ethernet frame that a PPP packet (from its protocol field on) carries, None for a foreign protocol.

    `addresses` (destination, source) head a frame whose own were left out. Raises MalformedPpp.
    """
    protocol, information = protocol_of(packet)
    if protocol == PppProtocol.BRIDGE:
        if information[:2] != BRIDGE_PREFIX[2:]:
            raise MalformedPpp(
                f"a bridge header of {information[:2].hex()} is not one of Ethernet without check"
            )
        return information[2:]
    ethertype = _ETHERTYPE_OF.get(protocol)
    return None if ethertype is None else addresses + ethertype.to_bytes(2, "big") + information
