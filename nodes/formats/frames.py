"""Ethernet/IPv4/UDP frames with a stamp in them: built and checked by the batch, never byte by byte.

Every frame is a real one (a protocol analyser finds both checksums right) and carries, right behind its UDP
header, what the receiving side needs to account for it::

    0            14           34      42       46     50         58           66    70
    | Ethernet   | IPv4       | UDP   | magic  | flow | sequence | planned ns | crc | body ... |

The body is a fixed pattern (`nodes.formats.frame_pattern`). The CRC is CRC-32 over the body, continued over the stamp
without the CRC field itself: ``zlib.crc32(frame[42:66], zlib.crc32(frame[70:]))``. In this order the body's
share of a frame to be built is a table look-up, and the stamp's share one vector operation for the batch.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frame_pattern import (
    BODY,
    BODY_BYTES,
    PREFIX_CRCS,
    PREFIX_SUMS,
    STAMP_LENGTH,
    continue_crcs,
)

Bytes2D = NDArray[np.uint8]
"""Frames or packet cells: shape (rows, bytes), C-contiguous rows."""

ETHERTYPE_IPV4 = 0x0800
PROTOCOL_UDP = 17
STAMP_MAGIC = 0x4E444953
"""The four bytes ``NDIS`` that tell a stamped frame from any other."""

HEADER = np.dtype(
    [
        ("dst_mac", "u1", (6,)),
        ("src_mac", "u1", (6,)),
        ("ethertype", ">u2"),
        ("version_ihl", "u1"),
        ("tos", "u1"),
        ("total_length", ">u2"),
        ("ident", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("ip_checksum", ">u2"),
        ("src_ip", ">u4"),
        ("dst_ip", ">u4"),
        ("src_port", ">u2"),
        ("dst_port", ">u2"),
        ("udp_length", ">u2"),
        ("udp_checksum", ">u2"),
        ("magic", ">u4"),
        ("flow", ">u4"),
        ("sequence", ">u8"),
        ("planned_ns", ">u8"),
        ("crc", ">u4"),
    ]
)
"""Every byte of a stamped frame before its body, in wire order and without padding."""

ETHERNET_LENGTH = 14
IP_OFFSET = ETHERNET_LENGTH
UDP_OFFSET = IP_OFFSET + 20
STAMP_OFFSET = UDP_OFFSET + 8
CRC_OFFSET = STAMP_OFFSET + STAMP_LENGTH
BODY_OFFSET = CRC_OFFSET + 4
MIN_FRAME = BODY_OFFSET
"""The smallest stamped frame in bytes, without FCS: headers, stamp and no body."""
MAX_FRAME = 65535
"""The largest frame in bytes, without FCS."""

_BODY_STEP = 128
_DONT_FRAGMENT = 0x4000
_LOCAL_MAC_PREFIX = b"\x02\x4e\x44"


def node_mac(node_id: int) -> bytes:
    """Make the locally administered MAC address ``02:4e:44:xx:xx:xx`` of a node.

    `node_id` counts from 0 and must fit 24 bits, else `ValueError`. Equal ids give equal
    addresses in every run.
    """
    if not 0 <= node_id < 1 << 24:
        raise ValueError(f"node id {node_id} does not fit the 24 bits of a MAC address; number nodes from 0")
    return _LOCAL_MAC_PREFIX + node_id.to_bytes(3, "big")


@dataclass(frozen=True)
class UdpFlow:
    """Name the two ends of a UDP flow: MAC addresses of 6 bytes, IPv4 addresses and ports as integers.

    A value that does not fit its field raises `ValueError`.
    """

    src_mac: bytes
    dst_mac: bytes
    src_ip: int
    dst_ip: int
    src_port: int
    dst_port: int

    def __post_init__(self) -> None:
        for mac in (self.src_mac, self.dst_mac):
            if len(mac) != 6:
                raise ValueError(f"MAC address {mac!r} is {len(mac)} bytes long; give 6")
        for bits, value in (
            (32, self.src_ip),
            (32, self.dst_ip),
            (16, self.src_port),
            (16, self.dst_port),
        ):
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{value} does not fit an address or port of {bits} bits")


@dataclass(frozen=True)
class Stamps:
    """Hold what a batch of frames says about itself, one entry per frame in every array.

    `stamped` tells our frames from foreign ones (a replayed capture, a frame that is too short); `ok` says
    that a stamped frame is undamaged as far as the function that made this looked. `sequence`, `flow` and
    `planned_ns` are as read, so they mean something only where `ok` is set.
    """

    sequence: NDArray[np.uint64]
    flow: NDArray[np.uint32]
    planned_ns: NDArray[np.uint64]
    stamped: NDArray[np.bool_]
    ok: NDArray[np.bool_]


class FrameTemplate:
    """Build the frames of one flow.

    `flow_id` is the 32-bit number stamped into each frame; the IPv4 identification is the low 16 bits of the
    sequence number, the fragment field says "don't fragment", both checksums are computed. A flow id that does
    not fit raises `ValueError`.
    """

    def __init__(self, flow: UdpFlow, flow_id: int, *, ttl: int = 64) -> None:
        if not 0 <= flow_id < 1 << 32:
            raise ValueError(f"flow id {flow_id} does not fit 32 bits")
        header = np.zeros(1, HEADER)
        header["dst_mac"] = np.frombuffer(flow.dst_mac, np.uint8)
        header["src_mac"] = np.frombuffer(flow.src_mac, np.uint8)
        header["ethertype"] = ETHERTYPE_IPV4
        header["version_ihl"] = 0x45
        header["fragment"] = _DONT_FRAGMENT
        header["ttl"] = ttl
        header["protocol"] = PROTOCOL_UDP
        header["src_ip"], header["dst_ip"] = flow.src_ip, flow.dst_ip
        header["src_port"], header["dst_port"] = flow.src_port, flow.dst_port
        header["magic"], header["flow"] = STAMP_MAGIC, flow_id
        self._header = header
        raw = _raw(header)
        self._ip_sum = _word_sums(raw[:, IP_OFFSET:UDP_OFFSET])
        addresses = _word_sums(raw[:, IP_OFFSET + 12 : STAMP_OFFSET])
        self._udp_sum = addresses + PROTOCOL_UDP

    def write(
        self,
        cells: Bytes2D,
        slots: NDArray[np.int64],
        lengths: NDArray[np.int64],
        sequence: NDArray[np.uint64],
        planned_ns: NDArray[np.uint64],
    ) -> None:
        """Write one frame into each of the rows `slots` of `cells`, where it will be read by every layer.

        All arrays but `cells` have one entry per frame; `lengths` are frame bytes without FCS. A length below
        `MIN_FRAME`, above `MAX_FRAME` or wider than a cell raises `ValueError` before anything is written.
        Bytes of a cell behind the frame's end may be overwritten too: frames of nearly equal size then share
        one copy.
        """
        _require_lengths(lengths, MIN_FRAME, min(MAX_FRAME, cells.shape[1]))
        bodies = -(-(lengths - BODY_OFFSET) // _BODY_STEP) * _BODY_STEP
        for body in set(bodies.tolist()):
            end = min(BODY_OFFSET + body, cells.shape[1])
            cells[slots[bodies == body], BODY_OFFSET:end] = BODY[: end - BODY_OFFSET]
        cells[slots, :BODY_OFFSET] = self._headers(lengths, sequence, planned_ns)

    def build(self, size: int, sequence: NDArray[np.uint64], planned_ns: NDArray[np.uint64]) -> Bytes2D:
        """Return new frames of `size` bytes each, shape (frames, size), for a caller that has no cells.

        Raises `ValueError` as `write` does; no sequence numbers give an array with no rows.
        """
        frames = np.empty((len(sequence), size), np.uint8)
        rows = np.arange(len(sequence), dtype=np.int64)
        self.write(frames, rows, np.full(len(rows), size, np.int64), sequence, planned_ns)
        return frames

    def _headers(
        self, lengths: NDArray[np.int64], sequence: NDArray[np.uint64], planned_ns: NDArray[np.uint64]
    ) -> Bytes2D:
        header = np.repeat(self._header, len(lengths))
        raw = _raw(header)
        header["sequence"], header["planned_ns"] = sequence, planned_ns
        body = lengths - BODY_OFFSET
        header["crc"] = continue_crcs(PREFIX_CRCS[body], raw[:, STAMP_OFFSET:CRC_OFFSET])
        total = lengths - ETHERNET_LENGTH
        ident = (sequence & np.uint64(0xFFFF)).astype(np.int64)
        header["total_length"], header["ident"] = total, ident
        header["ip_checksum"] = 0xFFFF - _folded(self._ip_sum + total + ident)
        udp_length = lengths - UDP_OFFSET
        payload = _word_sums(raw[:, STAMP_OFFSET:]) + PREFIX_SUMS[body]
        udp_checksum = 0xFFFF - _folded(self._udp_sum + 2 * udp_length + payload)
        header["udp_length"] = udp_length
        header["udp_checksum"] = np.where(udp_checksum == 0, 0xFFFF, udp_checksum)
        return raw


def read_stamps(cells: Bytes2D, slots: NDArray[np.int64], lengths: NDArray[np.int64]) -> Stamps:
    """Read the stamps of the frames in the rows `slots` of `cells` from their headers alone.

    `ok` covers the IPv4 header checksum and the agreement of all three lengths. A foreign frame, also one too
    short for a stamp, is told by `stamped`; cells narrower than `MIN_FRAME` and lengths that are negative or
    wider than a cell raise `ValueError`.
    """
    return _stamps(_gathered(cells, slots, lengths), lengths)


def check_frames(cells: Bytes2D, slots: NDArray[np.int64], lengths: NDArray[np.int64]) -> Stamps:
    """Read the stamps as `read_stamps` does and check every byte that the CRC covers.

    `ok` is set only where the CRC is right as well. Bodies that hold the pattern, as undamaged ones do, are
    compared with it, which tells their CRC; the CRC of any other is computed from its bytes.
    """
    header = _gathered(cells, slots, lengths)
    stamps = _stamps(header, lengths)
    (look,) = np.nonzero(stamps.ok)
    raw = _raw(header)[look]
    crcs = continue_crcs(_body_crcs(cells, slots[look], lengths[look]), raw[:, STAMP_OFFSET:CRC_OFFSET])
    stamps.ok[look] = crcs == header["crc"][look]
    return stamps


def _gathered(cells: Bytes2D, slots: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.void]:
    if cells.shape[1] < MIN_FRAME:
        raise ValueError(f"cells of {cells.shape[1]} bytes cannot hold a stamp; use at least {MIN_FRAME}")
    _require_lengths(lengths, 0, cells.shape[1])
    return np.ascontiguousarray(cells[slots, :BODY_OFFSET]).view(HEADER)[:, 0]


def _stamps(header: NDArray[np.void], lengths: NDArray[np.int64]) -> Stamps:
    stamped = (
        (lengths >= MIN_FRAME)
        & (header["ethertype"] == ETHERTYPE_IPV4)
        & (header["version_ihl"] == 0x45)
        & (header["protocol"] == PROTOCOL_UDP)
        & (header["magic"] == STAMP_MAGIC)
    )
    ok = (
        stamped
        & (header["total_length"] == lengths - ETHERNET_LENGTH)
        & (header["udp_length"] == lengths - UDP_OFFSET)
        & (_folded(_word_sums(_raw(header)[:, IP_OFFSET:UDP_OFFSET])) == 0xFFFF)
    )
    return Stamps(
        header["sequence"].astype(np.uint64),
        header["flow"].astype(np.uint32),
        header["planned_ns"].astype(np.uint64),
        stamped,
        ok,
    )


def _require_lengths(lengths: NDArray[np.int64], smallest: int, largest: int) -> None:
    wrong = (lengths < smallest) | (lengths > largest)
    if wrong.any():
        raise ValueError(f"frame length {lengths[wrong][0]} is outside {smallest}..{largest} bytes")


def _raw(header: NDArray[np.void]) -> Bytes2D:
    return header.view(np.uint8).reshape(len(header), HEADER.itemsize)


def _word_sums(raw: Bytes2D) -> NDArray[np.int64]:
    """Add up the big-endian 16-bit words of each row, as the Internet checksum does, without folding."""
    sums: NDArray[np.int64] = raw.view(">u2").sum(axis=1, dtype=np.int64)
    return sums


def _folded(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold carries back into 16 bits; two folds are enough for sums of less than 2**32."""
    once = (sums & 0xFFFF) + (sums >> 16)
    return (once & 0xFFFF) + (once >> 16)


def _body_crcs(cells: Bytes2D, slots: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    crcs = PREFIX_CRCS[lengths - BODY_OFFSET]
    for at, (slot, length) in enumerate(zip(slots.tolist(), lengths.tolist(), strict=True)):
        body = cells[slot, BODY_OFFSET:length].tobytes()
        if body != BODY_BYTES[: len(body)]:
            crcs[at] = zlib.crc32(body)
    return crcs
