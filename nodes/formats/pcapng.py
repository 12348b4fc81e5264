"""Write pcapng files by the batch: the blocks of a chain's packets are laid out at once and written at once.

An Enhanced Packet Block, little-endian, as this writer makes it::

    0   4        8           12      16      20         24         28
    | 6 | length | interface | time high, low | captured | original | packet, padded to 4 | options | length |

Times are nanoseconds since 1970 (``if_tsresol`` 9). The only option is the packet id (``epb_packetid``), so
that a packet in the file can be found again in a report or a trace.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

ETHERNET = 1
"""The link type of Ethernet frames."""

_BLOCK = np.dtype(
    [
        ("type", "<u4"),
        ("length", "<u4"),
        ("interface", "<u4"),
        ("time_high", "<u4"),
        ("time_low", "<u4"),
        ("captured", "<u4"),
        ("original", "<u4"),
    ]
)
_PACKET_ID = np.dtype([("code", "<u2"), ("length", "<u2"), ("value", "<u8"), ("end", "<u4")])
_TRAILER = 4
_FEW = 8


class PcapngWriter:
    """Write packets to a pcapng file that any analyser reads.

    `target` is a path, created or overwritten, or a binary file, which stays open when the writer is closed. With
    `append` a further section begins behind what is at the path.
    `interfaces` are names, told apart by position; all share `link_type` and `snaplen`. A packet longer than
    `snaplen` is cut to it and keeps its original length in the file; 0 cuts nothing. `OSError` passes
    through.
    """

    def __init__(
        self,
        target: Path | str | BinaryIO,
        *,
        interfaces: Sequence[str] = ("ndisim",),
        link_type: int = ETHERNET,
        snaplen: int = 65535,
        append: bool = False,
    ) -> None:
        if not interfaces:
            raise ValueError("a capture needs at least one interface; name one")
        self._interfaces = len(interfaces)
        self._snaplen = snaplen
        self._owned = isinstance(target, Path | str)
        self._file = _opened(target, append) if isinstance(target, Path | str) else target
        self._file.write(_section_header() + b"".join(_interface(n, link_type, snaplen) for n in interfaces))

    def write(
        self,
        times_ns: NDArray[np.integer],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        packet_ids: NDArray[np.uint64] | None = None,
        interface: int = 0,
    ) -> None:
        """Append a batch of packets: packet i is the first ``lengths[i]`` bytes of ``rows[i]``.

        `rows` has shape (packets, at least the greatest length); `packet_ids`, when given, adds one id each.
        An empty batch writes nothing. Lengths that are negative or wider than the rows, arrays of different
        sizes and an unknown interface raise `ValueError` before anything is written.
        """
        self._require(times_ns, lengths, rows, packet_ids, interface)
        captured = np.minimum(lengths, self._snaplen) if self._snaplen else lengths
        extra = 0 if packet_ids is None else _PACKET_ID.itemsize
        padded = (captured + 3) & ~3
        sizes = _BLOCK.itemsize + padded + extra + _TRAILER
        ends = np.cumsum(sizes)
        starts = ends - sizes
        out = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
        _scatter_packets(out, starts + _BLOCK.itemsize, captured, rows)
        if packet_ids is not None:
            _scatter(out, ends - _TRAILER - extra, _packet_id_options(packet_ids))
        _scatter(out, starts, _block_headers(sizes, times_ns, captured, lengths, interface))
        _scatter(out, ends - _TRAILER, sizes.astype("<u4"))
        self._file.write(out.data)

    def write_frame(self, time_ns: int, data: bytes | bytearray | memoryview) -> None:
        """Append one packet on the first interface; raises as `write` does."""
        row = np.frombuffer(data, np.uint8).reshape(1, -1)
        self.write(np.array([time_ns], np.uint64), np.array([row.shape[1]], np.int64), row)

    def flush(self) -> None:
        """Hand everything written so far to the operating system, so that another process can read it."""
        self._file.flush()

    def close(self) -> None:
        """Write what is buffered and close the file if this writer opened it; closing twice does nothing."""
        if self._file.closed:
            return
        if self._owned:
            self._file.close()
        else:
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require(
        self,
        times_ns: NDArray[np.integer],
        lengths: NDArray[np.int64],
        rows: NDArray[np.uint8],
        packet_ids: NDArray[np.uint64] | None,
        interface: int,
    ) -> None:
        counts = {len(times_ns), len(lengths), len(rows)}
        if packet_ids is not None:
            counts.add(len(packet_ids))
        if len(counts) != 1:
            raise ValueError(
                f"arrays of different sizes {sorted(counts)} cannot describe one batch of packets"
            )
        wrong = (lengths < 0) | (lengths > rows.shape[1])
        if wrong.any():
            raise ValueError(
                f"packet length {lengths[wrong][0]} is outside 0..{rows.shape[1]}, the row's bytes"
            )
        if not 0 <= interface < self._interfaces:
            raise ValueError(
                f"interface {interface} is unknown; there are {self._interfaces}, counted from 0"
            )


def _opened(path: Path | str, append: bool) -> BinaryIO:
    return Path(path).open("ab" if append else "wb")


def _section_header() -> bytes:
    return struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)


def _interface(name: str, link_type: int, snaplen: int) -> bytes:
    text = name.encode()
    options = struct.pack("<HH", 2, len(text)) + text + bytes(-len(text) % 4)
    options += struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    length = 20 + len(options)
    head = struct.pack("<IIHHI", 1, length, link_type, 0, snaplen)
    return head + options + struct.pack("<I", length)


def _block_headers(
    sizes: NDArray[np.int64],
    times_ns: NDArray[np.integer],
    captured: NDArray[np.int64],
    original: NDArray[np.int64],
    interface: int,
) -> NDArray[np.void]:
    head = np.empty(len(sizes), _BLOCK)
    head["type"], head["interface"] = 6, interface
    head["length"], head["captured"], head["original"] = sizes, captured, original
    times = times_ns.astype(np.uint64, copy=False)
    head["time_high"], head["time_low"] = times >> np.uint64(32), times & np.uint64(0xFFFFFFFF)
    return head


def _packet_id_options(packet_ids: NDArray[np.uint64]) -> NDArray[np.void]:
    options = np.zeros(len(packet_ids), _PACKET_ID)
    options["code"], options["length"], options["value"] = 5, 8, packet_ids
    return options


def _scatter(out: NDArray[np.uint8], at: NDArray[np.int64], records: NDArray[np.generic]) -> None:
    """Copy record i to byte offset ``at[i]`` of `out`."""
    if len(records):
        windows = sliding_window_view(out, records.itemsize, writeable=True)
        windows[at] = records.view(np.uint8).reshape(len(records), records.itemsize)


def _scatter_packets(
    out: NDArray[np.uint8], at: NDArray[np.int64], lengths: NDArray[np.int64], rows: NDArray[np.uint8]
) -> None:
    """Copy the first ``lengths[i]`` bytes of row i to ``at[i]``, all packets of one length together."""
    distinct = set(lengths.tolist())
    if len(distinct) * _FEW > len(lengths):
        for row, start, length in zip(rows, at.tolist(), lengths.tolist(), strict=True):
            out[start : start + length] = row[:length]
        return
    for length in distinct - {0}:
        (same,) = np.nonzero(lengths == length)
        sliding_window_view(out, length, writeable=True)[at[same]] = rows[same, :length]
