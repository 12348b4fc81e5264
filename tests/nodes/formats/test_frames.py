from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.formats import frames
from nodes.formats.frames import (
    BODY_OFFSET,
    CRC_OFFSET,
    ETHERNET_LENGTH,
    MAX_FRAME,
    MIN_FRAME,
    STAMP_OFFSET,
    Bytes2D,
    FrameTemplate,
    UdpFlow,
    check_frames,
    node_mac,
    read_stamps,
)
from nodes.formats.pcapng import PcapngWriter

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark is not installed (Debian package tshark)"
)

FLOW = UdpFlow(node_mac(1), node_mac(2), 0x0A000001, 0x0A000002, 5001, 9)
TEMPLATE = FrameTemplate(FLOW, flow_id=0xC0FFEE42)


def u64(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def checksum(data: bytes) -> int:
    """Compute the Internet checksum the textbook way."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def one_frame(size: int, sequence: int = 1, planned_ns: int = 2) -> bytes:
    return TEMPLATE.build(size, u64(sequence), u64(planned_ns)).tobytes()


@pytest.mark.parametrize("size", [MIN_FRAME, MIN_FRAME + 1, 594, 1514, 9014, MAX_FRAME])
def test_a_frame_is_laid_out_as_ethernet_ipv4_and_udp_prescribe(size: int) -> None:
    frame = one_frame(size, sequence=0x123456789, planned_ns=10**18)

    assert frame[:14] == node_mac(2) + node_mac(1) + b"\x08\x00"
    version, _, total, ident, _, ttl, protocol, _, source, target = struct.unpack(">BBHHHBBHII", frame[14:34])
    assert (version, total, ident, ttl, protocol) == (0x45, size - 14, 0x6789, 64, 17)
    assert (source, target) == (FLOW.src_ip, FLOW.dst_ip)
    assert struct.unpack(">HHH", frame[34:40]) == (5001, 9, size - 34)
    assert struct.unpack(">IIQQ", frame[42:66]) == (frames.STAMP_MAGIC, 0xC0FFEE42, 0x123456789, 10**18)


@given(
    size=st.integers(MIN_FRAME, 3000),
    sequence=st.integers(0, 2**64 - 1),
    planned_ns=st.integers(0, 2**64 - 1),
)
def test_checksums_and_crc_agree_with_the_textbook(size: int, sequence: int, planned_ns: int) -> None:
    frame = one_frame(size, sequence, planned_ns)

    assert checksum(frame[14:34]) == 0
    pseudo = frame[26:34] + struct.pack(">HH", 17, size - 34)
    assert checksum(pseudo + frame[34:]) == 0
    assert frame[40:42] != b"\0\0"
    crc = zlib.crc32(frame[STAMP_OFFSET:CRC_OFFSET], zlib.crc32(frame[BODY_OFFSET:]))
    assert int.from_bytes(frame[CRC_OFFSET:BODY_OFFSET], "big") == crc


def test_the_longest_bodies_have_the_right_crc() -> None:
    for size in range(MAX_FRAME - 130, MAX_FRAME + 1):
        frame = one_frame(size)
        crc = zlib.crc32(frame[STAMP_OFFSET:CRC_OFFSET], zlib.crc32(frame[BODY_OFFSET:]))
        assert int.from_bytes(frame[CRC_OFFSET:BODY_OFFSET], "big") == crc


@given(lengths=st.lists(st.integers(MIN_FRAME, 2048), max_size=40), data=st.data())
def test_frames_written_into_cells_are_the_ones_built_alone(lengths: list[int], data: st.DataObject) -> None:
    slots = data.draw(st.permutations(range(48)))[: len(lengths)]
    cells = np.full((48, 2048), 0xEE, np.uint8)
    sequence = np.arange(len(lengths), dtype=np.uint64)

    TEMPLATE.write(cells, i64(*slots), i64(*lengths), sequence, sequence + np.uint64(7))

    for at, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
        assert cells[slot, :length].tobytes() == one_frame(length, at, at + 7)
    untouched = np.setdiff1d(np.arange(48), slots)
    assert (cells[untouched] == 0xEE).all()


@given(lengths=st.lists(st.integers(MIN_FRAME, 2048), max_size=40))
def test_a_check_returns_what_was_stamped(lengths: list[int]) -> None:
    cells = np.zeros((len(lengths), 2048), np.uint8)
    slots = np.arange(len(lengths))
    sequence, planned_ns = slots.astype(np.uint64) * np.uint64(2**40), slots.astype(np.uint64)
    TEMPLATE.write(cells, slots, i64(*lengths), sequence, planned_ns)

    for stamps in (
        check_frames(cells, slots, i64(*lengths)),
        read_stamps(cells, slots, i64(*lengths)),
    ):
        assert stamps.ok.all()
        assert stamps.stamped.all()
        assert stamps.sequence.tolist() == sequence.tolist()
        assert stamps.planned_ns.tolist() == planned_ns.tolist()
        assert set(stamps.flow.tolist()) <= {0xC0FFEE42}


@given(size=st.integers(MIN_FRAME, 1600), bit=st.integers(0), data=st.data())
def test_a_flipped_bit_in_ip_header_or_payload_is_found(size: int, bit: int, data: st.DataObject) -> None:
    checked = [*range(14, 34), *range(STAMP_OFFSET, size)]
    at = data.draw(st.sampled_from(checked))
    damaged = TEMPLATE.build(size, u64(5), u64(6))
    damaged[0, at] ^= 1 << (bit % 8)

    assert not check_frames(damaged, i64(0), i64(size)).ok[0]


def test_a_damaged_body_is_told_from_a_foreign_frame() -> None:
    cells = TEMPLATE.build(200, u64(1, 2, 3), u64(0, 0, 0))
    cells[1, 150] ^= 1
    cells[2, STAMP_OFFSET] ^= 1

    stamps = check_frames(cells, i64(0, 1, 2), i64(200, 200, 200))

    assert stamps.stamped.tolist() == [True, True, False]
    assert stamps.ok.tolist() == [True, False, False]


def test_a_body_without_the_pattern_passes_when_its_crc_is_right() -> None:
    cells = TEMPLATE.build(300, u64(1), u64(0))
    cells[0, BODY_OFFSET:] = 0x55
    frame = cells.tobytes()
    crc = zlib.crc32(frame[STAMP_OFFSET:CRC_OFFSET], zlib.crc32(frame[BODY_OFFSET:]))
    cells[0, CRC_OFFSET:BODY_OFFSET] = np.frombuffer(crc.to_bytes(4, "big"), np.uint8)

    assert check_frames(cells, i64(0), i64(300)).ok[0]


def test_a_frame_that_lost_its_tail_is_damaged() -> None:
    cells = TEMPLATE.build(300, u64(1), u64(0))

    stamps = read_stamps(cells, i64(0), i64(299))

    assert (stamps.stamped[0], stamps.ok[0]) == (True, False)


def test_a_frame_too_short_for_a_stamp_is_foreign() -> None:
    cells = TEMPLATE.build(300, u64(1), u64(0))

    assert not check_frames(cells, i64(0), i64(60)).stamped[0]


@given(noise=st.binary(min_size=MIN_FRAME, max_size=200))
def test_noise_is_never_taken_for_a_frame_of_ours(noise: bytes) -> None:
    cells: Bytes2D = np.frombuffer(noise, np.uint8).reshape(1, -1)

    assert not check_frames(cells, i64(0), i64(len(noise))).ok[0]


@pytest.mark.parametrize("length", [MIN_FRAME - 1, 257])
def test_a_length_that_does_not_fit_is_refused_before_anything_is_written(length: int) -> None:
    cells = np.zeros((2, 256), np.uint8)

    with pytest.raises(ValueError, match=f"frame length {length} is outside 70..256 bytes"):
        TEMPLATE.write(cells, i64(0, 1), i64(100, length), u64(0, 1), u64(0, 0))
    assert not cells.any()


def test_a_length_beyond_the_cell_is_refused_when_reading() -> None:
    with pytest.raises(ValueError, match=r"frame length 101 is outside 0\.\.100 bytes"):
        check_frames(np.zeros((1, 100), np.uint8), i64(0), i64(101))
    with pytest.raises(ValueError, match="cells of 64 bytes cannot hold a stamp"):
        read_stamps(np.zeros((1, 64), np.uint8), i64(0), i64(60))


def test_node_addresses_are_local_unicast_and_distinct() -> None:
    assert node_mac(0x010203) == bytes.fromhex("024e44010203")
    assert node_mac(0)[0] & 0b11 == 0b10
    with pytest.raises(ValueError, match="node id 16777216"):
        node_mac(1 << 24)


@pytest.mark.parametrize(
    ("field", "value"), [("src_mac", b"\x02"), ("dst_ip", 1 << 32), ("src_port", -1), ("dst_port", 65536)]
)
def test_a_flow_refuses_what_does_not_fit_its_field(field: str, value: object) -> None:
    ends = {**vars(FLOW), field: value}
    with pytest.raises(ValueError):
        UdpFlow(**ends)


def test_a_flow_id_beyond_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="flow id 4294967296"):
        FrameTemplate(FLOW, 1 << 32)


@needs_tshark
def test_an_analyser_finds_every_checksum_right(tmp_path: Path) -> None:
    path = tmp_path / "frames.pcapng"
    with PcapngWriter(path) as writer:
        for size in (MIN_FRAME, 71, 594, 1514, 9001):
            rows = TEMPLATE.build(size, u64(1, 2), u64(3, 4))
            writer.write(u64(1, 2), i64(size, size), rows)
    options = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    fields = ["-e", "ip.checksum.status", "-e", "udp.checksum.status", "-e", "udp.srcport"]
    shown = subprocess.run(
        ["tshark", "-r", path, *options, "-T", "fields", *fields], capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == ["1\t1\t5001"] * 10


def test_offsets_name_the_fields_they_stand_for() -> None:
    offsets = {name: field[1] for name, field in (frames.HEADER.fields or {}).items()}
    assert offsets["version_ihl"] == ETHERNET_LENGTH
    assert (offsets["magic"], offsets["crc"]) == (STAMP_OFFSET, CRC_OFFSET)
    assert frames.HEADER.itemsize == BODY_OFFSET
