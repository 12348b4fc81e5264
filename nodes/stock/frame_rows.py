"""Whole frames, however their packets are made: read as rows of bytes, or written over as many cells as they need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frames import MIN_FRAME, Bytes2D
from nodes.packets.chain import NblChain
from shm.arena import CELL_LENGTH, Arena, Pool
from shm.vectors import none_set


@dataclass(frozen=True)
class FrameRows:
    """Frames as bytes: frame i is ``rows[index[i], :lengths[i]]`` and belongs to packet ``packet[i]`` of its chain."""

    rows: Bytes2D
    index: NDArray[np.int64]
    lengths: NDArray[np.int64]
    packet: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def pick(self, mask: NDArray[np.bool_]) -> FrameRows:
        """Return the frames that `mask` picks."""
        return FrameRows(self.rows, self.index[mask], self.lengths[mask], self.packet[mask])

    def block(self) -> Bytes2D:
        """Return a copy of the frames, shape (frames, longest); bytes behind a shorter frame are arbitrary."""
        return self.rows[self.index, : int(self.lengths.max(initial=0))]


def frame_rows(arena: Arena, chain: NblChain) -> FrameRows:
    """Return the frames of a chain, every NB one frame, in order.

    The rows are the payload cells themselves where each packet is one frame at the start of one cell, and copies
    otherwise; they are good as long as the chain is held.
    """
    lengths = chain.length.astype(np.int64)
    slots = chain.slots
    start = arena.nb_data[slots].astype(np.int64)
    linked = arena.nb_next[slots] | arena.mdl_next[slots]
    if none_set(linked) and none_set(start % CELL_LENGTH):
        return FrameRows(arena.cells, start // CELL_LENGTH, lengths, np.arange(len(chain)))
    found = [(number, bytes(buffer.data)) for number, nbl in enumerate(chain) for buffer in nbl.net_buffers]
    lengths = np.array([len(data) for _, data in found], np.int64)
    rows = np.zeros((len(found), max(int(lengths.max(initial=0)), MIN_FRAME)), np.uint8)
    for row, (_, data) in zip(rows, found, strict=True):
        row[: len(data)] = np.frombuffer(data, np.uint8)
    packet = np.array([number for number, _ in found], np.int64)
    return FrameRows(rows, np.arange(len(found)), lengths, packet)


def cells_for(length: int) -> int:
    """Return how many cells a frame of `length` bytes takes, at least one."""
    return max(-(-length // CELL_LENGTH), 1)


def write_frame(pool: Pool, packet: NblChain, data: NDArray[np.uint8]) -> None:
    """Write a frame into a chain of one fresh packet, which was allocated with ``min(length, CELL_LENGTH)`` bytes.

    What exceeds its cell goes into further MDLs. Raises ValueError when the pool has too few slots for them.
    """
    later = range(CELL_LENGTH, len(data), CELL_LENGTH)
    pool.extend(
        int(packet.handles[0]), [len(data[at : at + CELL_LENGTH]) for at in later], as_net_buffers=False
    )
    done = 0
    for view in next(packet[0].net_buffers).pieces:
        view[:] = data[done : done + len(view)].data
        done += len(view)
