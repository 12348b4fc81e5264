"""Ethernet frames cut into the pieces that travel in WAN packets, by the vector.

A piece of a frame is | protocol and bridge prefix, on the first only | body |; in front of it goes the PPP header,
and with multilink the fragment's header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frames import ETHERNET_LENGTH
from nodes.stock.frame_rows import FrameRows
from nodes.wan import ppp
from nodes.wan.multilink import SequenceFormat, headers
from shm.arena import Arena, Slots

MULTILINK_HEADER = ppp.ADDRESS_CONTROL + ppp.PppProtocol.MULTILINK.to_bytes(2, "big")
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Pieces in the order of sending; all arrays have one entry a piece.

    `upper` is the slot of the packet from above, `source` where the body starts in `flat`, `body` and `prefix` count
    bytes, of which the latter stand in `prefix_rows`.
    """

    flat: NDArray[np.uint8]
    upper: Slots
    source: Ints
    body: Ints
    prefix: Ints
    prefix_rows: NDArray[np.uint8]
    begin: NDArray[np.bool_]
    end: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.upper)

    @property
    def lengths(self) -> Ints:
        """Return the bytes of each piece, headers not counted."""
        return self.body + self.prefix

    def pick(self, which: slice | NDArray[np.bool_]) -> Pieces:
        """Return the pieces that a slice or a mask picks."""
        names = ("upper", "source", "body", "prefix", "prefix_rows", "begin", "end")
        return replace(self, **{name: getattr(self, name)[which] for name in names})


def cut(frames: FrameRows, upper: Slots, limit: int, *, bridge: bool = False) -> Pieces:
    """Cut frames into pieces of at most `limit` bytes, prefix included, every frame into at least one.

    `upper` holds the slot of each frame's packet. Raises ValueError for a limit that has no room for a prefix.
    """
    if limit <= ppp.LONGEST_PREFIX:
        raise ValueError(f"pieces of {limit} bytes have no room for a prefix of {ppp.LONGEST_PREFIX}")
    carried = ppp.prefixes(ethernet_types(frames), bridge=bridge)
    whole = carried.lengths + frames.lengths - carried.skipped
    counts = np.maximum(-(-whole // limit), 1)
    frame = np.repeat(np.arange(len(frames)), counts)
    number = np.arange(len(frame)) - np.repeat(np.cumsum(counts) - counts, counts)
    begin = number == 0
    start = number * limit
    length = np.minimum(whole[frame] - start, limit)
    prefix = np.where(begin, carried.lengths[frame], 0)
    skipped = (frames.index * frames.rows.shape[1] + carried.skipped)[frame]
    return Pieces(
        flat=frames.rows.reshape(-1),
        upper=upper[frame],
        source=skipped + np.where(begin, 0, start - carried.lengths[frame]),
        body=length - prefix,
        prefix=prefix,
        prefix_rows=carried.rows[frame],
        begin=begin,
        end=number == counts[frame] - 1,
    )


def ethernet_types(frames: FrameRows) -> NDArray[np.uint16]:
    """Return the type of each Ethernet frame, 0 for those too short to have one."""
    types = np.zeros(len(frames), np.uint16)
    long = frames.lengths >= ETHERNET_LENGTH
    index, at = frames.index[long], ppp.ETHERTYPE_OFFSET
    types[long] = frames.rows[index, at].astype(np.uint16) << 8 | frames.rows[index, at + 1]
    return types


def framing(pieces: Pieces, sequence: int, form: SequenceFormat | None) -> NDArray[np.uint8]:
    """Return what stands in front of each piece, shape (n, header bytes), numbered from `sequence`.

    Without a `form` the frames are no multilink fragments but whole PPP packets.
    """
    if form is None:
        return np.tile(np.frombuffer(ppp.ADDRESS_CONTROL, np.uint8), (len(pieces), 1))
    numbers = np.arange(sequence, sequence + len(pieces), dtype=np.int64)
    fixed = np.tile(np.frombuffer(MULTILINK_HEADER, np.uint8), (len(pieces), 1))
    return np.hstack([fixed, headers(pieces.begin, pieces.end, numbers, form)])


def write(pieces: Pieces, header: NDArray[np.uint8], arena: Arena, slots: Slots, offset: int) -> None:
    """Write header, prefix and body of each piece into the cells of `slots`, from byte `offset` on."""
    behind = offset + header.shape[1]
    arena.cells[slots, offset:behind] = header
    for length in np.unique(pieces.prefix[pieces.begin]).tolist():
        mask = pieces.prefix == length
        arena.cells[slots[mask], behind : behind + length] = pieces.prefix_rows[mask, :length]
    target = slots * arena.cells.shape[1] + behind + pieces.prefix
    for length in np.unique(pieces.body[pieces.body > 0]).tolist():
        mask = pieces.body == length
        arena.bytes_of(length)[target[mask]] = _items(pieces.flat, length)[pieces.source[mask]]


def _items(flat: NDArray[np.uint8], length: int) -> NDArray[Any]:
    """Return all stretches of `length` bytes, item i starting at byte i."""
    return np.ndarray((len(flat) - length + 1,), f"V{length}", flat.data, 0, (1,))
