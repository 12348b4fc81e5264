"""Which connection a frame belongs to, told by its first bytes."""

from __future__ import annotations

KEY_LENGTH = 62
"""Bytes of a frame that tell its connection: Ethernet with one VLAN tag, IPv6, ports."""
_IPV4, _IPV6, _VLAN = b"\x08\x00", b"\x86\xdd", b"\x81\x00"
_WITH_PORTS = b"\x06\x11"
_FRAGMENT = 0x3FFF


def connection_of(frame: bytes) -> bytes:
    """Return what tells the connection of a frame from others: addresses, protocol, and ports of TCP and UDP.

    Fragments and headers with options are told without ports, frames of other kinds by their Ethernet header; a
    frame that is too short by what there is of it.
    """
    kind, packet = frame[12:14], frame[14:]
    if kind == _VLAN:
        return packet[:2] + connection_of(frame[:12] + packet[2:])
    if kind == _IPV4 and len(packet) >= 20:
        whole = packet[0] == 0x45 and not int.from_bytes(packet[6:8]) & _FRAGMENT
        ports = packet[20:24] if whole and packet[9] in _WITH_PORTS else b""
        return kind + packet[9:10] + packet[12:20] + ports
    if kind == _IPV6 and len(packet) >= 40:
        ports = packet[40:44] if packet[6] in _WITH_PORTS else b""
        return kind + packet[6:7] + packet[8:40] + ports
    return frame[:14]
