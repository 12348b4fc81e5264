"""Doorbells: ZeroMQ messages that wake a consumer which has run dry.

A consumer that finds nothing *arms* its bell: it makes its arm word odd, fences, looks at its rings once more and
only then blocks. A producer that has published fences and reads that word; if it is odd and not the value it rang
for last, it sends one message. Under load nobody is armed and no message is sent. The message is
`[kind, edge, first position, count]` in msgpack.
"""

from __future__ import annotations

import select
from dataclasses import dataclass

import msgpack
import zmq

from shm.errors import SharedMemoryError
from shm.fence import full_fence

MAX_MESSAGE = 256
_FIELDS = 4
_WAKES_WITHOUT_MESSAGE = 8
_FIELD_LIMIT = 1 << 62


class BellBlocked(SharedMemoryError):
    """A doorbell message found no room: impossible while bells are rung only for armed consumers."""


@dataclass(frozen=True)
class Notice:
    """One doorbell message: what kind of entries, on which edge, where they start, how many."""

    kind: int
    edge: int
    first: int
    count: int


class Bell:
    """The producer's end towards one consumer."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], address: str, words: memoryview, arm: int
    ) -> None:
        self._socket = context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        # Neighbours start in any order: a bell made before its listener must not miss it by ZeroMQ's 100 ms.
        self._socket.setsockopt(zmq.RECONNECT_IVL, 2)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 100)
        self._socket.connect(address)
        self._words = words
        self._arm = arm
        self._rung = 0
        self.rung_count = 0

    def ring_if_armed(self, notice: Notice) -> None:
        """Send the notice if the consumer has armed its bell since the last one sent."""
        full_fence()
        epoch = self._words[self._arm]
        if epoch & 1 and epoch != self._rung:
            self._rung = epoch
            self.ring(notice)

    def ring(self, notice: Notice) -> None:
        """Send the notice now; raises BellBlocked if the socket has no room."""
        message = msgpack.packb([notice.kind, notice.edge, notice.first, notice.count])
        try:
            self._socket.send(message, zmq.DONTWAIT)
        except zmq.Again as error:
            raise BellBlocked(f"no room for a doorbell on edge {notice.edge}") from error
        self.rung_count += 1

    def close(self) -> None:
        """Close the socket; messages not yet taken are dropped."""
        self._socket.close(0)


class BellListener:
    """The consumer's end: one socket for all its producers."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], address: str, words: memoryview, arm: int
    ) -> None:
        self._socket = context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self._socket.bind(address)
        self._words = words
        self._arm = arm
        self.malformed_count = 0
        self.wake_count = 0

    def arm(self) -> None:
        """Ask producers to ring; the caller must look at its rings once more before it blocks."""
        self._words[self._arm] += 1
        full_fence()

    def disarm(self) -> None:
        """Tell producers that this side is awake."""
        self._words[self._arm] += 1

    def drain(self) -> list[Notice]:
        """Take every waiting message; a malformed one is counted and dropped."""
        notices = []
        while _has_input(self._socket):
            notice = _decode(self._socket.recv(zmq.DONTWAIT))
            if notice is None:
                self.malformed_count += 1
            else:
                notices.append(notice)
        return notices

    def wait(self, others: list[zmq.Socket[bytes]], timeout_ns: int) -> bool:
        """Block until a message waits here or on one of `others`, at most `timeout_ns`; return whether one does.

        ZeroMQ's descriptors are edge-triggered, so the sockets' own state is asked before and after. `select` is
        used for its resolution of microseconds; the pollers of ZeroMQ count in milliseconds. A descriptor may wake
        without a message, as when a neighbour connects; the wait then begins again, a few times at most.
        """
        sockets = [self._socket, *others]
        for attempt in range(_WAKES_WITHOUT_MESSAGE):
            if any(map(_has_input, sockets)):
                return True
            self.wake_count += not attempt
            if not select.select([socket.fileno() for socket in sockets], [], [], timeout_ns / 1e9)[0]:
                return False
        return any(map(_has_input, sockets))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(0)


def _has_input(socket: zmq.Socket[bytes]) -> bool:
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def _decode(message: bytes) -> Notice | None:
    try:
        fields = msgpack.unpackb(message, max_array_len=_FIELDS, max_str_len=0, max_bin_len=0, max_map_len=0)
    except (ValueError, msgpack.exceptions.UnpackException):
        return None
    if (
        not isinstance(fields, list)
        or len(fields) != _FIELDS
        or not all(type(field) is int and 0 <= field < _FIELD_LIMIT for field in fields)
    ):
        return None
    return Notice(*fields)
