"""How long a sender was left without a completion although it had packets in flight or wanted to send."""

from __future__ import annotations

from nodes.metrics import Counter
from shm.board import Board

NOT_WAITING = -1


class Starvation:
    """The longest wait of one source, kept on its board; times are in ns, on the board in us, rounded up.

    `since` is when the wait that is going on began, `NOT_WAITING` while there is none: a source that wants nothing, or
    that is paused, is not starved.
    """

    def __init__(self, board: Board) -> None:
        self.since = NOT_WAITING
        self._counters = board.counters
        self._longest = self._flow_longest = 0

    def begin(self, at: int) -> None:
        """Let a wait begin; one that is going on goes on."""
        if self.since == NOT_WAITING:
            self.since = at
            if not self._longest:
                self._note(1)

    def fed(self, now: int) -> None:
        """End a wait with a completion, and let the next one begin; after `end` there is none to end."""
        since = self.since
        if since != NOT_WAITING:
            if now - since > self._longest:
                self._note(now - since)
            self.since = now

    def end(self, now: int) -> None:
        """End a wait without a completion: nothing is in flight or wanted any more, or the source is stopped."""
        self.fed(now)
        self.since = NOT_WAITING

    def flow_waited(self, place: int, waited: int) -> None:
        """Note how long the flow at this place has had no turn."""
        if waited > self._flow_longest:
            self._flow_longest = waited
            self._counters[Counter.FLOW_STARVED_US] = -(-waited // 1000)
            self._counters[Counter.FLOW_STARVED] = place

    def _note(self, waited: int) -> None:
        self._longest = waited
        self._counters[Counter.STARVED_US] = -(-waited // 1000)
