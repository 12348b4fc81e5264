"""Faults of a wire, between its ring and the receiving NIC: frames lost, late, out of order, doubled, damaged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.faults.fault import Fault
from nodes.packets.chain import NblChain
from nodes.timers import Timer
from shm.arena import CELL_LENGTH

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
LONGEST_WAIT = 1_000_000
"""A frame that is to be overtaken waits so many ns for others to come."""
HEADERS = 46
"""No byte before this one is damaged: behind Ethernet, IPv4 and UDP headers and what marks a load generator's frame."""


class FrameFaults:
    """The faults of one NIC's incoming wire, in the order in which they began.

    `hit` counts for a fault. What is dropped goes back to its sender when it would have been here; what is doubled
    comes again when the NIC lets go of it, and is copied again. While the node does not run frames pass untouched.
    """

    def __init__(self, node: Node, port: Port, hit: Callable[[Fault, int], None]) -> None:
        self.faults: tuple[Fault, ...] = ()
        self._node = node
        self._port = port
        self._hit = hit
        self._flags = 0
        self._again: U64 = np.zeros(0, np.uint64)
        self._returning = 0
        self._late: list[tuple[NblChain, Callable[[NblChain], None]]] = []
        self._timer: Timer | None = None
        self._behind: NblChain | None = None
        self._keys: NDArray[np.float64] = np.zeros(0)

    @property
    def count(self) -> int:
        """Return how many frames are kept here."""
        behind = 0 if self._behind is None else len(self._behind)
        return behind + self._returning + sum(len(chain) for chain, _ in self._late)

    @property
    def ready(self) -> bool:
        """Return False: frames are let go by timers, and no release waits for a poll."""
        return False

    def release(self, now: int) -> None:
        """Do nothing, see `ready`."""

    def take(self, chain: NblChain, meta: U64 | int) -> bool:
        """Keep the frames that are to arrive once more, and let their NIC's release of the others go on."""
        if not len(self._again):
            return False
        twice = np.isin(chain.handles, self._again)
        if not twice.any():
            return False
        self._again = self._again[~np.isin(self._again, chain.handles)]
        if not twice.all():
            self._port.let_go(Op.FRAME_DONE, chain[~twice], meta)
        copy = chain[twice]
        self._node.custody.receive(copy.handles, copy.slots)
        self._returning += len(copy)
        self._node.defer(partial(self._arrive_again, copy))
        return True

    def arrived(self, chain: NblChain, flags: int) -> None:
        """Take frames off the ring; the NIC gets what goes on at once, the rest later or never."""
        self._flags = flags
        if not self._node.lifecycle.running:
            self._pass(chain)
            return
        arena, rng = self._node.arena, self._node.rng
        late = np.zeros(len(chain), np.bool_)
        gaps = np.zeros(len(chain), np.int64)
        for fault in self.faults:
            ids = arena.packet_id[chain.slots]
            mask = fault.hits(rng, ids) & (fault.kind != "corrupt")
            if not mask.any():
                continue
            self._hit(fault, int(np.count_nonzero(mask)))
            if fault.kind == "drop":
                self._keep(chain[mask], self._release)
                chain, late, gaps = chain[~mask], late[~mask], gaps[~mask]
            elif fault.kind == "duplicate":
                self._again = np.union1d(self._again, chain.handles[mask])
            elif fault.kind == "delay":
                arena.due[chain.slots[mask]] += fault.lateness(rng, ids[mask])
                late |= mask
            else:
                gaps[mask] = np.maximum(gaps[mask], fault.gap)
        if late.any():
            self._keep(chain[late], self._pass)
        self._line_up(chain[~late], gaps[~late])

    def damage(self, received: NblChain) -> None:
        """Flip one byte in the payload of each received frame that a fault damages; it is the receiver's own copy."""
        arena, rng = self._node.arena, self._node.rng
        for fault in self.faults:
            if fault.kind != "corrupt":
                continue
            slots = received.slots
            slots = slots[fault.hits(rng, arena.packet_id[slots]) & (arena.nb_length[slots] > 0)]
            if not len(slots):
                continue
            self._hit(fault, len(slots))
            ids, start = arena.packet_id[slots], arena.nb_data[slots]
            length = np.minimum(arena.nb_length[slots], CELL_LENGTH - start % CELL_LENGTH)
            first = np.minimum(HEADERS, length - 1)
            place = first + rng.uniform(f"fault/{fault.name}/place", ids) * (length - first)
            flips = rng.integers(f"fault/{fault.name}/bits", ids, 1, 255).astype(np.uint8)
            arena.cells.reshape(-1)[start + place.astype(np.int64)] ^= flips

    def let_go(self, fault: Fault | None = None) -> None:
        """Let everything that is kept arrive, or go back, now, whichever `fault` keeps it.

        Nothing arrives twice any more unless another fault than this one wants it.
        """
        if not any(other.kind == "duplicate" for other in self.faults):
            self._again = self._again[:0]
        kept, self._late = self._late, []
        due, now = self._node.arena.due, np.uint64(self._node.clock.now())
        for chain, end in kept:
            due[chain.slots] = np.minimum(due[chain.slots], now)
            end(chain)
        self._flush_behind()

    def _line_up(self, chain: NblChain, gaps: NDArray[np.int64]) -> None:
        """Let frames go on, those with a gap behind as many later ones, which may be still to come."""
        if self._behind is None and not gaps.any():
            self._pass(chain)
            return
        count = len(chain)
        keys = np.arange(count, dtype=np.float64) + np.where(gaps, gaps + 0.5, 0)
        if self._behind is not None:
            chain, keys = NblChain.join([self._behind, chain]), np.concatenate([self._keys, keys])
        order = np.argsort(keys, kind="stable")
        chain, keys = chain[order], keys[order]
        going = keys < count
        self._behind, self._keys = None, keys[~going] - count
        if not going.all():
            self._behind = chain[~going]
            self._node.timers.at(self._node.clock.now() + LONGEST_WAIT, self._flush_behind)
        self._pass(chain[going])

    def _flush_behind(self) -> None:
        behind, self._behind = self._behind, None
        if behind is not None:
            self._pass(behind)

    def _keep(self, chain: NblChain, end: Callable[[NblChain], None]) -> None:
        """Keep frames until each is due, then do `end` with it."""
        self._late.append((chain, end))
        due = int(self._node.arena.due[chain.slots].min())
        if self._timer is None or due < self._timer.due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._node.timers.at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        due, now = self._node.arena.due, self._node.clock.now()
        kept, self._late = self._late, []
        for chain, end in kept:
            here = due[chain.slots] <= now
            if not here.all():
                self._keep(chain[~here], end)
            if here.any():
                there = chain[here]
                end(there[np.argsort(due[there.slots], kind="stable")])

    def _release(self, chain: NblChain) -> None:
        self._port.reply(Op.FRAME_DONE, chain)

    def _pass(self, chain: NblChain) -> None:
        if not len(chain):
            return
        due = self._node.arena.due
        due[chain.slots] = np.maximum.accumulate(due[chain.slots])
        driver: Any = self._node.driver
        driver.frames_arrived(chain, self._flags)

    def _arrive_again(self, chain: NblChain) -> None:
        self._returning -= len(chain)
        self._pass(chain)
