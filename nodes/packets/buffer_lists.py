"""Packets of several NBs as vectors: which NBs they have, and whether these came back as they were sent.

This is for lists whose every NB has one MDL, over a cell of its own, as load generators make them. What is made
otherwise is looked at packet by packet (`duties.shape_of`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shm.arena import Arena, Pool, Slots

_TABLES = ("nb_next", "nb_mdl", "nb_offset", "nb_length", "mdl_next", "mdl_cell", "mdl_offset", "mdl_length")
Mask = NDArray[np.bool_]


def net_buffers(arena: Arena, slots: Slots) -> tuple[Slots, NDArray[np.int64]]:
    """Return the NBs of packets in order, and for each the place of its packet (i64[n] both)."""
    buffers, packet = slots, np.arange(len(slots))
    found = [(buffers, packet)]
    for _ in range(arena.slots):  # no list of NBs is longer, unless it leads in a circle
        after = arena.nb_next[buffers]
        buffers, packet = after[after != 0].astype(np.int64) - 1, packet[after != 0]
        if not len(buffers):
            break
        found.append((buffers, packet))
    buffers, packet = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(packet, kind="stable")
    return buffers[order], packet[order]


class BufferLists:
    """How the packets of one pool that have several NBs were made when they were sent."""

    def __init__(self, arena: Arena, pool: Pool) -> None:
        self.used = False
        self._arena = arena
        self._tables = [getattr(arena, name) for name in _TABLES]
        self._base, self._size = pool.base, pool.size
        self._was = np.zeros((len(_TABLES), 0), np.uint32)
        self._sent = np.zeros(0, np.uint64)

    def note(self, slots: Slots) -> tuple[Mask, int]:
        """Remember packets that are sent; return which of them could be, and the bytes of their later NBs."""
        several = self._arena.nb_next[slots] != 0
        if not several.any():
            return several, 0
        if not self.used:
            self.used = True
            self._was = np.zeros((len(_TABLES), self._size), np.uint32)
            self._sent = np.zeros(self._size, np.uint64)
        buffers, packet = net_buffers(self._arena, slots)
        several[packet[~self._plain(buffers)]] = False
        several[np.bincount(packet, minlength=len(slots)) > self._size] = False  # it leads in a circle
        kept = several[packet]
        buffers, roots = buffers[kept], slots[several]
        for was, table in zip(self._was, self._tables, strict=True):
            was[buffers - self._base] = table[buffers]
        self._sent[roots - self._base] = self._arena.handle[roots]
        lengths = self._arena.nb_length
        return several, int(lengths[buffers].sum()) - int(lengths[roots].sum())

    def changed(self, handles: NDArray[np.uint64], slots: Slots) -> Mask:
        """Forget packets that are back; return which of them have other NBs than they were sent with."""
        rows = slots - self._base
        changed = np.zeros(len(slots), np.bool_)
        (place,) = np.nonzero(self._sent[rows] == handles)
        rows = rows[place]
        self._sent[rows] = 0
        while len(rows):
            for was, table in zip(self._was, self._tables, strict=True):
                changed[place] |= table[rows + self._base] != was[rows]
            after = self._was[0][rows]
            rows, place = after[after != 0].astype(np.int64) - 1 - self._base, place[after != 0]
        return changed

    def forget(self, slots: Slots) -> None:
        """Expect no more of these packets than that they are back."""
        if self.used:
            rows = slots - self._base
            self._sent[rows[(rows >= 0) & (rows < self._size)]] = 0

    def _plain(self, buffers: Slots) -> Mask:
        """Return which NBs are of this pool and have one MDL, over their own cell."""
        arena = self._arena
        linked = arena.nb_mdl[buffers] | arena.mdl_next[buffers] | arena.mdl_cell[buffers]
        plain: Mask = (linked == 0) & (buffers >= self._base) & (buffers < self._base + self._size)
        return plain
