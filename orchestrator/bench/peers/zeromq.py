"""pyzmq over ipc: one PAIR per boundary, each chain one message, completions coming back on the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.peers.base import Hop
from orchestrator.bench.work import PACKET_BYTES, Generator, Ids, Load, Reader

BATCH = 64
COPY_BELOW = 65_536
BUFFER_BYTES = 4 << 20


def _take(socket: zmq.SyncSocket, copy: bool) -> list[Any]:
    messages: list[Any] = []
    try:
        while len(messages) < BATCH:
            messages.append(socket.recv(zmq.DONTWAIT, copy=copy))
    except zmq.Again:
        pass
    return messages


def _socket(endpoint: str, bind: bool) -> zmq.SyncSocket:
    socket: zmq.SyncSocket = zmq.Context.instance().socket(zmq.PAIR)
    socket.set_hwm(0)
    socket.sndbuf = socket.rcvbuf = BUFFER_BYTES
    socket.linger = 0
    if bind:
        socket.bind(endpoint)
    else:
        socket.connect(endpoint)
    return socket


class ZmqUpper:
    """Send chains, take completions; the window, not a high-water mark, bounds what is queued."""

    def __init__(self, load: Load, endpoint: str) -> None:
        """Own cells for a window: a large message is sent from them without a copy."""
        self.waitable = self._socket = _socket(endpoint, bind=False)
        self._cells = Cells(load)
        self._copy = load.message * PACKET_BYTES < COPY_BELOW

    def send(self, generator: Generator) -> None:
        """Write the next chain into its cells and send it."""
        self._socket.send(self._cells.fill(generator), 0, self._copy)

    def forward(self, messages: Sequence[Any]) -> None:
        """Pass on each message as it came."""
        for message in messages:
            self._socket.send(message, 0, self._copy)

    def completions(self) -> list[Ids]:
        """Take the completions that are there."""
        return [np.frombuffer(message, dtype=np.uint64) for message in _take(self._socket, copy=True)]


class ZmqLower:
    """Receive chains, send completions."""

    def __init__(self, load: Load, endpoint: str) -> None:
        """Bind, as the lower layer is up first."""
        self.waitable = self._socket = _socket(endpoint, bind=True)
        self._copy = load.message * PACKET_BYTES < COPY_BELOW

    def receive(self) -> Sequence[Any]:
        """Take the chains that are there, at most `BATCH`."""
        return _take(self._socket, self._copy)

    def read(self, messages: Sequence[Any], reader: Reader) -> Ids:
        """Read the headers where ZeroMQ put them."""
        return read_messages(messages if self._copy else [message.buffer for message in messages], reader)

    def complete(self, ids: Sequence[Ids]) -> None:
        """Send all of them as one message."""
        self._socket.send((ids[0] if len(ids) == 1 else np.concatenate(ids)).data)


@dataclass(frozen=True, slots=True)
class ZmqHop:
    """Name the socket of one boundary."""

    load: Load
    endpoint: str

    def open_upper(self) -> ZmqUpper:
        """Connect."""
        return ZmqUpper(self.load, self.endpoint)

    def open_lower(self) -> ZmqLower:
        """Bind."""
        return ZmqLower(self.load, self.endpoint)


class ZmqPeer:
    """Make ipc sockets in the run's directory."""

    spin = 50

    def missing(self) -> str | None:
        """Say None: ndisim needs it itself."""
        return None

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make one socket name per boundary."""
        return [ZmqHop(load, f"ipc://{directory}/hop{index}") for index in range(load.job.hops)]
