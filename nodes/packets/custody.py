"""What this node may touch: the packets it holds, from whom, since when.

This table is private to the node and is the truth about it; owner words in shared memory say the same for others to
read. Everything that leaves the node is taken from here, so a packet given away twice surfaces at the second call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import FREEING, INDICATED, OpInfo
from nodes.packets.duties import Duties
from nodes.verifier.level import DEFAULT_LEVEL, STACK_DEPTH, Level
from nodes.verifier.places import Places
from nodes.verifier.views import Views
from shm.arena import Arena, Pool, Slots
from shm.handle import MAX_POOLS, NO_HANDLE, POOL_SHIFT, SLOT_MASK, UNMATCHED, unpack
from shm.slowest import PacketHistogram
from shm.vectors import same

if TYPE_CHECKING:
    from nodes.packets.chain import NblChain

U64 = NDArray[np.uint64]
_HIGH_BYTE = np.uint64(56)
GIVEN_BACK = 5
_TOUCH_RULES = {0: "N6-NBL-11", 2: "N6-SEND-03", 3: "N6-RX-02", 4: "N6-SEND-14", GIVEN_BACK: "N6-SEND-14"}
"""Which rule forbids touching a packet that left with this ledger state."""
_OUTCOMES = frozenset({"N6-SEND-03", "N6-SEND-10"})
"""Broken by giving a send away again; of a send that passes a filter, that is a second outcome (N6-FLT-02)."""
NOBODY = 0xFFFF
"""The port number of packets that this node allocated itself."""

Complaint = Callable[..., None]
"""How a broken rule is reported: rule id, handle, message, and the neighbour that broke it if it was one."""


def binding_handle(node: int, port: int) -> int:
    """Return the handle of a node's binding: the SourceHandle of what it sends there."""
    return node << 16 | port + 1


def _depth(level: int) -> int:
    return STACK_DEPTH if level >= Level.STACKS else 1


class Custody:
    """The packets in this node's hands.

    `held[slot]` is the handle held there or NO_HANDLE, `came[slot]` the port it came in by, `since[slot]` when (ns).
    `complain` reports a violation and returns: the caller goes on without the offending packets. `tags` says whether
    the driver uses cancel ids, `stale_tags` by slot who came back with one (N6-SEND-21). `pool` is the node's own,
    `duties` what is owed for single packets; `cancel_byte`, `may_reroute` and `ports_below` say what the node's place
    in the stack lets it write (N6-CAN-01, N6-NBL-04, N6-NBL-09). At `level` 0 accesses are not checked. `left[slot]`
    is the ledger state with which a packet left last, `views` what the driver sees of packets where they lie; `called`
    is told the name of each NDIS call that a driver makes on a packet itself, to check its IRQL (N6-IRQL-01).
    """

    def __init__(
        self, arena: Arena, complain: Complaint, now: Callable[[], int], level: int = DEFAULT_LEVEL
    ) -> None:
        self.arena = arena
        self.complain = complain
        self.now = now
        self.level = level
        self.held = np.zeros(arena.slots, dtype=np.uint64)
        self.held[0] = UNMATCHED
        self.came = np.full(arena.slots, NOBODY, dtype=np.uint16)
        self.since = np.zeros(arena.slots, dtype=np.uint64)
        self.left = np.zeros(arena.slots, dtype=np.uint8)
        self.views = Views(arena, self.touched)
        self.called: Callable[[str], None] = lambda call: None
        self.allocated = Places(arena.slots, _depth(level)) if level >= Level.LEAKS else None
        self.given = Places(arena.slots, _depth(level)) if level >= Level.HISTORY else None
        self.count = 0
        self.pool: Pool | None = None
        self.duties = Duties(arena, complain, self.held)
        self.cancel_byte: int | None = None
        self.tags = False
        self.stale_tags: dict[int, int] = {}
        self.may_reroute = True
        self.filters = False
        self.ports_below: frozenset[int] = frozenset()
        self.borrowed: NDArray[np.bool_] | None = None

    def take_place(self, node: int, kind: str, ports_below: frozenset[int], pool: Pool) -> None:
        """Learn whose custody this is: what the contract lets a driver of this kind write depends on it."""
        self.pool = pool
        self.ports_below = ports_below
        self.cancel_byte = node & 0xFF
        self.filters = kind == "filter"
        self.may_reroute = kind in {"protocol", "intermediate"}
        self.duties.node = node
        self.duties.pool = pool
        self.duties.early = "N6-IM-04" if kind == "intermediate" else "N6-NBL-07"
        self.duties.altered = "N6-FLT-05" if kind == "filter" else "N6-SEND-13"

    def own(self, handles: U64) -> U64:
        """Return those of these packets that are of the node's own pool; others break N6-NBL-11 by being freed."""
        foreign = (handles >> np.uint64(POOL_SHIFT) & np.uint64(MAX_POOLS - 1)) != self.duties.node
        if foreign.any():
            self.complain_of(handles[foreign], "N6-NBL-11", "freed into a foreign pool")
            handles = handles[~foreign]
        return handles

    def receive(self, handles: U64, slots: Slots) -> None:
        """Note that these packets are in the driver's hands now."""
        self.held[slots] = handles
        self.count += len(handles)

    def note_stay(self, held: PacketHistogram | None, chain: NblChain, now: int) -> None:
        """Count in `held`, if there is one, how long packets have been here that are replied to `now` (ns)."""
        if held is not None:
            held.note(now, chain.handles, chain.slots, self.since, self.arena.packet_id)

    def holds(self, handles: U64, slots: Slots) -> bool:
        """Return whether every one of these packets is held."""
        return same(self.held[slots], handles)

    def release(self, handles: U64, slots: Slots, info: OpInfo) -> NDArray[np.bool_] | None:
        """Let packets go; return None if all were held, else a mask of those that were.

        Each packet that was not held is reported as a violation of the rule in `info`; freeing one that is out is as
        bad as touching it.
        """
        if self.borrowed is not None and info.state != INDICATED:
            return self._release_own(handles, slots, info, self.borrowed)
        if self.duties.owed:
            self.duties.leaving(handles, info.state)
        if same(self.held[slots], handles):
            self._let_go(slots, info.state)
            return None
        good: NDArray[np.bool_] = self.held[slots] == handles
        self._gone(handles[~good], info)
        self._let_go(slots[good], info.state)
        return good

    def _gone(self, handles: U64, info: OpInfo) -> None:
        """Report packets that were to leave and are not here; a send in a filter had its outcome (N6-FLT-02)."""
        if info is FREEING:
            for handle in handles.tolist():
                self.touched(handle, info.act)
            return
        if self.filters and info.rule in _OUTCOMES:
            passing = self.duties.foreign(handles)
            self.complain_of(handles[passing], "N6-FLT-02", info.act)
            handles = handles[~passing]
        self.complain_of(handles, info.rule, info.act)

    def _let_go(self, slots: Slots, state: int) -> None:
        if self.views.live:
            self.views.end(slots)
        if self.given is not None:
            self.given.note(slots)
        self.held[slots] = NO_HANDLE
        self.left[slots] = state
        self.count -= len(slots)

    def _release_own(
        self, handles: U64, slots: Slots, info: OpInfo, borrowed: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        """Let packets go, except those that are lent to the driver for the length of its handler (N6-RX-05)."""
        lent = borrowed[slots] & (self.held[slots] == handles)
        for handle in handles[lent].tolist():
            self.complain(
                "N6-RX-05",
                handle,
                f"packet {handle:#018x} is lent with RESOURCES, and was {info.act}: copy it",
            )
        self.borrowed = None
        own = ~lent
        good = self.release(handles[own], slots[own], info)
        self.borrowed = borrowed
        if good is not None:
            own[own] = good
        return None if own.all() else own

    def check(self, handles: U64, slots: Slots) -> NDArray[np.bool_] | None:
        """Return None if all of these packets are held, else a mask of those that are; the others were touched."""
        if not self.level or self.holds(handles, slots):
            return None
        good: NDArray[np.bool_] = self.held[slots] == handles
        for handle in handles[~good].tolist():
            self.touched(handle)
        return good

    def check_one(self, handle: int, slot: int) -> bool:
        """Return whether a packet is held; touching one that is not is a violation."""
        if not self.level or int(self.held[slot]) == handle:
            return True
        self.touched(handle)
        return False

    def view(self, handle: int, cell: int, start: int, stop: int) -> memoryview:
        """Return bytes `start` to `stop` of a payload cell, writable, for as long as the packet is held.

        Of a packet that is not held it is a copy that nobody sees.
        """
        if int(self.held[handle & SLOT_MASK]) != handle and self.level:
            return memoryview(bytearray(self.arena.cells[cell, start:stop].tobytes()))
        if self.level < Level.LEAKS:
            return memoryview(self.arena.cells[cell])[start:stop]
        return self.views.cell(handle, cell, start, stop)

    def touched(self, handle: int, act: str = "touched", where: str = "") -> None:
        """Report an access to a packet that is not held, by the rule that forbids it.

        A packet that was sent (N6-SEND-03), lent (N6-RX-02), completed (N6-SEND-14), returned (N6-RX-04), freed
        (N6-NBL-11) or never was here.
        """
        slot = handle & SLOT_MASK
        state = int(self.left[slot]) if slot < len(self.left) else 0
        rule = _TOUCH_RULES.get(state, "N6-SEND-03")
        if state == GIVEN_BACK and int(self.came[slot]) in self.ports_below:
            rule = "N6-RX-04"
        self.complain_of(np.array([handle], np.uint64), rule, act, where)

    def check_cancel_id(self, handles: U64, slots: Slots, value: int | U64) -> None:
        """Note which packets get a new cancel id; one whose high byte is not this node's breaks N6-CAN-01."""
        if self.cancel_byte is None:
            return
        ids = np.asarray(value, np.uint64)
        wrong = (ids != 0) & (ids >> _HIGH_BYTE != self.cancel_byte)
        if wrong.any():
            message = (
                f"cancel id {int(ids[wrong].ravel()[0]):#x} does not begin with this driver's partial id"
            )
            self.complain("N6-CAN-01", int(handles[0]), message)
        for slot in slots.tolist() if self.stale_tags else ():
            self.stale_tags.pop(slot, None)
        self.tags |= bool(ids.any())

    def complain_of(self, handles: U64, rule: str, act: str, where: str = "") -> None:
        """Report that `act` was tried on each of these packets without holding them, at `where` if not here."""
        for handle in handles.tolist():
            slot = unpack(handle).slot
            now_there = int(self.arena.handle[slot]) if slot < self.arena.slots else 0
            fate = (
                "was freed" if now_there != handle else "is not in this driver's hands (given away before?)"
            )
            self.complain(rule, handle, f"packet {handle:#018x} was {act}, but it {fate}", where=where)
