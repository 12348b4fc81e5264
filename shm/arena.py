"""The packet segment of a run: parallel tables over all slots, and each node's pool in it.

Slot i is NBL i, its first NB i, its first MDL i and payload cell i, so the common packet needs no link:

    NBL  | handle  ledger  status  flags  source  cancel  packet_id  born  due  parent  children  fate |
    NB   | nb_next  nb_mdl  nb_data  nb_offset  nb_length |
    MDL  | mdl_next  mdl_cell  mdl_offset  mdl_length |
    cell | payload bytes ... |

Links (`nb_next`, `nb_mdl`, `mdl_next`, `mdl_cell`) hold slot + 1; 0 means none, or for `nb_mdl` and `mdl_cell`
the slot itself. `nb_data` is where an NB's data starts, as a byte position in all cells: whoever moves the start
(retreat, advance, clone) keeps it in step with the links, and readers need one gather. `fate` is 0 but for what the
death of a node has touched; row 0 of it says whether anything ever was. One arena for all pools lets a
chain that mixes pools be read by one vector operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shm.errors import HandleStale
from shm.handle import GENERATION_STEP, NO_HANDLE, UNMATCHED, pack, slots_of
from shm.layout import Layout
from shm.vectors import same

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
Slots = NDArray[np.int64]

CELL_LENGTH = 2048
_KEPT_VIEWS = 1024
AWAITED, QUARANTINED, SALVAGED = 1, 2, 3
"""Fates of a packet that was with a node that died: a third one still has it, and it is waited for; the same, and it is
home, but must not be used; it is back, perhaps changed."""
_TABLES = {
    "handle": "u8",
    "ledger": "u8",
    "source": "u8",
    "cancel": "u8",
    "packet_id": "u8",
    "born": "u8",
    "due": "u8",
    "parent": "u8",
    "nb_data": "i8",
    "status": "u4",
    "flags": "u4",
    "children": "u4",
    "nb_next": "u4",
    "nb_mdl": "u4",
    "nb_offset": "u4",
    "nb_length": "u4",
    "mdl_next": "u4",
    "mdl_cell": "u4",
    "mdl_offset": "u4",
    "mdl_length": "u4",
    "fate": "u1",
}


@dataclass(frozen=True)
class Arena:
    """The tables of all slots, mapped in this process; column i belongs to slot i.

    `cells` has shape (slots, CELL_LENGTH). Every table has one writer at a time: the packet's owner.
    """

    handle: U64
    ledger: U64
    source: U64
    cancel: U64
    packet_id: U64
    born: U64
    due: U64
    parent: U64
    nb_data: NDArray[np.int64]
    status: U32
    flags: U32
    children: U32
    nb_next: U32
    nb_mdl: U32
    nb_offset: U32
    nb_length: U32
    mdl_next: U32
    mdl_cell: U32
    mdl_offset: U32
    mdl_length: U32
    fate: NDArray[np.uint8]
    cells: NDArray[np.uint8]
    _views: dict[int, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def slots(self) -> int:
        """Return how many slots the arena has."""
        return len(self.handle)

    @staticmethod
    def layout(slots: int) -> Layout:
        """Return the layout of an arena of `slots` slots."""
        layout = Layout()
        for name, dtype in _TABLES.items():
            layout.add(name, dtype, slots)
        layout.add("cells", "u1", slots, CELL_LENGTH)
        return layout

    @classmethod
    def map(cls, buffer: memoryview, slots: int) -> Arena:
        """Map the arena on a segment's payload."""
        tables: dict[str, Any] = cls.layout(slots).map(buffer)
        return cls(**tables)

    def bytes_of(self, length: int) -> NDArray[Any]:
        """Return all cells as overlapping items of `length` bytes, item i starting at byte i (dtype V`length`).

        Reading or storing items by byte position copies each by one memcpy.
        """
        view = self._views.get(length)
        if view is None:
            cells = self.cells.reshape(-1).data
            view = np.ndarray((len(cells) - length + 1,), f"V{length}", cells, 0, (1,))
            if len(self._views) >= _KEPT_VIEWS:
                self._views.clear()
            self._views[length] = view
        return view

    def current(self, handles: U64) -> Slots:
        """Return the slots of handles that are all alive.

        Raises HandleStale when a slot is out of range, free, or in another generation.
        """
        slots = slots_of(handles)
        try:
            found = self.handle[slots]
        except IndexError as error:
            raise HandleStale(
                f"a handle names slot {int(slots.max())}, the arena has {self.slots}"
            ) from error
        if not same(found, handles):
            bad = int(np.argmin(found == handles))
            raise HandleStale(
                f"handle {int(handles[bad]):#018x} is stale: its slot now holds {int(found[bad]):#018x}"
            )
        return slots


class Pool:
    """A node's own range of slots: it alone allocates and frees here, so no lock is needed.

    Freed slots are used again last-in first-out, which keeps payload cells warm in the cache, but for
    quarantined ones: a node beyond one that died still has them.
    """

    def __init__(self, arena: Arena, pool: int, base: int, size: int) -> None:
        """Take slots `base` to `base + size` of the arena; raises ValueError for slot 0, which is no packet's."""
        if base < 1:
            raise ValueError(f"a pool cannot begin at slot {base}: slot 0 stands for no packet")
        self._arena = arena
        self.number = pool
        self.base = base
        self.size = size
        self._free = np.arange(base + size - 1, base - 1, -1, dtype=np.int64)
        self._free_count = size
        self._next = np.array([pack(1, pool, slot) for slot in range(base, base + size)], dtype=np.uint64)
        self._allocated = 0
        self._pieces: dict[int, list[int]] = {}
        self._fate = arena.fate.data
        self._quarantined: set[int] = set()
        arena.handle[0] = UNMATCHED

    @property
    def free_count(self) -> int:
        """Return how many slots can be allocated now."""
        return self._free_count

    def taken(self) -> Slots:
        """Return the slots that are not free, in order, without those lost in quarantine."""
        own: Slots = np.arange(self.base, self.base + self.size)
        free = [*self._free[: self._free_count].tolist(), *self._quarantined]
        return np.setdiff1d(own, free, assume_unique=True)

    @property
    def quarantined(self) -> int:
        """Return how many slots were freed in quarantine, and are lost to this pool."""
        return len(self._quarantined)

    @property
    def linked(self) -> bool:
        """Return whether any packet holds further slots of this pool for NBs, MDLs or cells."""
        return bool(self._pieces)

    def allocate(self, count: int, length: int | NDArray[np.uint32], *, backfill: int = 0) -> U64:
        """Return handles of `count` packets of `length` data bytes (one for all, or one each), or fewer when short.

        Each is one NBL with one NB and one MDL over its own cell, data starting `backfill` bytes into it. Status,
        flags, cancel id and parent are cleared (N6-NBL-02, N6-SEND-21). Raises ValueError when data and backfill
        exceed a cell, or `length` has neither one value nor one for each packet asked for.
        """
        if np.max(length, initial=0) + backfill > CELL_LENGTH:
            raise ValueError(f"{int(np.max(length))} + {backfill} bytes do not fit a cell of {CELL_LENGTH}")
        if count < 0 or np.size(length) not in (1, count):
            raise ValueError(f"{count} packets asked for, {np.size(length)} lengths given")
        count = min(count, self._free_count)
        self._free_count -= count
        slots = self._free[self._free_count : self._free_count + count][::-1].copy()
        handles = self._claim(slots)
        arena = self._arena
        arena.packet_id[slots] = np.arange(self._allocated, self._allocated + count) + (self.number << 48)
        self._allocated += count
        for table in (arena.status, arena.flags, arena.cancel, arena.parent, arena.children, arena.source):
            table[slots] = 0
        self._shape(slots, length if np.isscalar(length) else np.asarray(length)[:count], backfill)
        return handles

    def free(self, handles: U64) -> None:
        """Take packets of this pool back, each named once, with every further slot that they got from it.

        What a packet got is known to the pool itself: links in shared memory are not asked. Raises HandleStale for a
        handle that is not alive (a double free); nothing is freed then. A quarantined packet stays as it is.
        """
        slots = self._arena.current(handles)
        if self._fate[0]:
            slots = self._without_quarantined(slots)
        if self._pieces:
            further = [piece for slot in slots.tolist() for piece in self._pieces.pop(slot, ())]
            slots = np.concatenate([slots, np.array(further, np.int64)])
        self._put_back(slots)

    def add_pieces(self, slot: int, count: int) -> list[int]:
        """Take `count` further slots for NBs, MDLs or cells of the packet at `slot`, of whatever pool that is.

        Each is shaped as an empty NB and MDL over its own cell, linked to nothing, and goes back with the packet or
        by `drop_piece`. Returns an empty list, having taken nothing, when too few are free.
        """
        return self._take_pieces(slot, count)

    def _take_pieces(self, slot: int, count: int) -> list[int]:
        if not 0 < count <= self._free_count:
            return []
        self._free_count -= count
        slots = self._free[self._free_count : self._free_count + count][::-1].copy()
        self._claim(slots)
        self._shape(slots, 0, 0)
        pieces: list[int] = slots.tolist()
        self._pieces.setdefault(slot, []).extend(pieces)
        return pieces

    def drop_piece(self, slot: int, piece: int) -> bool:
        """Take one of the slots back that the packet at `slot` got; return False if it is none of them."""
        pieces = self._pieces.get(slot, [])
        if piece not in pieces:
            return False
        pieces.remove(piece)
        if not pieces:
            del self._pieces[slot]
        self._put_back(np.array([piece]))
        return True

    def has_pieces(self, slot: int) -> bool:
        """Return whether the packet at `slot` holds further slots of this pool."""
        return slot in self._pieces

    def has_piece(self, slot: int, piece: int) -> bool:
        """Return whether `piece` is a further slot that the packet at `slot` got from this pool."""
        return piece in self._pieces.get(slot, ())

    def extend(self, handle: int, pieces: list[int], *, as_net_buffers: bool) -> None:
        """Grow one packet by further cells of `pieces` data bytes each: as NBs of their own, or as MDLs of the last NB.

        Raises ValueError when the pool has too few slots or a piece exceeds a cell, HandleStale when the packet is
        not alive; nothing is changed then.
        """
        if len(pieces) > self._free_count or max(pieces, default=0) > CELL_LENGTH:
            raise ValueError(
                f"cannot add {len(pieces)} pieces of at most {CELL_LENGTH} bytes: {self._free_count} free"
            )
        arena = self._arena
        root = int(arena.current(np.array([handle], np.uint64))[0])
        buffer = root
        while arena.nb_next[buffer]:
            buffer = int(arena.nb_next[buffer]) - 1
        last = int(arena.nb_mdl[buffer] or buffer + 1) - 1
        while arena.mdl_next[last]:
            last = int(arena.mdl_next[last]) - 1
        for fresh, piece in zip(self._take_pieces(root, len(pieces)), pieces, strict=True):
            self._shape(np.array([fresh]), piece, 0)
            if as_net_buffers:
                arena.nb_next[buffer] = fresh + 1
                buffer = fresh
            else:
                arena.mdl_next[last] = fresh + 1
                arena.nb_length[buffer] += piece
                last = fresh

    def _without_quarantined(self, slots: Slots) -> Slots:
        kept: NDArray[np.bool_] = self._arena.fate[slots] == QUARANTINED
        for slot in slots[kept].tolist():
            self._quarantined.update([slot, *self._pieces.get(slot, ())])
        self._arena.fate[slots[~kept]] = 0
        used: Slots = slots[~kept]
        return used

    def _claim(self, slots: Slots) -> U64:
        handles = self._next[slots - self.base]
        self._next[slots - self.base] += np.uint64(GENERATION_STEP)
        self._arena.handle[slots] = handles
        return handles

    def _shape(self, slots: Slots, length: Any, backfill: int) -> None:
        arena = self._arena
        for link in (arena.nb_next, arena.nb_mdl, arena.mdl_next, arena.mdl_cell, arena.mdl_offset):
            link[slots] = 0
        arena.nb_data[slots] = slots * CELL_LENGTH + backfill
        arena.nb_offset[slots] = backfill
        arena.nb_length[slots] = length
        arena.mdl_length[slots] = length + np.uint32(backfill)

    def _put_back(self, slots: Slots) -> None:
        self._arena.handle[slots] = NO_HANDLE
        self._arena.ledger[slots] = 0
        self._free[self._free_count : self._free_count + len(slots)] = slots[::-1]
        self._free_count += len(slots)
