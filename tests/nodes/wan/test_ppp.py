"""PPP framing: what goes out can be read back, and what is malformed is told."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.wan import ppp

ADDRESSES = b"\x02\0\0\0\0\1" + b"\x02\0\0\0\0\2"


def carried(frame: bytes, *, bridge: bool = False) -> bytes:
    """Return the PPP packet of one Ethernet frame, from its protocol field on."""
    types = np.array([int.from_bytes(frame[12:14], "big")], np.uint16)
    prefix = ppp.prefixes(types, bridge=bridge)
    return prefix.rows[0, : prefix.lengths[0]].tobytes() + frame[prefix.skipped[0] :]


@pytest.mark.parametrize(("ethertype", "protocol"), [(0x0800, 0x0021), (0x86DD, 0x0057)])
def test_internet_packets_travel_without_their_ethernet_header(ethertype: int, protocol: int) -> None:
    frame = ADDRESSES + ethertype.to_bytes(2, "big") + b"packet"
    packet = carried(frame)
    assert packet == protocol.to_bytes(2, "big") + b"packet"
    assert ppp.ethernet_of(packet, ADDRESSES) == frame


def test_other_frames_travel_whole() -> None:
    frame = ADDRESSES + b"\x08\x06" + b"who has"
    assert carried(frame) == ppp.BRIDGE_PREFIX + frame
    assert ppp.ethernet_of(carried(frame), bytes(12)) == frame


def test_bridged_every_frame_travels_whole() -> None:
    frame = ADDRESSES + b"\x08\x00" + b"packet"
    assert ppp.ethernet_of(carried(frame, bridge=True), bytes(12)) == frame


def test_the_protocol_field_may_be_compressed_and_address_and_control_left_out() -> None:
    assert ppp.protocol_of(b"\x21packet") == (0x21, b"packet")
    assert ppp.protocol_of(b"\x00\x21packet") == (0x21, b"packet")
    assert ppp.unframed(b"\xff\x03\x00\x21packet") == ppp.unframed(b"\x00\x21packet") == b"\x00\x21packet"


@pytest.mark.parametrize(
    ("frame", "known"),
    [
        (b"\xff\x03\x00\x21", True),
        (b"\xff\x03\x00\x3d", True),
        (b"\x21", True),
        (b"\xff\x03\xc0\x21", False),
        (b"\xff\x03", False),
        (b"", False),
    ],
)
def test_frames_of_known_protocols_are_recognised(frame: bytes, known: bool) -> None:
    assert ppp.recognised(frame) is known


def test_a_foreign_protocol_is_no_ethernet_frame() -> None:
    assert ppp.ethernet_of(b"\xc0\x21configure", ADDRESSES) is None


@pytest.mark.parametrize("packet", [b"", b"\x00", b"\x00\x31\x80\x01frame"])
def test_a_malformed_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(ppp.MalformedPpp):
        ppp.ethernet_of(packet, ADDRESSES)
