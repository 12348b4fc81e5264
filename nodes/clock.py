"""Time, as nodes see it: nanoseconds on the monotonic clock, or a virtual clock that a scheduler moves."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where a node takes its time from."""

    def now(self) -> int:
        """Return the time in ns since an arbitrary start common to all nodes of the run."""


class MonotonicClock:
    """The machine's monotonic clock, the same in all processes."""

    def now(self) -> int:
        """Return the monotonic time in ns."""
        return time.monotonic_ns()


class VirtualClock:
    """A clock that stands still until it is moved: what makes a run in one process exact."""

    def __init__(self, start: int = 0) -> None:
        self._now = start

    def now(self) -> int:
        """Return the virtual time in ns."""
        return self._now

    def advance_to(self, due: int) -> None:
        """Move to `due`; raises ValueError for a time in the past."""
        if due < self._now:
            raise ValueError(f"the clock stands at {self._now} ns and cannot go back to {due} ns")
        self._now = due
