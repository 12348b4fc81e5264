"""Timers of one node: due times in ns, run by its dispatcher, never early."""

from __future__ import annotations

import heapq
from collections.abc import Callable

NEVER = 1 << 62
RETRY = 100_000
"""After this time, in ns, drivers try again what there was no memory for."""


class Timer:
    """One pending call; cancelling it is final."""

    __slots__ = ("callback", "due", "of_driver")

    def __init__(self, due: int, callback: Callable[[], None], *, of_driver: bool = False) -> None:
        self.due = due
        self.of_driver = of_driver
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make sure that the callback does not run any more."""
        self.callback = None


class Timers:
    """A node's timers in order of their due time; equal times run in order of creation."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._created = 0

    def at(self, due: int, callback: Callable[[], None], *, of_driver: bool = False) -> Timer:
        """Run `callback` once when the clock has reached `due` (ns); `of_driver` for one that driver code set."""
        timer = Timer(due, callback, of_driver=of_driver)
        self._created += 1
        heapq.heappush(self._heap, (due, self._created, timer))
        return timer

    def cancel_all_of_driver(self) -> int:
        """Cancel every timer that driver code set; return how many were still to run (N6-PNP-14)."""
        left = [timer for _, _, timer in self._heap if timer.of_driver and timer.callback is not None]
        for timer in left:
            timer.cancel()
        return len(left)

    def next_due(self) -> int:
        """Return when the next timer is due, NEVER if there is none."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER

    def run_due(self, now: int) -> int:
        """Run every timer due at `now`, not those they set anew; return how many ran.

        They are taken off first: one that sets itself anew in the past must not keep later ones from running.
        """
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        ran = 0
        for timer in due:
            if timer.callback is not None:
                timer.callback()
                ran += 1
        return ran
