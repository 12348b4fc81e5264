"""What this node may touch: the packets it holds, from whom, since when.

This table is private to the node and is the truth about it; owner words in shared memory say the same for others to
read. Everything that leaves the node is taken from here, so a packet given away twice surfaces at the second call.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nodes.crossing import INDICATED, OpInfo
from nodes.duties import Duties
from shm.arena import Arena, Pool, Slots
from shm.handle import NO_HANDLE, UNMATCHED, unpack
from shm.vectors import same

U64 = NDArray[np.uint64]
_HIGH_BYTE = np.uint64(56)
NOBODY = 0xFFFF
"""The port number of packets that this node allocated itself."""

Complaint = Callable[..., None]
"""How a broken rule is reported: rule id, handle, message, and the neighbour that broke it if it was one."""


def binding_handle(node: int, port: int) -> int:
    """Return the handle of a node's binding: the SourceHandle of what it sends there."""
    return node << 16 | port + 1


class Custody:
    """The packets in this node's hands.

    `held[slot]` is the handle held there or NO_HANDLE, `came[slot]` the port it came in by, `since[slot]` when (ns).
    `complain` reports a violation and returns: the caller goes on without the offending packets. `tags` says whether
    the driver uses cancel ids, `stale_tags` by slot who came back with one (N6-SEND-21). `pool` is the node's own,
    `duties` what is owed for single packets; `cancel_byte`, `may_reroute` and `ports_below` say what the node's place
    in the stack lets it write (N6-CAN-01, N6-NBL-04, N6-NBL-09). At `level` 0 nothing is compared.
    """

    def __init__(self, arena: Arena, complain: Complaint, now: Callable[[], int], level: int = 2) -> None:
        self.arena = arena
        self.complain = complain
        self.now = now
        self.level = level
        self.held = np.zeros(arena.slots, dtype=np.uint64)
        self.held[0] = UNMATCHED
        self.came = np.full(arena.slots, NOBODY, dtype=np.uint16)
        self.since = np.zeros(arena.slots, dtype=np.uint64)
        self.count = 0
        self.pool: Pool | None = None
        self.duties = Duties(arena, complain, self.held)
        self.cancel_byte: int | None = None
        self.tags = False
        self.stale_tags: dict[int, int] = {}
        self.may_reroute = True
        self.ports_below: frozenset[int] = frozenset()
        self.borrowed: NDArray[np.bool_] | None = None

    def take_place(self, node: int, kind: str, ports_below: frozenset[int], pool: Pool) -> None:
        """Learn whose custody this is: what the contract lets a driver of this kind write depends on it."""
        self.pool = pool
        self.ports_below = ports_below
        self.cancel_byte = node & 0xFF
        self.may_reroute = kind in {"protocol", "intermediate"}
        self.duties.node = node
        self.duties.early = "N6-IM-04" if kind == "intermediate" else "N6-NBL-07"
        self.duties.altered = "N6-FLT-05" if kind == "filter" else "N6-SEND-13"

    def receive(self, handles: U64, slots: Slots) -> None:
        """Note that these packets are in the driver's hands now."""
        self.held[slots] = handles
        self.count += len(handles)

    def holds(self, handles: U64, slots: Slots) -> bool:
        """Return whether every one of these packets is held."""
        return same(self.held[slots], handles)

    def release(self, handles: U64, slots: Slots, info: OpInfo) -> NDArray[np.bool_] | None:
        """Let packets go; return None if all were held, else a mask of those that were.

        Each packet that was not held is reported as a violation of the rule in `info`.
        """
        if self.borrowed is not None and info.state != INDICATED:
            return self._release_own(handles, slots, info, self.borrowed)
        if self.duties.owed:
            self.duties.leaving(handles, info.state)
        if not self.level or same(self.held[slots], handles):
            self.held[slots] = NO_HANDLE
            self.count -= len(handles)
            return None
        good: NDArray[np.bool_] = self.held[slots] == handles
        self.held[slots[good]] = NO_HANDLE
        self.count -= int(np.count_nonzero(good))
        self.complain_of(handles[~good], info.rule, info.act)
        return good

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

    def check(self, handles: U64, slots: Slots) -> None:
        """Report any access to packets that are not held (N6-SEND-03, N6-SEND-14, N6-RX-02)."""
        if self.level and not self.holds(handles, slots):
            bad = handles[self.held[slots] != handles]
            self.complain_of(bad, "N6-SEND-03", "touched")

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

    def complain_of(self, handles: U64, rule: str, act: str) -> None:
        """Report that `act` was tried on each of these packets without holding them."""
        for handle in handles.tolist():
            slot = unpack(handle).slot
            now_there = int(self.arena.handle[slot]) if slot < self.arena.slots else 0
            fate = (
                "was freed" if now_there != handle else "is not in this driver's hands (given away before?)"
            )
            self.complain(rule, handle, f"packet {handle:#018x} was {act}, but it {fate}")
