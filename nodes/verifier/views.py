"""The bytes of packets that a driver looks at where they lie, and may not look at any longer than it holds them.

A view is of a copy that the driver works on; what it changed is stored when the packet leaves its hands, or when
anybody reads the packet as a vector. From then on the view is dead: it is released, so that using it raises, and the
copy is filled with POISON, so that slices and arrays made of it show nothing and what is still written through them
reaches nobody. Whether somebody does is looked at when the handler has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from sys import getrefcount

import numpy as np
from numpy.typing import NDArray

from shm.arena import Arena, Slots
from shm.handle import SLOT_MASK

POISON = 0xDE
KEPT = 1024
"""Copies looked after that a driver has kept views of; the oldest beyond these are forgotten."""
_RECENT = 64
_POISON_ROW = np.uint8(POISON)
_OWN_REFERENCES = 3
"""References to a block's bytes while nobody else has any: the block's, its rows' and that of the asking call."""

Bytes = NDArray[np.uint8]
Complain = Callable[[int, str], None]
"""Called with the handle of a packet that was touched, and how."""


@dataclass(eq=False)
class _Copy:
    """The copy of one cell; `before` is what is stored there.

    `views` are those given out, by the handle of the packet they were asked of: clones share the cells of others.
    """

    cell: int
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

    def touched(self) -> int:
        """Return the handle of the packet if the poison was written over, else 0; it is there again afterwards."""
        if self.buffer.count(POISON) == len(self.buffer):
            return 0
        self.poison()
        return self.last


@dataclass(eq=False)
class _Block:
    """The copy of columns from `left` of cells from `first`, one row for each packet of `handles`; `gone` have left."""

    first: int
    left: int
    handles: list[int]
    whole: Bytes
    rows: Bytes
    before: Bytes
    gone: NDArray[np.bool_]

    @property
    def kept(self) -> bool:
        """Return whether anything but the block itself still refers to the bytes."""
        return getrefcount(self.whole) > _OWN_REFERENCES

    @property
    def stop(self) -> int:
        """Return the cell behind the last."""
        return self.first + len(self.rows)

    def touched(self) -> int:
        """Return the handle of a packet that has left and whose poison was written over, else 0; the same for all."""
        found = np.flatnonzero(self.gone & (self.rows != _POISON_ROW).any(axis=1))
        self.rows[found] = POISON
        return self.handles[int(found[0])] if len(found) else 0


class Views:
    """The views of one node's driver; `live` says whether there is any, `kept` whether dead ones are looked after."""

    def __init__(self, arena: Arena, complain: Complain) -> None:
        self.live = False
        self.kept = False
        self._arena = arena
        self._complain = complain
        self._cells: dict[int, _Copy] = {}
        self._seen: dict[int, list[_Copy]] = {}
        self._blocks: list[_Block] = []
        self._dead: list[_Copy | _Block] = []
        self._released: list[tuple[memoryview, int]] = []

    def cell(self, handle: int, cell: int, start: int, stop: int) -> memoryview:
        """Return bytes `start` to `stop` of one cell of a packet, writable."""
        copy = self._cells.get(cell)
        if copy is None:
            self.store()
            before = self._arena.cells[cell].tobytes()
            copy = self._cells[cell] = _Copy(cell, bytearray(before), before)
            self.live = True
        if handle not in copy.views:
            copy.views[handle] = []
            self._seen.setdefault(handle & SLOT_MASK, []).append(copy)
        view = memoryview(copy.buffer)[start:stop]
        copy.views[handle].append(view)
        return view

    def block(self, handles: list[int], first: int, left: int, width: int) -> Bytes:
        """Return columns `left` to `left + width` of the packets in cells from `first` on, shape (packets, width)."""
        self.store()
        before = self._arena.cells[first : first + len(handles), left : left + width].copy()
        whole = before.reshape(-1).copy()
        gone = np.zeros(len(handles), np.bool_)
        self._blocks.append(_Block(first, left, handles, whole, whole.reshape(before.shape), before, gone))
        self.live = True
        return whole.reshape(before.shape)

    def store(self) -> None:
        """Store what was changed so far; the views go on."""
        for copy in self._cells.values():
            self._store(copy)
        for block in self._blocks:
            self._store_rows(block, ~block.gone)

    def load(self) -> None:
        """Show in the views what has been written to their packets as vectors."""
        for copy in self._cells.values():
            copy.before = self._arena.cells[copy.cell].tobytes()
            copy.buffer[:] = copy.before
        for block in self._blocks:
            here = ~block.gone
            block.before[here] = block.rows[here] = self._where(block)[here]

    def end(self, slots: Slots) -> None:
        """Store what was changed in packets that leave the driver's hands, and end the views of them."""
        for slot in slots.tolist() if self._seen else ():
            for copy in self._seen.pop(slot, ()):
                self._end(copy, slot)
        for block in list(self._blocks):
            self._end_rows(block, slots)
        self.live = bool(self._cells or self._blocks)

    def look(self) -> None:
        """Report what was written through views of packets that had left, and forget the views that are gone."""
        for dead in [*self._dead, *self._blocks]:
            if handle := dead.touched():
                self._complain(handle, "written through a view kept from before it was handed over")
        self._dead = [dead for dead in self._dead if dead.kept][-KEPT:]
        self.kept = bool(self._dead or self._blocks)

    def shown(self, view: memoryview) -> int:
        """Return the handle of the packet that a view of a cell, or a slice of one, is asked of; 0 for any other."""
        copies = (copy for copy in reversed(self._cells.values()) if copy.buffer is view.obj)
        return next((handle for copy in copies for handle in copy.views), 0)

    def ended(self, candidates: Iterable[object]) -> int:
        """Return the handle of the packet that the first of `candidates` is an ended view of, 0 if none is."""
        handles = {id(view): handle for view, handle in self._released}
        return next((handles[id(found)] for found in candidates if id(found) in handles), 0)

    def _where(self, block: _Block) -> Bytes:
        width = block.rows.shape[1]
        cells: Bytes = self._arena.cells[block.first : block.stop, block.left : block.left + width]
        return cells

    def _store(self, copy: _Copy) -> None:
        """Store the bytes that were changed, and those only: another packet may share the cell."""
        if copy.buffer == copy.before:
            return
        now = np.frombuffer(bytes(copy.buffer), np.uint8)
        changed = now != np.frombuffer(copy.before, np.uint8)
        self._arena.cells[copy.cell, changed] = now[changed]
        copy.before = now.tobytes()

    def _store_rows(self, block: _Block, which: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(which)
        now = block.rows[places]
        if now.tobytes() != block.before[places].tobytes():
            self._where(block)[places] = block.before[places] = now

    def _end_rows(self, block: _Block, slots: Slots) -> None:
        """End the rows of packets that leave, and the block with the last of them."""
        leaving = np.zeros(len(block.gone), np.bool_)
        leaving[slots[(slots >= block.first) & (slots < block.stop)] - block.first] = True
        leaving &= ~block.gone
        if not leaving.any():
            return
        self._store_rows(block, leaving)
        block.rows[leaving] = POISON
        block.gone |= leaving
        self.kept = True
        if block.gone.all():
            self._blocks.remove(block)
            self._dead.append(block)

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
        del self._cells[copy.cell]
        if copy.kept:
            copy.poison()
            self._dead.append(copy)
            self.kept = True
