"""The order in which a driver acquires its spin locks: two that are taken both ways round will dead-lock one day.

Driver Verifier's deadlock detection does so (bug check 0xC4 with 0x1001): the mistake is found when the second order is
seen, on one processor, without two having to meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from nodes.verifier.places import driver_location


class Lock(Protocol):
    """A lock as far as its place in the order goes."""

    name: str


class LockOrder:
    """Which locks of one node were acquired while which others were held, and where first.

    Costs nothing until a lock is acquired under another one, and a look in two tables when it was before.
    """

    def __init__(self, complain: Callable[[str, int, str], None]) -> None:
        self._complain = complain
        self._under: dict[Lock, dict[Lock, str]] = {}

    def acquiring(self, lock: Lock, held: Sequence[Lock]) -> None:
        """Note that `lock` is acquired under those that are held; one that closes a cycle breaks DV-LOCK-01."""
        for outer in held:
            inner = self._under.setdefault(outer, {})
            if lock in inner:
                continue
            way_back = self._way(lock, outer)
            inner[lock] = driver_location()
            if way_back:
                places = (self._tell(*step) for step in pairwise(way_back))
                text = f"{self._tell(outer, lock)}, but {', '.join(places)}: on two processors they wait for ever"
                self._complain("DV-LOCK-01", 0, text)

    def _way(self, start: Lock, goal: Lock) -> list[Lock]:
        """Return the shortest way from one lock to another by what was seen, both included, or an empty one."""
        ways, seen = [[start]], {start}
        for way in ways:
            if way[-1] is goal:
                return way
            further = [lock for lock in self._under.get(way[-1], {}) if lock not in seen]
            seen.update(further)
            ways += [[*way, lock] for lock in further]
        return []

    def _tell(self, outer: Lock, lock: Lock) -> str:
        return f"spin lock {lock.name} was acquired under {outer.name} at {self._under[outer][lock]}"
