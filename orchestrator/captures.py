"""Read and judge capture files: pcap and pcapng become arrays, anything damaged or foreign is named."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from nodes.formats.captured import CapturedFrames
from orchestrator.capture_formats import (
    COPY_AGAIN,
    ETHERNET,
    PCAP_MAGICS,
    SECTION_MAGIC,
    CaptureError,
    CaptureInterface,
    Reading,
    read_pcap,
    read_pcapng,
)

__all__ = ["Capture", "CaptureError", "CaptureInterface", "read_capture"]

DEFAULT_LIMIT: Final = 64 << 20
"""The greatest file read unless told otherwise: python-pcapng decodes about 30,000 packets in a second."""

_FOREIGN = {
    b"\x1f\x8b": ("is compressed with gzip", "decompress it first (gunzip)"),
    b"\x28\xb5\x2f\xfd": ("is compressed with zstd", "decompress it first (zstd -d)"),
    b"\x04\x22\x4d\x18": ("is compressed with lz4", "decompress it first (lz4 -d)"),
    b"\xfd7zXZ": ("is compressed with xz", "decompress it first (unxz)"),
    b"PK\x03\x04": ("is a zip archive", "extract the capture from it first"),
    b"\x34\xcd\xb2\xa1": ("is a patched-libpcap capture", "rewrite it with editcap -F pcapng"),
    b"\xa1\xb2\xcd\x34": ("is a patched-libpcap capture", "rewrite it with editcap -F pcapng"),
    b"snoop\0\0\0": ("is a snoop capture", "rewrite it with editcap -F pcapng"),
}


@dataclass(frozen=True)
class Capture(CapturedFrames):
    """Hold the packets of a capture file, in the order of the file, and what it says about its interfaces."""

    link_type: int
    interfaces: tuple[CaptureInterface, ...]


def read_capture(path: Path, *, max_bytes: int = DEFAULT_LIMIT) -> Capture:
    """Read a pcap (either byte order, µs or ns) or pcapng file whole.

    Raises `CaptureError` when the file is missing, larger than `max_bytes`, not a capture, compressed,
    damaged, cut short or empty, and when a packet is not Ethernet, was snapped, or is too short or too long
    to send.
    """
    raw = _bytes_of(path, max_bytes)
    read = Reading(path, raw)
    if raw[:4] in PCAP_MAGICS:
        read_pcap(read)
    elif raw[:4] == SECTION_MAGIC:
        with warnings.catch_warnings():
            # The library declares if_tsresol without a type and warns about that itself.
            warnings.simplefilter("ignore")
            read_pcapng(read)
    else:
        raise _foreign(path, raw)
    return _capture(read)


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            cause = "is not a regular file" if path.exists() else "does not exist"
            raise CaptureError(path, cause, "name a pcap or pcapng file")
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise CaptureError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    if len(raw) > max_bytes:
        raise CaptureError(
            path, f"is larger than {max_bytes} bytes", "cut it with editcap, or raise the limit"
        )
    return raw


def _foreign(path: Path, raw: bytes) -> CaptureError:
    if not raw:
        return CaptureError(path, "is an empty file", COPY_AGAIN)
    for magic, (cause, cure) in _FOREIGN.items():
        if raw.startswith(magic):
            return CaptureError(path, cause, cure)
    start = raw[:4].hex(" ")
    return CaptureError(path, f"is not a capture (it starts with {start})", "name a pcap or pcapng file")


def _capture(read: Reading) -> Capture:
    if not read.packets:
        raise CaptureError(read.path, "holds no packets", "record some traffic")
    lengths = np.array([len(packet) for packet in read.packets], np.int64)
    return Capture(
        np.frombuffer(b"".join(read.packets), np.uint8),
        np.cumsum(lengths) - lengths,
        lengths,
        np.array(read.times_ns, np.int64),
        ETHERNET,
        tuple(read.interfaces),
    )
