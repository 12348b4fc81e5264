"""Tell a node that hangs from one that idles: its progress word stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping

LOOK_NS = 250_000_000
SUSPECT = 4
"""From this part of the limit on a node is asked how long it waited for a processor: an idle one never is."""


class StallWatch:
    """Adds up, per node, the time without progress, in looks that are LOOK_NS apart or more.

    The time that a node was ready to run and had no processor does not count: hundreds of nodes wait for long on two.
    One look counts for at most two intervals, so that a machine which was stopped as a whole (a suspended
    laptop, a frozen container) does not turn every node into a stalled one when it goes on.
    """

    def __init__(self, limit_ns: int) -> None:
        self._limit = limit_ns
        self._seen: dict[int, int] = {}
        self._still: dict[int, int] = {}
        self._waited: dict[int, int] = {}
        self._last = 0

    def due(self) -> int:
        """Return when the next look is worth while, ns."""
        return self._last + LOOK_NS

    def look(self, now: int, progress: Mapping[int, int], waited: Callable[[int], int]) -> list[int]:
        """Take the progress words of the watched nodes; return those that have just reached the limit.

        `waited` returns how long a node has waited for a processor since its start, ns.
        """
        passed = min(now - self._last, 2 * LOOK_NS)
        self._last = now
        stalled = []
        for node, word in progress.items():
            if self._seen.get(node) != word:
                self._seen[node] = word
                self._still[node] = 0
                self._waited.pop(node, None)
                continue
            before = self._still[node]
            after = self._still[node] = before + passed - self._new_waiting(node, before, passed, waited)
            if before < self._limit <= after:
                stalled.append(node)
        return stalled

    def _new_waiting(self, node: int, still: int, passed: int, waited: Callable[[int], int]) -> int:
        """Return how much of the time since the last look a node that stands still waited for a processor."""
        if still < self._limit // SUSPECT:
            return 0
        total = waited(node)
        before = self._waited.get(node, total)
        self._waited[node] = total
        return min(total - before, passed)
