"""One packet looked at by itself: NET_BUFFER_LIST, its NET_BUFFERs, their MDLs.

Every access is checked against the node's custody, as for chains.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nodes.custody import Custody


class Mdl:
    """A memory descriptor: a stretch of bytes in one payload cell."""

    __slots__ = ("_custody", "_nbl", "slot")

    def __init__(self, slot: int, nbl: Nbl, custody: Custody) -> None:
        self.slot = slot
        self._nbl = nbl
        self._custody = custody

    @property
    def byte_count(self) -> int:
        """Return how many bytes the MDL describes."""
        return int(self._custody.arena.mdl_length[self.slot])

    @property
    def cell(self) -> int:
        """Return the payload cell the bytes lie in."""
        return int(self._custody.arena.mdl_cell[self.slot] or self.slot + 1) - 1

    @property
    def view(self) -> memoryview:
        """Return the bytes where they lie, writable; using it after hand-over is a violation."""
        self._nbl.check()
        arena = self._custody.arena
        start = int(arena.mdl_offset[self.slot])
        return memoryview(arena.cells[self.cell])[start : start + self.byte_count]


class NetBuffer:
    """A NET_BUFFER: the data of one frame, over a chain of MDLs."""

    __slots__ = ("_custody", "_nbl", "slot")

    def __init__(self, slot: int, nbl: Nbl, custody: Custody) -> None:
        self.slot = slot
        self._nbl = nbl
        self._custody = custody

    @property
    def data_length(self) -> int:
        """Return the length of the data in bytes."""
        return int(self._custody.arena.nb_length[self.slot])

    @property
    def data_offset(self) -> int:
        """Return where the data starts in the MDL chain, in bytes."""
        return int(self._custody.arena.nb_offset[self.slot])

    @property
    def mdls(self) -> Iterator[Mdl]:
        """Walk the MDL chain."""
        arena = self._custody.arena
        slot = int(arena.nb_mdl[self.slot] or self.slot + 1) - 1
        while slot >= 0:
            yield Mdl(slot, self._nbl, self._custody)
            slot = int(arena.mdl_next[slot]) - 1

    @property
    def pieces(self) -> Iterator[memoryview]:
        """Walk the data where it lies, one writable view for each MDL that holds some of it."""
        skip, left = self.data_offset, self.data_length
        for mdl in self.mdls:
            view = mdl.view[skip : skip + left]
            skip = max(skip - mdl.byte_count, 0)
            left -= len(view)
            if len(view):
                yield view
            if not left:
                return

    @property
    def data(self) -> memoryview | bytes:
        """Return the data: a view where it lies if it is in one MDL, else a copy in one piece."""
        pieces = list(self.pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Nbl:
    """One NET_BUFFER_LIST."""

    __slots__ = ("_custody", "handle", "slot")

    def __init__(self, handle: int, slot: int, custody: Custody) -> None:
        self.handle = handle
        self.slot = slot
        self._custody = custody

    def check(self) -> None:
        """Report a violation if this node does not hold the packet (N6-SEND-03)."""
        self._custody.check(np.array([self.handle], np.uint64), np.array([self.slot]))

    @property
    def status(self) -> int:
        """Return the Status field."""
        self.check()
        return int(self._custody.arena.status[self.slot])

    @status.setter
    def status(self, value: int) -> None:
        self.check()
        self._custody.arena.status[self.slot] = value

    @property
    def packet_id(self) -> int:
        """Return the id that names the packet in traces and captures."""
        return int(self._custody.arena.packet_id[self.slot])

    @property
    def net_buffers(self) -> Iterator[NetBuffer]:
        """Walk the NBs in order (N6-SEND-08)."""
        self.check()
        slot = self.slot
        while slot >= 0:
            yield NetBuffer(slot, self, self._custody)
            slot = int(self._custody.arena.nb_next[slot]) - 1

    @property
    def data(self) -> memoryview | bytes:
        """Return the data of the first NB."""
        return next(self.net_buffers).data
