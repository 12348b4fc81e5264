"""Waiting inside a handler: what a node does while its driver waits for something.

A driver waits in its handler, as a thread at PASSIVE_LEVEL blocks in KeWaitForSingleObject. Meanwhile the node goes
on as DPCs do under a blocked thread: replies reach their handlers, timers run, calls that others wait for are taken,
and whoever is being called may call back. Other new work is put aside in its order and handled once the handler has
returned, so that handlers do not pile up on each other. A `call` crossing waits in the same way for its answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import CALLED, FLAGS_SHIFT, NESTED, NOTICE, REPLY, Op
from nodes.packets.chain import NblChain
from nodes.timers import NEVER
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
NESTING = 3
"""Waits inside waits up to which timers run and callees may call back; deeper ones hear replies only."""
CALL_LIMIT = 10_000_000_000
"""How long a callee may take to return from its handler, in ns."""
EARLY_LIMIT = 1_000_000
"""How long a send call lingers for an early completion, in ns."""


class CallUnanswered(RuntimeError):
    """The driver called has not returned from its handler in time; look for what it waits for there."""


class NobodyElseRuns(RuntimeError):
    """A driver waits, but nobody lets other nodes run meanwhile; set `Node.pump`."""


class Batch(NamedTuple):
    """Entries of one operation and one set of flags, read from a port and not yet handled."""

    port: Port
    op: Op
    handles: U64
    meta: U64


class _Wait(NamedTuple):
    deadline: int
    called: Port | None


def nobody_else() -> None:
    """Stand for `Node.pump` until a host sets it; raises NobodyElseRuns."""
    raise NobodyElseRuns("this node's driver waits, but nothing else can run: its host has set no pump")


class Waiting:
    """The waits that a node's driver is in, innermost last."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._waits: list[_Wait] = []

    @property
    def depth(self) -> int:
        """Return how many waits the driver is in."""
        return len(self._waits)

    @property
    def runs_timers(self) -> bool:
        """Return whether timers run now: not under waits that nest too deep."""
        return self.depth <= NESTING

    def next_due(self) -> int:
        """Return when the innermost wait ends at the latest, ns: no other ends before it. NEVER if there is none."""
        return self._waits[-1].deadline if self._waits else NEVER

    def until(self, condition: Callable[[], bool], limit: int, called: Port | None = None) -> bool:
        """Return True as soon as `condition` holds, False when it does not within `limit` ns.

        Requests from the port that is being `called` are handled meanwhile: they are the callee's calls back.
        """
        node = self._node
        self._waits.append(_Wait(node.clock.now() + limit, called))
        try:
            while not condition():
                if node.clock.now() >= self._waits[-1].deadline:
                    return False
                if not self.attend():
                    node.pump()
            return True
        finally:
            self._waits.pop()

    def for_all_back(self, port: Port, chain: NblChain, limit: int) -> bool:
        """Publish, and wait until none of these packets is out through `port`; False if some are after `limit` ns."""
        self._node.publish()
        return self.until(lambda: none_set(port.out[chain.slots] == chain.handles), limit, port)

    def linger(self, port: Port, chain: NblChain) -> None:
        """Give the lower driver time to complete a send before the send call returns (N6-SEND-05).

        Sends made by handlers within handlers are not waited for, or each would deepen the stack by one.
        """
        if self.depth < NESTING:
            self.for_all_back(port, chain, EARLY_LIMIT)

    def attend(self) -> int:
        """Publish what was handed over and handle what may be handled under a wait; return how much that was."""
        node = self._node
        node.publish()
        node.collect()
        work = self._serve(node.inbox)
        if self.runs_timers:
            work += node.irql.run_timers()
        work += node.run_deferred()
        node.publish()
        node.bump()
        return work

    def _serve(self, inbox: deque[Batch]) -> int:
        served, place = 0, 0
        while place < len(inbox):
            batch = inbox[place]
            if self._allows(batch, inbox):
                del inbox[place]
                self._node.handle(batch)
                served += len(batch.handles)
                place = 0  # its handler may have waited, and taken others out
            else:
                place += 1
        return served

    def _allows(self, batch: Batch, inbox: deque[Batch]) -> bool:
        """Return whether a batch is handled now.

        Replies and what nests always are, and so is whatever stands before a call of the same neighbour, which waits
        for its return; calls back are, while they do not nest too deep.
        """
        if batch.op & REPLY or batch.op in NESTED:
            return True
        if any(other.port is batch.port and _is_call(other) for other in inbox):
            return True
        if batch.op & NOTICE or self.depth > NESTING:
            return False
        return any(wait.called is batch.port for wait in self._waits)


def _is_call(batch: Batch) -> bool:
    """Return whether the neighbour waits for the handler of this request to return."""
    called = batch.op is Op.SEND and int(batch.meta[0]) >> FLAGS_SHIFT & CALLED
    return bool(called) or batch.op in (Op.INDICATE_CALL, Op.LOOKAHEAD)
