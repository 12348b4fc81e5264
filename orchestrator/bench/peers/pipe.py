"""`multiprocessing.Pipe`: one message per chain, its packets joined, in the largest kernel pipe allowed."""

from __future__ import annotations

import fcntl
import multiprocessing
import select
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.peers.base import Hop
from orchestrator.bench.work import Generator, Ids, Load, Reader

PIPE_BYTES = 1 << 20
BATCH = 64


class PipeUpper:
    """Send chains into one pipe, take completions from the other."""

    def __init__(self, data: Connection, ids: Connection, load: Load) -> None:
        """Own cells for a window of packets."""
        self._data, self._ids, self._cells = data, Drain(ids), Cells(load)
        self.waitable = ids.fileno()

    def send(self, generator: Generator) -> None:
        """Write the next chain into its cells and send them as one message."""
        self._data.send_bytes(self._cells.fill(generator))

    def forward(self, messages: Sequence[bytes]) -> None:
        """Pass on each message as it came."""
        for message in messages:
            self._data.send_bytes(message)

    def completions(self) -> list[Ids]:
        """Take the completions that are there."""
        return [np.frombuffer(message, dtype=np.uint64) for message in self._ids.take()]


class PipeLower:
    """Receive chains from one pipe, send completions into the other."""

    def __init__(self, data: Connection, ids: Connection) -> None:
        """Own nothing: messages are read where `recv_bytes` puts them."""
        self._data, self._ids = Drain(data), ids
        self.waitable = data.fileno()

    def receive(self) -> Sequence[bytes]:
        """Take the chains that are there, at most `BATCH`."""
        return self._data.take()

    def read(self, messages: Sequence[bytes], reader: Reader) -> Ids:
        """Read the headers where they lie."""
        return read_messages(messages, reader)

    def complete(self, ids: Sequence[Ids]) -> None:
        """Send all of them as one message."""
        self._ids.send_bytes((ids[0] if len(ids) == 1 else np.concatenate(ids)).data)


class Drain:
    """Receive what a pipe holds, without waiting; `Connection.poll` would make a selector for each look."""

    def __init__(self, connection: Connection) -> None:
        """Watch one connection."""
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)

    def take(self) -> list[bytes]:
        """Take the messages that are there, at most `BATCH`."""
        messages: list[bytes] = []
        while len(messages) < BATCH and self._poll.poll(0):
            messages.append(self._connection.recv_bytes())
        return messages


@dataclass(slots=True)
class PipeHop:
    """Hold both pipes of a boundary."""

    down: tuple[Connection, Connection]
    up: tuple[Connection, Connection]
    load: Load

    def open_upper(self) -> PipeUpper:
        """Use the sending end of the pipe down and the receiving end of the pipe up."""
        return PipeUpper(self.down[1], self.up[0], self.load)

    def open_lower(self) -> PipeLower:
        """Use the other two ends."""
        return PipeLower(self.down[0], self.up[1])


class PipePeer:
    """Make pipes."""

    spin = 0

    def missing(self) -> str | None:
        """Say None: it is part of Python."""
        return None

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make two one-way pipes per boundary."""
        return [PipeHop(_pipe(), _pipe(), load) for _ in range(load.job.hops)]


def _pipe() -> tuple[Connection, Connection]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with suppress(PermissionError):
        fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return receiver, sender
