"""The bytes of packets that a driver looks at where they lie, and may not look at any longer than it holds them.

A view is of a copy that the driver works on; what it changed is stored when the packet leaves its hands, or when
anybody reads the packet as a vector. From then on the view is dead: it is released, so that using it raises, and the
copy is filled with POISON, so that slices and arrays made of it show nothing and what is still written through them
reaches nobody. Whether somebody does is looked at when the handler has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shm.arena import CELL_LENGTH, Arena, Slots
from shm.handle import SLOT_MASK

POISON = 0xDE
KEPT = 1024
"""Copies looked after that a driver has kept views of; the oldest beyond these are forgotten."""
_RECENT = 64

Bytes = NDArray[np.uint8]
Complain = Callable[[int, str], None]
"""Called with the handle of a packet that was touched, and how."""


@dataclass
class _Copy:
    """The copy of some cells: `first` to `stop`, columns from `left`; `before` is what is stored in them.

    `views` are those given out, by the handle of the packet they were asked of: clones share the cells of others.
    """

    first: int
    stop: int
    left: int
    width: int
    buffer: bytearray
    before: bytes
    views: dict[int, list[memoryview]] = field(default_factory=dict)
    last: int = 0

    @property
    def kept(self) -> bool:
        """Return whether anything still refers to the bytes."""
        try:
            self.buffer.append(0)
        except BufferError:
            return True
        self.buffer.pop()
        return False

    def poison(self) -> None:
        """Overwrite the bytes with POISON."""
        self.buffer[:] = bytes([POISON]) * len(self.buffer)


class Views:
    """The views of one node's driver; `live` says whether there is any, `kept` whether dead ones are looked after."""

    def __init__(self, arena: Arena, complain: Complain) -> None:
        self.live = False
        self.kept = False
        self._arena = arena
        self._complain = complain
        self._cells: dict[int, _Copy] = {}
        self._blocks: list[_Copy] = []
        self._seen: dict[int, list[_Copy]] = {}
        self._dead: list[_Copy] = []
        self._released: list[tuple[memoryview, int]] = []

    def cell(self, handle: int, cell: int, start: int, stop: int) -> memoryview:
        """Return bytes `start` to `stop` of one cell of a packet, writable."""
        copy = self._cells.get(cell)
        if copy is None:
            self.store()
            copy = self._cells[cell] = self._copy(cell, cell + 1, 0, CELL_LENGTH)
        if handle not in copy.views:
            copy.views[handle] = []
            self._seen.setdefault(handle & SLOT_MASK, []).append(copy)
        view = memoryview(copy.buffer)[start:stop]
        copy.views[handle].append(view)
        return view

    def block(self, handle: int, first: int, count: int, left: int, width: int) -> Bytes:
        """Return columns `left` to `left + width` of `count` cells from `first`, writable, shape (count, width).

        It ends when the first of its packets leaves the driver's hands.
        """
        self.store()
        copy = self._copy(first, first + count, left, width)
        copy.views[handle] = []
        self._blocks.append(copy)
        return np.frombuffer(copy.buffer, np.uint8).reshape(count, width)

    def store(self) -> None:
        """Store what was changed so far; the views go on."""
        for copy in self._live():
            self._store(copy)

    def load(self) -> None:
        """Show in the views what has been written to their packets as vectors."""
        for copy in self._live():
            copy.before = self._where(copy).tobytes()
            copy.buffer[:] = copy.before

    def end(self, slots: Slots) -> None:
        """Store what was changed in packets that leave the driver's hands, and end the views of them."""
        for slot in slots.tolist() if self._seen else ():
            for copy in self._seen.pop(slot, ()):
                self._end(copy, slot)
        if self._blocks:
            low, high = int(slots.min(initial=SLOT_MASK)), int(slots.max(initial=0))
            for copy in [copy for copy in self._blocks if low < copy.stop and high >= copy.first]:
                self._blocks.remove(copy)
                self._end(copy, next(iter(copy.views)) & SLOT_MASK)
        self.live = bool(self._cells or self._blocks)

    def look(self) -> None:
        """Report what was written through views of packets that had left, and forget the views that are gone."""
        still = []
        for copy in self._dead:
            if copy.buffer.count(POISON) != len(copy.buffer):
                self._complain(copy.last, "written through a view kept from before it was handed over")
                copy.poison()
            if copy.kept:
                still.append(copy)
        self._dead = still[-KEPT:]
        self.kept = bool(self._dead)

    def ended(self, candidates: Iterable[object]) -> int:
        """Return the handle of the packet that the first of `candidates` is an ended view of, 0 if none is."""
        handles = {id(view): handle for view, handle in self._released}
        return next((handles[id(found)] for found in candidates if id(found) in handles), 0)

    def shown(self, view: memoryview) -> int:
        """Return the handle of the packet that a view of a cell, or a slice of one, is asked of; 0 for any other."""
        copies = (copy for copy in reversed(self._cells.values()) if copy.buffer is view.obj)
        return next((handle for copy in copies for handle in copy.views), 0)

    def _copy(self, first: int, stop: int, left: int, width: int) -> _Copy:
        before = self._arena.cells[first:stop, left : left + width].tobytes()
        self.live = True
        return _Copy(first, stop, left, width, bytearray(before), before)

    def _where(self, copy: _Copy) -> Bytes:
        cells: Bytes = self._arena.cells[copy.first : copy.stop, copy.left : copy.left + copy.width]
        return cells

    def _live(self) -> Iterator[_Copy]:
        yield from self._blocks
        yield from self._cells.values()

    def _store(self, copy: _Copy) -> None:
        """Store the bytes that were changed, and those only: another packet may share the cell."""
        if copy.buffer == copy.before:
            return
        there = self._where(copy)
        now = np.frombuffer(bytes(copy.buffer), np.uint8).reshape(there.shape)
        changed = now != np.frombuffer(copy.before, np.uint8).reshape(there.shape)
        there[changed] = now[changed]
        copy.before = now.tobytes()

    def _end(self, copy: _Copy, slot: int) -> None:
        """Release the views that were asked of one packet, and the copy with the last of them."""
        self._store(copy)
        for handle in [handle for handle in copy.views if handle & SLOT_MASK == slot]:
            copy.last = handle
            for view in copy.views.pop(handle):
                with suppress(BufferError):  # an array made of it is looked after below
                    view.release()
                self._released.append((view, handle))
        del self._released[:-_RECENT]
        if copy.views:
            return
        if self._cells.get(copy.first) is copy:
            del self._cells[copy.first]
        if copy.kept:
            copy.poison()
            self._dead.append(copy)
            self.kept = True
