"""The two capture formats, record by record: where each packet starts, and what makes it unusable.

Framing (where each record starts and ends) is checked here before anything is decoded, so that damage is
reported with its packet number and byte offset and no length field is ever believed. What is inside a pcapng
block is decoded by python-pcapng. Only Ethernet frames that were captured whole can be replayed.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pcapng import FileScanner, blocks
from pcapng.exceptions import PcapngException

ETHERNET: Final = 1
MAX_PACKET: Final = 65535
MIN_PACKET: Final = 14
"""A frame shorter than its Ethernet header cannot be sent."""
COPY_AGAIN: Final = "copy or record the file again"

_LINK_TYPES = {
    0: "BSD loopback",
    101: "raw IP",
    105: "IEEE 802.11",
    113: "Linux cooked",
    127: "802.11 radiotap",
    276: "Linux cooked v2",
}
PCAP_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""Byte order and nanoseconds in a tick of the time stamps, by the first four bytes of a pcap file."""
SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION = 0x0A0D0D0A
_DECODED = {
    cls.magic_number
    for cls in (
        blocks.SectionHeader,
        blocks.InterfaceDescription,
        blocks.EnhancedPacket,
        blocks.SimplePacket,
        blocks.ObsoletePacket,
    )
}
_DECODE_ERRORS = (
    PcapngException,
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
)
_LIBPCAP_LIMIT = 262144


class CaptureError(ValueError):
    """Say why a capture cannot be used: `path`, cause and cure, and where in the file if it is in one place.

    `packet` counts from 1, `offset` is in bytes from the start of the file; both are None where they do not
    apply.
    """

    def __init__(
        self, path: Path, cause: str, cure: str, *, packet: int | None = None, offset: int | None = None
    ) -> None:
        self.path, self.cause, self.cure = path, cause, cure
        self.packet, self.offset = packet, offset
        place = "" if packet is None else f"packet {packet}"
        if offset is not None:
            place += f"{' ' if place else ''}at byte offset {offset}"
        super().__init__(": ".join(part for part in (str(path), place, f"{cause}; {cure}") if part))


@dataclass(frozen=True)
class CaptureInterface:
    """Describe an interface that a capture was made on; `snaplen` 0 is no limit, `name` may be empty."""

    name: str
    link_type: int
    snaplen: int


@dataclass
class Reading:
    """Collect the packets of one file and refuse those that cannot be replayed."""

    path: Path
    raw: bytes
    packets: list[bytes] = field(default_factory=list)
    times_ns: list[int] = field(default_factory=list)
    interfaces: list[CaptureInterface] = field(default_factory=list)

    def damage(self, offset: int, cause: str, cure: str = COPY_AGAIN, *, packet: bool = True) -> CaptureError:
        """Make the error for damage at a byte offset, in the next packet unless `packet` is false."""
        number = len(self.packets) + 1 if packet else None
        return CaptureError(self.path, cause, cure, packet=number, offset=offset)

    def cut_short(self, offset: int, needed: int) -> CaptureError:
        """Make the error for a record at `offset` that needs more bytes than the file has left."""
        left = len(self.raw) - offset
        return self.damage(offset, f"the file is cut short: {needed} bytes are needed here, {left} are left")

    def add(
        self, offset: int, interface: CaptureInterface, time_ns: int, original: int, packet: bytes
    ) -> None:
        """Take a packet whose record starts at `offset`, or raise the reason why it cannot be replayed."""
        if interface.link_type != ETHERNET:
            name = _LINK_TYPES.get(interface.link_type, "unknown to ndisim")
            cause = f"has link type {interface.link_type} ({name}), only Ethernet (1) can be replayed"
            raise self.damage(offset, cause, "record on an Ethernet interface")
        if len(packet) < original:
            cause = f"was snapped to {len(packet)} of {original} bytes"
            raise self.damage(offset, cause, "record with an unlimited snap length (-s 0)")
        if len(packet) > original:
            raise self.damage(offset, f"claims {len(packet)} captured of {original} original bytes")
        if not MIN_PACKET <= len(packet) <= MAX_PACKET:
            cause = f"is {len(packet)} bytes long, outside {MIN_PACKET}..{MAX_PACKET}"
            raise self.damage(offset, cause, "record with segmentation offload turned off")
        if not 0 <= time_ns < 1 << 63:
            raise self.damage(offset, f"has the impossible time {time_ns} ns")
        self.packets.append(packet)
        self.times_ns.append(time_ns)


def read_pcap(read: Reading) -> None:
    """Collect the packets of a classic pcap file, known by its magic, or raise `CaptureError`."""
    raw = read.raw
    order, tick_ns = PCAP_MAGICS[raw[:4]]
    if len(raw) < 24:
        raise CaptureError(read.path, f"is cut short within its header ({len(raw)} of 24 bytes)", COPY_AGAIN)
    major, minor, _, _, snaplen, link_type = struct.unpack_from(order + "HHiIII", raw, 4)
    if major != 2:
        raise CaptureError(read.path, f"has pcap version {major}.{minor}, not 2.4", COPY_AGAIN, offset=4)
    interface = CaptureInterface("", link_type, snaplen)
    read.interfaces.append(interface)
    record = struct.Struct(order + "IIII")
    at = 24
    while at < len(raw):
        if at + 16 > len(raw):
            raise read.cut_short(at, 16)
        seconds, ticks, captured, original = record.unpack_from(raw, at)
        if captured > (snaplen or _LIBPCAP_LIMIT):
            cause = f"claims {captured} bytes, more than the snap length of {snaplen or _LIBPCAP_LIMIT}"
            raise read.damage(at, cause)
        if ticks * tick_ns >= 1_000_000_000:
            raise read.damage(at, f"has the impossible time {seconds} s and {ticks * tick_ns} ns")
        if at + 16 + captured > len(raw):
            raise read.cut_short(at, 16 + captured)
        time_ns = seconds * 1_000_000_000 + ticks * tick_ns
        read.add(at, interface, time_ns, original, raw[at + 16 : at + 16 + captured])
        at += 16 + captured


@dataclass(frozen=True)
class _Clock:
    """Convert the times of a pcapng interface, in integers: a float would lose nanoseconds."""

    ticks_per_second: int
    offset_ns: int

    @classmethod
    def of(cls, options: Any) -> _Clock:
        """Read resolution and offset; an empty resolution raises `IndexError`."""
        resolution: int = options.get("if_tsresol", b"\x06")[0]
        base = 2 if resolution & 0x80 else 10
        return cls(base ** (resolution & 0x7F), options.get("if_tsoffset", 0) * 1_000_000_000)

    def nanoseconds(self, ticks: int) -> int:
        return ticks * 1_000_000_000 // self.ticks_per_second + self.offset_ns


def read_pcapng(read: Reading) -> None:
    """Collect the packets of a pcapng file, section by section, or raise `CaptureError`.

    Blocks other than sections, interfaces and packets are stepped over.
    """
    section: list[tuple[CaptureInterface, _Clock]] = []
    for offset, block in _pcapng_blocks(read):
        if isinstance(block, blocks.SectionHeader):
            if block.version_major != 1:
                cause = f"has pcapng version {block.version_major}.{block.version_minor}, not 1.0"
                raise read.damage(offset, cause, packet=False)
            section = []
        elif isinstance(block, blocks.InterfaceDescription):
            section.append(_described(read, offset, block))
        else:
            _take_packet(read, offset, block, section)


def _described(read: Reading, offset: int, block: Any) -> tuple[CaptureInterface, _Clock]:
    try:
        clock = _Clock.of(block.options)
    except IndexError as error:
        raise read.damage(offset, "the interface has an empty time resolution", packet=False) from error
    interface = CaptureInterface(block.options.get("if_name", ""), block.link_type, block.snaplen)
    read.interfaces.append(interface)
    return interface, clock


def _take_packet(
    read: Reading, offset: int, block: Any, section: list[tuple[CaptureInterface, _Clock]]
) -> None:
    if isinstance(block, blocks.SimplePacket):
        cause, cure = "has no time (a Simple Packet Block)", "rewrite the file with editcap -F pcap"
        raise read.damage(offset, cause, cure)
    if block.interface_id >= len(section):
        raise read.damage(offset, f"names interface {block.interface_id}, which the file does not describe")
    interface, clock = section[block.interface_id]
    if interface.snaplen and block.captured_len > interface.snaplen:
        cause = f"claims {block.captured_len} bytes, more than the snap length of {interface.snaplen}"
        raise read.damage(offset, cause)
    ticks = (block.timestamp_high << 32) + block.timestamp_low
    read.add(offset, interface, clock.nanoseconds(ticks), block.packet_len, block.packet_data)


def _pcapng_blocks(read: Reading) -> Iterator[tuple[int, Any]]:
    """Walk over the blocks, decoding those that matter here; yield each with its byte offset."""
    raw, stream = read.raw, io.BytesIO(read.raw)
    scanner = iter(FileScanner(stream))
    order, at = "<", 0
    while at < len(raw):
        if raw[at : at + 4] == SECTION_MAGIC:
            if raw[at + 8 : at + 12] not in _BYTE_ORDERS:
                raise read.damage(at, "the section header has no byte-order mark", packet=False)
            order = _BYTE_ORDERS[raw[at + 8 : at + 12]]
        kind, length = _framed(read, at, order)
        if kind in _DECODED:
            stream.seek(at)
            yield at, _decoded(read, scanner, at)
        at += length


def _framed(read: Reading, at: int, order: str) -> tuple[int, int]:
    """Return type and length of the block at `at` once both of its length fields and its end are sound."""
    if at + 12 > len(read.raw):
        raise read.cut_short(at, 12)
    kind, length = struct.unpack_from(order + "II", read.raw, at)
    if length < (28 if kind == _SECTION else 12) or length % 4:
        raise read.damage(at, f"the block claims the impossible length {length}")
    if at + length > len(read.raw):
        raise read.cut_short(at, length)
    (again,) = struct.unpack_from(order + "I", read.raw, at + length - 4)
    if again != length:
        raise read.damage(at, f"the block's two lengths differ: {length} and {again}")
    return kind, length


def _decoded(read: Reading, scanner: Iterator[Any], at: int) -> Any:
    try:
        return next(scanner)
    except StopIteration:
        raise read.damage(at, "the block ends before its content does") from None
    except _DECODE_ERRORS as error:
        raise read.damage(at, f"the block cannot be decoded ({error})") from error
