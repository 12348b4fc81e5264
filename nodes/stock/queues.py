"""Sends that wait for room: a queue for each driver above, and the fair order in which they leave."""

from __future__ import annotations

from collections import deque

import numpy as np

from nodes.ndis import Adapter, Binding
from nodes.packets.chain import NblChain

QUANTUM = 64
"""Packets that one driver above may send in its turn, while others wait too."""


class Queue:
    """The sends of one driver above that wait for room below, in the order of its calls."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self._calls: deque[tuple[NblChain, int]] = deque()

    def __bool__(self) -> bool:
        return bool(self._calls)

    def put(self, chain: NblChain, flags: int) -> None:
        """Append one call."""
        self._calls.append((chain, flags))

    def take(self, limit: int) -> tuple[NblChain, int]:
        """Take the first call, at most `limit` packets of it; the rest stays first in line."""
        chain, flags = self._calls.popleft()
        if len(chain) > limit:
            self._calls.appendleft((chain[limit:], flags))
        return chain[:limit], flags

    def take_cancelled(self, cancel_id: int) -> list[NblChain]:
        """Take every packet with this cancel id."""
        calls, self._calls = self._calls, deque()
        taken = []
        for chain, flags in calls:
            mask = chain.cancel_id == np.uint64(cancel_id)
            if mask.any():
                taken.append(chain[mask])
                chain = chain[~mask]
            if len(chain):
                self._calls.append((chain, flags))
        return taken


class FairLane:
    """One binding below and the queues that wait for it, first the one whose turn it is for `left` more packets.

    `open` says whether sends may leave there: not while it is paused, its adapter is being reset, or about to go;
    `gone` that it has been undone, and nobody knows whether they ever will again.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.waiting: deque[Queue] = deque()
        self.open = True
        self.gone = False
        self._left = QUANTUM

    def next(self) -> tuple[NblChain, int]:
        """Take what may leave next: at most the room below and the rest of the turn; both are above zero."""
        queue = self.waiting[0]
        chain, flags = queue.take(min(self.binding.room, self._left))
        self._left -= len(chain)
        if not queue:
            self.drop(queue)
        elif not self._left:
            self.waiting.rotate(-1)
            self._left = QUANTUM
        return chain, flags

    def drop(self, queue: Queue) -> None:
        """Forget a queue that has become empty."""
        if self.waiting[0] is queue:
            self._left = QUANTUM
        self.waiting.remove(queue)
