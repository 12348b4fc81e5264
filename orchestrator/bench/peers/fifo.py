"""faster-fifo: one message per chain, its packets joined, pickling switched off."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.peers.base import Hop, package_cure
from orchestrator.bench.work import PACKET_BYTES, Generator, Ids, Load, Reader

BATCH = 64
OVERHEAD = 64


def as_is(message: Any) -> Any:
    """Return the message: bytes on put; on get a view of the receive buffer, good until the next get."""
    return message


def _take(queue: Any) -> list[memoryview]:
    try:
        messages: list[memoryview] = queue.get_many_nowait(max_messages_to_get=BATCH)
    except Empty:
        return []
    return messages


def _put(queue: Any, messages: Sequence[memoryview]) -> None:
    if len(messages) == 1:
        queue.put(bytes(messages[0]))
    else:
        queue.put_many([bytes(message) for message in messages])


class FifoUpper:
    """Put chains, get completions."""

    waitable = None

    def __init__(self, load: Load, down: Any, up: Any) -> None:
        """Own cells for a window of packets."""
        self._down, self._up, self._cells = down, up, Cells(load)

    def send(self, generator: Generator) -> None:
        """Write the next chain into its cells and put them; the library takes nothing but bytes."""
        self._down.put(bytes(self._cells.fill(generator)))

    def forward(self, messages: Sequence[memoryview]) -> None:
        """Pass on the messages as they came."""
        _put(self._down, messages)

    def completions(self) -> list[Ids]:
        """Get the completions that are there."""
        return [np.frombuffer(bytes(message), dtype=np.uint64) for message in _take(self._up)]


class FifoLower:
    """Get chains, put completions."""

    waitable = None

    def __init__(self, load: Load, down: Any, up: Any) -> None:
        """Make room for a whole batch, so that `get_many` need not grow it on the way."""
        self._down, self._up = down, up
        self._down.reallocate_msg_buffer(
            min(BATCH, load.window // load.message) * (load.message * PACKET_BYTES + OVERHEAD)
        )

    def receive(self) -> Sequence[memoryview]:
        """Get the chains that are there, at most `BATCH`."""
        return _take(self._down)

    def read(self, messages: Sequence[memoryview], reader: Reader) -> Ids:
        """Read the headers where `get_many` put them."""
        return read_messages(messages, reader)

    def complete(self, ids: Sequence[Ids]) -> None:
        """Put all of them as one message."""
        self._up.put((ids[0] if len(ids) == 1 else np.concatenate(ids)).tobytes())


@dataclass(slots=True)
class FifoHop:
    """Hold both queues of a boundary."""

    load: Load
    down: Any
    up: Any

    def open_upper(self) -> FifoUpper:
        """Put into the queue down."""
        return FifoUpper(self.load, self.down, self.up)

    def open_lower(self) -> FifoLower:
        """Get from the queue down."""
        return FifoLower(self.load, self.down, self.up)


class FifoPeer:
    """Make queues in shared memory, large enough for a window twice over."""

    spin = 0

    def missing(self) -> str | None:
        """Say what to install where faster-fifo is not importable."""
        return package_cure("faster_fifo")

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make two queues per boundary."""
        size = 2 * load.window * (PACKET_BYTES + OVERHEAD)
        return [
            FifoHop(load, _queue(size, load.window), _queue(size, load.window)) for _ in range(load.job.hops)
        ]


def _queue(size: int, messages: int) -> Any:
    importlib.import_module("faster_fifo_reduction")
    library = importlib.import_module("faster_fifo")
    return library.Queue(max_size_bytes=size, maxsize=2 * messages, loads=as_is, dumps=as_is)
