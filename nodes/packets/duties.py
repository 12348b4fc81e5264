"""What a node must have done before it lets a packet go: changes undone, children back, context released.

Most packets never get an entry here; custody asks only while `owed` is true, so plain traffic pays for one test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.packets.data_start import seat
from shm.arena import SALVAGED, Arena, Pool
from shm.handle import POOL_SHIFT, SLOT_MASK, unpack

U64 = NDArray[np.uint64]
FREED, SENT, INDICATED, BACK = 0, 2, 3, 5
"""Ledger states with which a packet leaves a node."""

Shape = tuple[tuple[int, int, int, tuple[tuple[int, int, int, int], ...]], ...]
"""NBs in order: slot, data offset, data length, and the MDLs of each: slot, cell, offset, length."""


class _Change(NamedTuple):
    handle: int
    rule: str
    shape: Shape


def shape_of(arena: Arena, slot: int) -> Shape:
    """Return how the packet at `slot` is made; a list that leads in a circle is followed once around (N6-NBL-01)."""
    buffers = []
    seen: set[int] = set()
    while slot >= 0 and slot not in seen:
        seen.add(slot)
        mdls = tuple(_mdls(arena, int(arena.nb_mdl[slot] or slot + 1) - 1))
        buffers.append((slot, int(arena.nb_offset[slot]), int(arena.nb_length[slot]), mdls))
        slot = int(arena.nb_next[slot]) - 1
    return tuple(buffers)


def _mdls(arena: Arena, slot: int) -> list[tuple[int, int, int, int]]:
    found: dict[int, tuple[int, int, int, int]] = {}
    while slot >= 0 and slot not in found:
        cell = int(arena.mdl_cell[slot] or slot + 1) - 1
        found[slot] = (slot, cell, int(arena.mdl_offset[slot]), int(arena.mdl_length[slot]))
        slot = int(arena.mdl_next[slot]) - 1
    return list(found.values())


def put_back(arena: Arena, shape: Shape) -> None:
    """Make a packet as it was when `shape_of` was asked for it."""
    for (slot, offset, length, mdls), after in zip(shape, [*shape[1:], None], strict=True):
        arena.nb_next[slot] = after[0] + 1 if after else 0
        arena.nb_offset[slot], arena.nb_length[slot] = offset, length
        arena.nb_mdl[slot] = mdls[0][0] + 1 if mdls[0][0] != slot else 0
        for (mdl, cell, start, count), behind in zip(mdls, [*mdls[1:], None], strict=True):
            arena.mdl_next[mdl] = behind[0] + 1 if behind else 0
            arena.mdl_cell[mdl] = cell + 1 if cell != mdl else 0
            arena.mdl_offset[mdl], arena.mdl_length[mdl] = start, count
        seat(arena, slot)


class Duties:
    """The open duties of one node, by packet.

    `node` is its number, by which its own packets are told from others'; `early` the rule that is broken by giving a
    packet back while children of it are out, `altered` that by giving it back with other NBs; `loops` are sends that
    came with CHECK_FOR_LOOPBACK (N6-FLT-06), `pool` the node's own.
    """

    def __init__(self, arena: Arena, complain: Callable[[str, int, str], None], held: U64) -> None:
        self.owed = False
        self.node = -1
        self.early = "N6-NBL-07"
        self.altered = "N6-SEND-13"
        self.loops: set[int] = set()
        self.pool: Pool | None = None
        self._arena = arena
        self._complain = complain
        self._held = held
        self._changes: dict[int, _Change] = {}
        self._children: dict[int, set[int]] = {}
        self._parents: dict[int, list[int]] = {}
        self._scratch: dict[int, int] = {}
        self._contexts: dict[int, bytearray] = {}
        self._reserved: set[int] = set()
        self._separate: dict[int, set[int]] = {}

    def owns(self, handle: int) -> bool:
        """Return whether this node allocated the packet."""
        return unpack(handle).pool == self.node

    def foreign(self, handles: U64) -> NDArray[np.bool_]:
        """Return which of the packets another node allocated (bool[n]); none of them before the node is known."""
        if self.node < 0:
            return np.zeros(len(handles), np.bool_)
        mask: NDArray[np.bool_] = (handles >> np.uint64(POOL_SHIFT) & np.uint64(0xFFF)) != self.node
        return mask

    def note_change(self, handle: int, rule: str) -> None:
        """Remember how another's packet is made before it is altered; giving it back otherwise breaks `rule`."""
        slot = handle & SLOT_MASK
        known = self._changes.get(slot)
        if self.node >= 0 and not self.owns(handle) and (known is None or known.handle != handle):
            self._changes[slot] = _Change(handle, rule, shape_of(self._arena, slot))
            self.owed = True

    def forget_changes(self, handles: U64) -> None:
        """Forget how packets were made that have been put right."""
        for slot in (handles & np.uint64(SLOT_MASK)).tolist():
            self._changes.pop(slot, None)

    def came_as(self, handle: int) -> Shape | None:
        """Return how another's packet was made before it was altered here, None if it has not been."""
        known = self._changes.get(handle & SLOT_MASK)
        return known.shape if known is not None and known.handle == handle else None

    def derive(self, child: int, parents: list[int]) -> None:
        """Note that a packet shares the data of others, its parents (N6-NBL-05, N6-NBL-07)."""
        for parent in parents:
            self._children.setdefault(parent, set()).add(child)
        self._parents[child] = parents
        self.owed = True

    def has_children(self, handle: int) -> bool:
        """Return whether packets derived from this one live."""
        return handle in self._children

    def scratch(self, handle: int) -> int:
        """Return the packet's Scratch value, 0 if none was set since it came (N6-NBL-02)."""
        return self._scratch.get(handle, 0)

    def set_scratch(self, handle: int, value: int) -> None:
        """Set the packet's Scratch value, which is lost when it leaves (N6-NBL-02)."""
        self._scratch[handle] = value
        self.owed = True

    def context(self, handle: int) -> bytearray | None:
        """Return the packet's context space, None if it has none."""
        return self._contexts.get(handle)

    def add_context(self, handle: int, size: int, *, reserved: bool) -> None:
        """Give a packet context space: `reserved` from the start, or extra that is freed first (N6-NBL-10)."""
        self._contexts[handle] = bytearray(size)
        if reserved:
            self._reserved.add(handle)
        self.owed = True

    def drop_context(self, handle: int) -> None:
        """Release extra context space; reserved or missing space is a violation of N6-NBL-10."""
        if handle in self._reserved or handle not in self._contexts:
            what = "reserved at allocation" if handle in self._reserved else "missing"
            self._complain(
                "N6-NBL-10", handle, f"context of packet {handle:#018x} was freed, but it is {what}"
            )
            return
        del self._contexts[handle]

    def add_buffer(self, handle: int, slot: int) -> None:
        """Note an NB that was allocated by itself for a packet (N6-NBL-11)."""
        self._separate.setdefault(handle, set()).add(slot)
        self.owed = True

    def drop_buffer(self, handle: int, slot: int) -> bool:
        """Forget such an NB; return False, after a complaint, if it came with its NBL (N6-NBL-11)."""
        if slot not in self._separate.get(handle, ()):
            self._complain(
                "N6-NBL-11", handle, f"an NB that came with packet {handle:#018x} was freed singly"
            )
            return False
        self._separate[handle].discard(slot)
        return True

    def leaving(self, handles: U64, state: int) -> None:
        """Check packets that leave the node with this ledger state; what is still owed for one is reported."""
        for handle in handles.tolist():
            self._scratch.pop(handle, None)
            if handle in self._children:
                self._check_children(handle, state)
            if state == BACK:
                self._check_change(handle)
            elif state == FREED:
                self._check_freed(handle)
        self.owed = bool(self._changes or self._children or self._scratch or self._contexts or self._separate)

    def _check_children(self, handle: int, state: int) -> None:
        alive = self._children[handle]
        out = {child for child in alive if int(self._held[child & SLOT_MASK]) != child}
        if state == BACK and out:
            self._complain(
                self.early,
                handle,
                f"packet {handle:#018x} was given back while {len(out)} derived from it are out",
            )
        elif state in (SENT, INDICATED, FREED):
            act = "freed" if state == FREED else "passed on"
            self._complain(
                "N6-NBL-05",
                handle,
                f"packet {handle:#018x} was {act} while {len(alive)} derived from it live",
            )
        if state in (BACK, FREED):
            del self._children[handle]

    def _check_change(self, handle: int) -> None:
        slot = handle & SLOT_MASK
        change = self._changes.get(slot)
        if change is None:
            return
        del self._changes[slot]
        found = shape_of(self._arena, slot)
        salvaged = self._arena.fate[slot] == SALVAGED  # by whom it was changed last, nobody knows
        if change.handle == handle and not salvaged and change.shape != found:
            self._complain(
                change.rule,
                handle,
                f"packet {handle:#018x} was given back with its buffers other than it came",
            )
            self._undo(slot, change.shape, found)

    def _undo(self, slot: int, shape: Shape, found: Shape) -> None:
        """Put a packet's buffers back, so that no one else is hurt, and free MDLs that were added here."""
        put_back(self._arena, shape)
        pieces = {piece for *_, mdls in found for mdl, cell, _, _ in mdls for piece in (mdl, cell)}
        for piece in pieces:
            if self.pool is not None and self.pool.has_piece(slot, piece):
                self.pool.drop_piece(slot, piece)

    def _check_freed(self, handle: int) -> None:
        if handle in self._contexts and handle not in self._reserved:
            self._complain("N6-NBL-10", handle, f"packet {handle:#018x} was freed before its extra context")
        self._contexts.pop(handle, None)
        self._reserved.discard(handle)
        if self._separate.pop(handle, None):
            self._complain(
                "N6-NBL-11", handle, f"packet {handle:#018x} was freed before the NBs allocated for it"
            )
        for parent in self._parents.pop(handle, ()):
            children = self._children.get(parent, set())
            children.discard(handle)
            if not children:
                self._children.pop(parent, None)
