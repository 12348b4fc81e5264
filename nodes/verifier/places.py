"""Where in a driver's code something was done: allocations and hand-overs, noted by small numbers.

A place is the innermost line of driver code that is being run, at level STACKS the whole way to it. Each is kept once;
tables over packets hold its number, so that noting a chain is one vector store.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType

import numpy as np

from shm.arena import Slots

_OWN_ROOTS = ("nodes.", "shm.")
_DRIVER_ROOTS = ("nodes.stock.", "nodes.nic.")
_DISPATCHER = "nodes.node"
_ENTRANCES = frozenset({"poll", "command"})
"""The functions of the dispatcher from which all driver code is called."""
_OURS, _DRIVERS, _END = range(3)
_kinds: dict[CodeType, int] = {}


def driver_stack(depth: int = 1) -> list[tuple[CodeType, int]]:
    """Return the innermost `depth` lines of driver code being run, innermost first, as code and instruction offset.

    The search ends at the dispatcher: who called that, a process' body or a scheduler, is no driver.
    """
    found: list[tuple[CodeType, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        kind = _kinds.get(code)
        if kind is None:
            kind = _kinds[code] = _kind_of(frame)
        if kind == _DRIVERS:
            found.append((code, frame.f_lasti))
            if len(found) == depth:
                break
        elif kind == _END:
            break
        frame = frame.f_back
    return found


def driver_location() -> str:
    """Return ``file:line`` of the innermost driver code being run, or an empty string outside of any."""
    return "".join(stack_lines(1))


def stack_lines(depth: int) -> tuple[str, ...]:
    """Return ``file:line`` of the innermost `depth` lines of driver code being run, innermost first."""
    return tuple(_name(code, offset) for code, offset in driver_stack(depth))


def is_driver(frame: FrameType) -> bool:
    """Return whether a frame runs driver code."""
    return _kind_of(frame) == _DRIVERS


def _kind_of(frame: FrameType) -> int:
    module = str(frame.f_globals.get("__name__", ""))
    if module == _DISPATCHER and frame.f_code.co_name in _ENTRANCES:
        return _END
    is_driver = module.startswith(_DRIVER_ROOTS) or not module.startswith(_OWN_ROOTS)
    return _DRIVERS if is_driver else _OURS


def _name(code: CodeType, offset: int) -> str:
    line = next((line for start, stop, line in code.co_lines() if start <= offset < stop), None)
    return f"{code.co_filename}:{line or code.co_firstlineno}"


class Places:
    """The places that one node has noted, and which of them belongs to which packet.

    `depth` is how many lines of driver code make a place.
    """

    def __init__(self, slots: int, depth: int) -> None:
        self._depth = depth
        self._numbers: dict[tuple[tuple[CodeType, int], ...], int] = {(): 0}
        self._places: list[tuple[tuple[CodeType, int], ...]] = [()]
        self._of = np.zeros(slots, np.uint32)

    def note(self, slots: Slots) -> None:
        """Note the line of driver code being run as the place of these packets."""
        place = tuple(driver_stack(self._depth))
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = len(self._places)
            self._places.append(place)
        self._of[slots] = number

    def of(self, slot: int) -> tuple[str, ...]:
        """Return what was noted last for a packet, ``file:line`` from the innermost outwards; empty for nothing."""
        return tuple(_name(*line) for line in self._places[int(self._of[slot])])

    def counts(self, slots: Slots) -> list[tuple[int, str]]:
        """Return how many of these packets were noted at which place, the most frequent first."""
        numbers, counts = np.unique(self._of[slots], return_counts=True)
        found = [
            (count, " < ".join(_name(*line) for line in self._places[number]) or "no driver's line")
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        ]
        return sorted(found, key=lambda entry: (-entry[0], entry[1]))
