"""`multiprocessing.Queue`: one item per chain, its packets joined in one bytes object."""

from __future__ import annotations

import multiprocessing
import select
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.peers.base import Hop
from orchestrator.bench.work import Generator, Ids, Load, Reader

BATCH = 64


class Drain:
    """Take what a queue holds, without waiting; `Queue.empty` would make a selector for each look."""

    def __init__(self, queue: Queue[Any]) -> None:
        """Watch the queue's pipe: documented nowhere, but the only way to wait for two queues at once."""
        self._queue = queue
        self.fileno = queue._reader.fileno()  # type: ignore[attr-defined]
        self._poll = select.poll()
        self._poll.register(self.fileno, select.POLLIN)

    def take(self) -> list[Any]:
        """Take the items that are there, at most `BATCH`."""
        items: list[Any] = []
        while len(items) < BATCH and self._poll.poll(0):
            items.append(self._queue.get())
        return items


class QueueUpper:
    """Put chains, get completions."""

    def __init__(self, load: Load, down: Queue[Any], up: Queue[Any]) -> None:
        """Own cells for a window: the feeder thread of the queue reads them later."""
        self._down, self._up, self._cells = down, Drain(up), Cells(load)
        self.waitable = self._up.fileno

    def send(self, generator: Generator) -> None:
        """Write the next chain into its cells and put them."""
        self._down.put(bytes(self._cells.fill(generator)))

    def forward(self, messages: Sequence[bytes]) -> None:
        """Pass on each item as it came."""
        for message in messages:
            self._down.put(message)

    def completions(self) -> list[Ids]:
        """Get the completions that are there."""
        return [np.frombuffer(message, dtype=np.uint64) for message in self._up.take()]


class QueueLower:
    """Get chains, put completions."""

    def __init__(self, down: Queue[Any], up: Queue[Any]) -> None:
        """Own nothing."""
        self._down, self._up = Drain(down), up
        self.waitable = self._down.fileno

    def receive(self) -> Sequence[bytes]:
        """Get the chains that are there, at most `BATCH`."""
        return self._down.take()

    def read(self, messages: Sequence[bytes], reader: Reader) -> Ids:
        """Read the headers where unpickling put them."""
        return read_messages(messages, reader)

    def complete(self, ids: Sequence[Ids]) -> None:
        """Put all of them as one item."""
        self._up.put((ids[0] if len(ids) == 1 else np.concatenate(ids)).tobytes())


@dataclass(slots=True)
class QueueHop:
    """Hold both queues of a boundary."""

    load: Load
    down: Queue[Any]
    up: Queue[Any]

    def open_upper(self) -> QueueUpper:
        """Put into the queue down."""
        return QueueUpper(self.load, self.down, self.up)

    def open_lower(self) -> QueueLower:
        """Get from the queue down."""
        return QueueLower(self.down, self.up)


class QueuePeer:
    """Make queues without a limit: the window bounds what they hold."""

    spin = 0

    def missing(self) -> str | None:
        """Say None: it is part of Python."""
        return None

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make two queues per boundary."""
        context = multiprocessing.get_context("spawn")
        return [QueueHop(load, context.Queue(), context.Queue()) for _ in range(load.job.hops)]
