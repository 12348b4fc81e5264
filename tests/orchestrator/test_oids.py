"""OIDs as a user writes and reads them."""

from __future__ import annotations

import struct

import pytest

from nodes.ndis.indication import LinkState
from nodes.ndis.oid import Oid
from orchestrator.oids import ValueUnclear, decode_answer, encode_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9", b"\x09\0\0\0"),
        ("0x10", b"\x10\0\0\0"),
        ("01:00:5E:00:00:01", b"\x01\0\x5e\0\0\x01"),
        ("directed+broadcast", b"\x09\0\0\0"),
        ("hex:0a1b", b"\x0a\x1b"),
        ("hex:", b""),
    ],
)
def test_values_are_written_as_numbers_addresses_flags_or_bytes(text: str, value: bytes) -> None:
    assert encode_value(text) == value


@pytest.mark.parametrize("text", ["", "often", "-1", "0x100000000", "hex:0", "hex:xy", "directed+sometimes"])
def test_a_value_that_is_none_of_these_is_refused(text: str) -> None:
    with pytest.raises(ValueUnclear):
        encode_value(text)


@pytest.mark.parametrize(
    ("oid", "answer", "shown"),
    [
        (Oid.GEN_MAXIMUM_FRAME_SIZE, b"\xdc\x05\0\0", 1500),
        (Oid.GEN_XMIT_OK, (1 << 40).to_bytes(8, "little"), 1 << 40),
        (Oid.IEEE_CURRENT_ADDRESS, bytes(range(6)), "00:01:02:03:04:05"),
        (Oid.IEEE_MULTICAST_LIST, b"\x01" * 12, ["01:01:01:01:01:01"] * 2),
        (Oid.GEN_CURRENT_PACKET_FILTER, b"\x09\0\0\0", "directed+broadcast"),
        (Oid.GEN_CURRENT_PACKET_FILTER, b"\0\0\0\0", "none"),
        (Oid.GEN_VENDOR_DESCRIPTION, b"a nic\0", "a nic"),
        (Oid.GEN_SUPPORTED_LIST, struct.pack("<II", 0x20106, 1), ["OID_GEN_STATISTICS", "0x00000001"]),
        (
            Oid.GEN_LINK_STATE,
            LinkState(True, 10, 20).pack(),
            {"connected": True, "transmit_bps": 10, "receive_bps": 20},
        ),
        (Oid.GEN_LINK_STATE, b"short", b"short".hex()),
        (0x99, b"abc", "616263"),
    ],
)
def test_answers_are_shown_as_what_they_say(oid: int, answer: bytes, shown: object) -> None:
    assert decode_answer(oid, answer) == shown


def test_only_statistics_that_are_kept_are_shown() -> None:
    answer = struct.pack("<4xI18Q", 0x200, *range(18))
    assert decode_answer(Oid.GEN_STATISTICS, answer) == {"out_octets": 6}
