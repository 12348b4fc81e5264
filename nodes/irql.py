"""IRQL and spin locks: at which level a driver runs, and what it may call there (N6-IRQL, N6-LOCK).

A node runs at PASSIVE between handlers. A data handler is entered at the level that the policy `delivery_irql` says,
or at DISPATCH if the caller's flag promises it; timers run at DISPATCH; everything of PnP, and regular OIDs, at
PASSIVE. A spin lock raises to DISPATCH. When a handler returns, its locks must be released and its level put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from nodes.verifier.lock_order import LockOrder

if TYPE_CHECKING:
    from nodes.crossings.crossing import Op
    from nodes.crossings.port import Port
    from nodes.node import Node
    from nodes.packets.chain import NblChain

Accept = Callable[["Port", "Op", "NblChain", int], None]

DISPATCH_FLAG = 0x1
"""NDIS_XXX_FLAGS_DISPATCH_LEVEL has this value in all four sets of flags."""
STALL_LIMIT_US = 50
_DRAWS = 1024


class Irql(IntEnum):
    """Interrupt request levels."""

    PASSIVE = 0
    APC = 1
    DISPATCH = 2
    DIRQL = 3


CEILINGS: dict[str, Irql] = {
    "NdisCloseAdapterEx": Irql.PASSIVE,
    "NdisCompleteNetPnPEvent": Irql.PASSIVE,
    "NdisFRestartComplete": Irql.PASSIVE,
    "NdisIMDeInitializeDeviceInstance": Irql.PASSIVE,
    "NdisOpenAdapterEx": Irql.PASSIVE,
    "NdisWaitEvent": Irql.PASSIVE,
    "NdisMNetPnPEvent": Irql.PASSIVE,
    "NdisMSleep": Irql.APC,
    "NdisStallExecution": Irql.DIRQL,
    "KeGetCurrentIrql": Irql.DIRQL,
}
"""The highest level at which a call is allowed; DISPATCH for every call that is not listed."""


class IrqlState:
    """A node's level, the spin locks it holds and has held in which order, and the checks of its calls.

    `level` above PASSIVE, or a flag that speaks of it, is what makes a call worth checking; `drawn` tells that calls
    are not all delivered at PASSIVE, `dirty` that there is something to put back when the handler returns.
    """

    def __init__(self, node: Node) -> None:
        self.level = Irql.PASSIVE
        self.held: list[SpinLock] = []
        self.dirty = False
        self._node = node
        self._delivery = node.policy.delivery_irql
        self.drawn = self._delivery != "passive"
        self._entered = Irql.PASSIVE
        self._measured = False
        self._draws: list[int] = []
        self._drawn_count = 0
        self.lock_order = LockOrder(node.complain)

    def call(self, accept: Accept, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Have one call of the data path handled, at the level it is delivered at."""
        outer = self._leave() if self.dirty else None
        if self.drawn or flags & DISPATCH_FLAG:
            self.deliver(flags)
        try:
            accept(port, op, chain, flags)
        except ValueError as error:
            if not self._node.reporter.survive(error):
                raise
        if self.dirty:
            self.settle()
        if outer is not None:
            self.level, self._entered, self.held, self._measured, self.dirty = outer

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Run what is delivered while the driver waits or calls: at levels of its own, as on another processor."""
        kept = self.level, self.held, self.dirty, self._entered, self._measured
        self.level = self._entered = Irql.PASSIVE
        self.held = []
        self.dirty = self._measured = False
        try:
            yield
        finally:
            self.level, self.held, self.dirty, self._entered, self._measured = kept

    def run_timers(self) -> int:
        """Run the timers that are due, at DISPATCH; return how many."""
        outer = self._leave()
        self.enter(Irql.DISPATCH)
        ran = self._node.timers.run_due(self._node.clock.now())
        self.settle()
        self.level, self._entered, self.held, self._measured, self.dirty = outer
        return ran

    def run_at_passive(self, callback: Callable[[], None]) -> None:
        """Have the dispatcher call `callback` at PASSIVE, once the handler that runs now has returned or waits."""

        def run() -> None:
            outer = self._leave()
            callback()
            self.settle()
            self.level, self._entered, self.held, self._measured, self.dirty = outer

        self._node.defer(run)

    def deliver(self, flags: int = 0) -> None:
        """Enter a handler of the data path: at DISPATCH if the caller's flag says so, else by policy."""
        at_dispatch = flags & DISPATCH_FLAG or self._delivery == "dispatch"
        if not at_dispatch and self._delivery == "random":
            at_dispatch = self._draw()
        self.enter(Irql.DISPATCH if at_dispatch else Irql.PASSIVE)

    def enter(self, level: Irql) -> None:
        """Enter a handler at `level`."""
        self.level = self._entered = level
        self.dirty = level is not Irql.PASSIVE

    def settle(self) -> None:
        """Put the level back after a handler; locks it still holds are reported and released (N6-LOCK-01)."""
        if self.held:
            names = ", ".join(lock.name for lock in self.held)
            self._node.complain("N6-LOCK-01", 0, f"the handler returned with spin lock {names} held")
            self.held = []
        elif self.level is not self._entered:
            self._node.complain(
                "N6-IRQL-01",
                0,
                f"the handler was entered at {self._entered.name}, returned at {self.level.name}",
            )
        self.level = self._entered = Irql.PASSIVE
        self._measured = self.dirty = False

    def check(self, call: str, flags: int = 0, *, lock_rule: str = "") -> None:
        """Check a call's level against its ceiling and its DISPATCH_LEVEL flag against the level.

        `lock_rule` is broken by holding a spin lock in a call that can re-enter the driver; empty if it cannot.
        """
        ceiling = CEILINGS.get(call, Irql.DISPATCH)
        if self.level > ceiling:
            self._node.complain(
                "N6-IRQL-01",
                0,
                f"{call} was called at {self.level.name}; {ceiling.name} is the highest allowed",
            )
        if flags & DISPATCH_FLAG and (self.level < Irql.DISPATCH or self._measured):
            known = "after measuring the IRQL" if self._measured else f"at {self.level.name}"
            self._node.complain("N6-IRQL-02", 0, f"{call} was called with DISPATCH_LEVEL set {known}")
        if lock_rule and self.held and self._node.policy.lock_across_calls == "violation":
            names = ", ".join(lock.name for lock in self.held)
            self._node.complain(lock_rule, 0, f"{call} was called with spin lock {names} held")

    def check_exact(self, call: str, rule: str) -> None:
        """Check that a call is made at exactly DISPATCH, as completions of a serialised miniport are."""
        if self.level is not Irql.DISPATCH:
            self._node.complain(rule, 0, f"{call} was called at {self.level.name}, not at DISPATCH")

    def measure(self) -> Irql:
        """Return the level, and remember that it was asked for: flags must not be made from it (N6-IRQL-02)."""
        self._measured = self.dirty = True
        return self.level

    def raise_to(self, level: Irql) -> Irql:
        """Raise the level and return the old one; a lower one than now is a violation."""
        old = self.level
        if level < old:
            self._node.complain("N6-IRQL-01", 0, f"IRQL was raised from {old.name} to {level.name}")
        self.level, self.dirty = level, True
        return old

    def lower_to(self, level: Irql) -> None:
        """Lower the level; a higher one than now, or one below DISPATCH under a spin lock, is a violation."""
        if level > self.level or (self.held and level < Irql.DISPATCH):
            self._node.complain("N6-IRQL-01", 0, f"IRQL was lowered from {self.level.name} to {level.name}")
        self.level, self.dirty = level, True

    def stall(self, microseconds: int) -> None:
        """Spin, in no time; more than 50 us at once is a violation of N6-RST-08."""
        if microseconds > STALL_LIMIT_US:
            self._node.complain(
                "N6-RST-08",
                0,
                f"stalled for {microseconds} us; at most {STALL_LIMIT_US} are allowed, use a timer",
            )

    def _leave(self) -> tuple[Irql, Irql, list[SpinLock], bool, bool]:
        """Return how a handler stands that is left for another one within it, and begin anew."""
        outer = (self.level, self._entered, self.held, self._measured, self.dirty)
        self.held = []
        self.settle()
        return outer

    def _draw(self) -> int:
        if not self._draws:
            ids = np.arange(self._drawn_count, self._drawn_count + _DRAWS, dtype=np.uint64)
            self._draws = self._node.rng.bits(f"irql/{self._node.name}", ids).tolist()
            self._drawn_count += _DRAWS
        return self._draws.pop() >> 13 & 1


class SpinLock:
    """An NDIS_SPIN_LOCK: acquired once at a time, released before the handler returns (N6-LOCK-01).

    As a context manager it is acquired and released. Nothing ever spins: the node has one dispatcher.
    """

    def __init__(self, state: IrqlState, node: Node, name: str) -> None:
        self.name = name
        self._state = state
        self._node = node
        self._old = Irql.PASSIVE
        self._dpr = False

    @property
    def held(self) -> bool:
        """Return whether the lock is held."""
        return self in self._state.held

    def acquire(self) -> None:
        """Acquire the lock and raise to DISPATCH (NdisAcquireSpinLock); one that is held would dead-lock."""
        self._state.check("NdisAcquireSpinLock")
        self._take(dpr=False)

    def release(self) -> None:
        """Release the lock and put the level back (NdisReleaseSpinLock)."""
        self._give("NdisReleaseSpinLock", dpr=False)

    def acquire_dpr(self) -> None:
        """Acquire the lock at DISPATCH, where the caller must be already (NdisDprAcquireSpinLock)."""
        if self._state.level is not Irql.DISPATCH:
            level = self._state.level.name
            self._complain(f"was acquired by NdisDprAcquireSpinLock at {level}, not at DISPATCH")
        self._take(dpr=True)

    def release_dpr(self) -> None:
        """Release the lock and stay at DISPATCH (NdisDprReleaseSpinLock)."""
        self._give("NdisDprReleaseSpinLock", dpr=True)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _take(self, *, dpr: bool) -> None:
        state = self._state
        if self.held:
            self._complain("was acquired twice: a real one spins for ever")
            return
        if state.held:
            state.lock_order.acquiring(self, state.held)
        self._old, self._dpr = state.level, dpr
        state.level = max(state.level, Irql.DISPATCH)
        state.held.append(self)
        state.dirty = True

    def _give(self, call: str, *, dpr: bool) -> None:
        state = self._state
        if not self.held:
            self._complain("was released, but it is not held")
            return
        place = state.held.index(self)
        del state.held[place]
        if dpr != self._dpr:
            self._complain(f"was released by {call}, but not acquired that way")
        if not dpr:
            state.level = self._old if not state.held else max(self._old, Irql.DISPATCH)
            if place < len(state.held) and self._old < Irql.DISPATCH:
                state.held[place]._old = self._old
                self._complain("was released before the locks acquired under it")

    def _complain(self, what: str) -> None:
        self._node.complain("N6-LOCK-01", 0, f"spin lock {self.name} {what}")
