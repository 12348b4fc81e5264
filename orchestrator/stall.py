"""Tell a node that hangs from one that idles: its progress word stands still."""

from __future__ import annotations

from collections.abc import Mapping

LOOK_NS = 250_000_000


class StallWatch:
    """Adds up, per node, the time without progress, in looks that are LOOK_NS apart or more.

    One look counts for at most two intervals, so that a machine which was stopped as a whole (a suspended
    laptop, a frozen container) does not turn every node into a stalled one when it goes on.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit = limit_ns
        self._seen: dict[int, int] = {}
        self._still: dict[int, int] = {}
        self._last = 0

    def due(self) -> int:
        """Return when the next look is worth while, ns."""
        return self._last + LOOK_NS

    def look(self, now: int, progress: Mapping[int, int]) -> list[int]:
        """Take the progress words of the watched nodes; return those that have just reached the limit."""
        passed = min(now - self._last, 2 * LOOK_NS)
        self._last = now
        stalled = []
        for node, word in progress.items():
            if self._seen.get(node) != word:
                self._seen[node] = word
                self._still[node] = 0
                continue
            before = self._still[node]
            self._still[node] = before + passed
            if before < self._limit <= before + passed:
                stalled.append(node)
        return stalled
