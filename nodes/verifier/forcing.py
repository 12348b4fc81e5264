"""What carries out a node's `Force`: a pool that runs short, and replies that leave late and in another order.

Both stand around what they disturb and are there only in a run that asks for it. Every draw is of a stream of its own,
by the number of the allocation or of the reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import FLAGS_SHIFT, OP_MASK, SYNCHRONOUS, Op
from nodes.metrics import Counter
from nodes.packets.chain import NblChain
from nodes.verifier.force import Force
from nodes.verifier.places import driver_location
from shm.arena import Pool
from shm.handle import slots_of

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
_MIXED = (Op.COMPLETE, Op.RETURN, Op.WAN_DONE, Op.TRANSFER_DONE)
"""Replies whose order and time are free; a verdict that a call waits for is none of them."""
_VERDICT = SYNCHRONOUS << FLAGS_SHIFT


class Shortage(Protocol):
    """Decides which of a driver's allocations fail; it is asked for each of them once."""

    def fails(self) -> bool:
        """Count an allocation that the driver is about to make; return whether it is one of those that fail."""

    def left(self, count: int) -> int:
        """Return how many of `count` packets the allocation that has just failed yields."""


class Forcing:
    """What is forced on one node; `pending` says whether its calls are never answered at once."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._force = Force(**node.spec.force)
        short = self._force.low_resources or self._force.fail_allocation
        self._shortages: tuple[Shortage, ...] = (ForcedShortage(node, self._force),) if short else ()
        self._failing: Shortage | None = None
        self._plain: Pool | None = None
        self.pending = self._force.pending

    def pool(self) -> Pool:
        """Return the node's pool: one that runs short if that is forced."""
        spec = self._node.spec
        place = (self._node.arena, spec.node, spec.pool_base, spec.pool_size)
        pool = Pool(*place)
        return ShortPool(self, pool) if self._shortages else pool

    def run_short(self, shortage: Shortage) -> None:
        """Let allocations fail by one more reason from now on."""
        if not self._shortages:
            self._plain = self._node.pool
            self._use(ShortPool(self, self._plain))
        self._shortages = (*self._shortages, shortage)

    def recover(self, shortage: Shortage) -> None:
        """Let no more allocations fail by this reason."""
        self._shortages = tuple(other for other in self._shortages if other is not shortage)
        if not self._shortages and self._plain is not None:
            self._use(self._plain)

    def _use(self, pool: Pool) -> None:
        custody = self._node.custody
        self._node.pool = custody.pool = custody.duties.pool = pool

    def mixing(self, port: Port) -> Mixing | None:
        """Return what the replies of a port wait in, None if they are left alone; frames on a wire are."""
        force = self._force
        if port.spec.kind == "wire" or not (force.delay or force.completion_order == "random"):
            return None
        return Mixing(self._node, port, force)

    def fails(self) -> bool:
        """Count an allocation that the driver is about to make; return whether it is one of those that fail."""
        if not self._shortages:
            return False
        failing = [shortage for shortage in self._shortages if shortage.fails()]
        self._failing = failing[0] if failing else None
        return bool(failing)

    def left(self, count: int) -> int:
        """Return how many of `count` packets the allocation that has just failed yields."""
        return count if self._failing is None else self._failing.left(count)


class ForcedShortage:
    """The short memory that `Force` asks for."""

    def __init__(self, node: Node, force: Force) -> None:
        self._node = node
        self._force = force
        self._allocations = 0

    def fails(self) -> bool:
        """Count an allocation; return whether it is one of those that fail.

        The one that `Force.fail_allocation` names is told as an event with its place in the driver.
        """
        self._allocations += 1
        chosen = self._allocations == self._force.fail_allocation
        if not chosen and self._draw("allocation") >= self._force.low_resources:
            return False
        self._node.board.counters[Counter.ALLOCATIONS_FAILED] += 1
        if chosen:
            event = {"kind": "forced", "allocation": self._allocations, "where": driver_location()}
            self._node.on_event(event)
        return True

    def left(self, count: int) -> int:
        """Return how many of `count` packets a failing allocation yields: fewer, by chance or none."""
        return 0 if self._force.fail_allocation == self._allocations else int(self._draw("left") * count)

    def _draw(self, what: str) -> float:
        number = np.array([self._allocations], np.uint64)
        return float(self._node.rng.uniform(f"{self._node.name}/force/{what}", number)[0])


class ShortPool(Pool):
    """A pool that yields too little now and then, as if it were empty."""

    def __init__(self, forcing: Forcing, pool: Pool) -> None:
        """Stand for `pool`: both have the same slots and go on having them."""
        self.__dict__ = pool.__dict__
        self._forcing = forcing

    def allocate(self, count: int, length: int | NDArray[np.uint32], *, backfill: int = 0) -> U64:
        """Return fewer handles than asked for if this allocation is to fail; else as `Pool.allocate`."""
        if count > 0 and self._forcing.fails():
            count = self._forcing.left(count)
            length = length if np.size(length) == 1 else np.asarray(length)[:count]
        return super().allocate(count, length, backfill=backfill)

    def add_pieces(self, slot: int, count: int) -> list[int]:
        """Return no slots if this allocation is to fail; else as `Pool.add_pieces`."""
        return [] if count > 0 and self._forcing.fails() else super().add_pieces(slot, count)


class Mixing:
    """The replies of one port that are on their way out: `count` of them, each until its time has come.

    `ready` says whether some may leave now.
    Under a delay that time is drawn up to it. In random order some stay for one more poll, so that calls mix, and those
    that leave together leave in drawn order. Each keeps its status.
    """

    def __init__(self, node: Node, port: Port, force: Force) -> None:
        self.count = 0
        self.ready = False
        self._node = node
        self._port = port
        self._delay = force.delay
        self._random = force.completion_order == "random"
        self._stream = f"{node.name}/force/{port.index}"
        self._drawn = 0
        self._turn = 0
        self._waiting: list[NDArray[np.uint64]] = []
        self._woken_at = 0

    def take(self, chain: NblChain, meta: U64 | int) -> bool:
        """Take replies with their operation, flags and status; False for what is not to be held back."""
        count = len(chain)
        words = np.broadcast_to(np.asarray(meta, np.uint64), count)
        first = int(words[0]) if count else 0
        if first & int(OP_MASK) not in _MIXED or first & _VERDICT:
            return False
        numbers = np.arange(self._drawn, self._drawn + count, dtype=np.uint64)
        self._drawn += count
        rng, now = self._node.rng, self._node.clock.now()
        order = rng.bits(f"{self._stream}/order", numbers) if self._random else numbers
        late = rng.integers(f"{self._stream}/delay", numbers, 0, self._delay) if self._delay else 0
        due = np.full(count, now, np.uint64) + np.asarray(late, np.uint64)
        turn = np.uint64(self._turn) + (order & np.uint64(1) if self._random else np.zeros(count, np.uint64))
        self._waiting.append(np.stack([chain.handles, words, due, turn, order]))
        self.count += count
        self.ready = True
        return True

    def release(self, now: int) -> None:
        """Hand the port what may leave at `now`, and see to it that the node polls again for the rest."""
        self.ready = False
        if not self.count:
            return
        waiting = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting, axis=1)
        leaving = (waiting[2] <= now) & (waiting[3] <= self._turn)
        self._turn += 1
        gone = waiting[:, leaving]
        gone = gone[:, np.argsort(gone[4] if self._random else gone[2], kind="stable")]
        rest = waiting[:, ~leaving]
        self._waiting, self.count = ([rest], rest.shape[1]) if rest.size else ([], 0)
        for op in np.unique(gone[1] & np.uint64(OP_MASK)).tolist():
            handles, meta = gone[:2, gone[1] & np.uint64(OP_MASK) == op]
            self._port.let_go(Op(op), NblChain(handles, slots_of(handles), self._node.custody), meta)
        if self.count:
            self._come_back(now, int(rest[2].min()))

    def _come_back(self, now: int, due: int) -> None:
        if due <= now:
            self._node.defer(self._wake)
        elif not now < self._woken_at <= due:
            self._woken_at = due
            self._node.timers.at(due, self._wake)

    def _wake(self) -> None:
        """Let what is due leave when the poll that this call is part of publishes."""
        self.ready = True
