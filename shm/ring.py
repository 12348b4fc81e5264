"""Single-producer single-consumer rings.

A ring is two parallel columns and two cursors that count for ever:

    argument  | u64 | u64 | u64 | ...      a packet handle, or what the operation needs
    meta      | u64 | u64 | u64 | ...      operation, flags, status: opaque here

    tail -> written by the producer alone    head -> written by the consumer alone

Positions count from creation; an index is a position masked by the power-of-two capacity. Publishing is one store
of the tail, last. Neither end knows what an entry means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shm.errors import CursorCorrupt, RingOverrun

U64 = NDArray[np.uint64]
COLUMNS = 2


@dataclass(frozen=True)
class RingMemory:
    """The memory of one ring: columns of shape (2, capacity) and the two cursor words.

    `words` is the segment as native 64-bit words; `tail` and `head` are indices into it.
    """

    columns: U64
    words: memoryview
    tail: int
    head: int

    @property
    def capacity(self) -> int:
        """Return the number of entries, a power of two."""
        return int(self.columns.shape[1])


@dataclass(frozen=True)
class Entries:
    """Entries copied out of a ring: two arrays of one length and the position of the first."""

    position: int
    arguments: U64
    meta: U64

    def __len__(self) -> int:
        return len(self.arguments)


class RingProducer:
    """The writing end of a ring."""

    def __init__(self, memory: RingMemory) -> None:
        self._memory = memory
        self._mask = memory.capacity - 1
        self._arguments, self._meta = memory.columns
        self.position = memory.words[memory.tail]
        self._head_position = memory.words[memory.head]

    @property
    def capacity(self) -> int:
        """Return how many entries the ring has."""
        return self._mask + 1

    def unread_since(self) -> int:
        """Return the position of the oldest entry that the consumer has not released; raises CursorCorrupt."""
        return self.position - self.capacity + self.free(self.capacity)

    def free(self, wanted: int = 1) -> int:
        """Return how many entries fit now; the consumer's cursor is read only when the cached one is not enough.

        Raises CursorCorrupt when that cursor is ahead of what was ever written.
        """
        room = self._mask + 1 - (self.position - self._head_position)
        if room < wanted:
            head_position = self._memory.words[self._memory.head]
            if not self._head_position <= head_position <= self.position:
                raise CursorCorrupt(f"ring head at {head_position}, written up to {self.position}")
            self._head_position = head_position
            room = self._mask + 1 - (self.position - head_position)
        return room

    def write(self, arguments: U64, meta: U64 | int) -> int:
        """Fill the next entries without showing them; return the position of the first.

        Raises RingOverrun when they do not fit: credits should have prevented the call.
        """
        count = len(arguments)
        if self.free(count) < count:
            raise RingOverrun(f"{count} entries offered, {self.free()} fit")
        start = self.position & self._mask
        stop = start + count
        if stop <= self._mask + 1:
            self._arguments[start:stop] = arguments
            self._meta[start:stop] = meta
        else:
            index = np.arange(start, stop) & self._mask
            self._arguments[index] = arguments
            self._meta[index] = meta
        first = self.position
        self.position += count
        return first

    def unread(self) -> Entries:
        """Return a copy of what the consumer has not released; raises CursorCorrupt."""
        first = self.unread_since()
        index = np.arange(first, self.position) & self._mask
        return Entries(first, self._arguments[index], self._meta[index])

    def publish(self) -> None:
        """Show everything written so far to the consumer: one store."""
        self._memory.words[self._memory.tail] = self.position


class RingConsumer:
    """The reading end of a ring."""

    def __init__(self, memory: RingMemory) -> None:
        self._memory = memory
        self._mask = memory.capacity - 1
        self.position = memory.words[memory.head]

    def peek(self, tail_position: int, limit: int) -> Entries:
        """Copy at most `limit` entries below `tail_position`, which the caller has read from the producer's cursor.

        Raises CursorCorrupt when the cursor is behind the reader or further ahead than the ring is long. The copy
        is what makes later checks hold: the producer could write again as soon as entries are released.
        """
        count = tail_position - self.position
        if not 0 <= count <= self._mask + 1:
            raise CursorCorrupt(
                f"ring tail at {tail_position}, read up to {self.position}, capacity {self._mask + 1}"
            )
        count = min(count, limit)
        start = self.position & self._mask
        stop = start + count
        if stop <= self._mask + 1:
            block = self._memory.columns[:, start:stop].copy()
        else:
            block = self._memory.columns[:, np.arange(start, stop) & self._mask]
        return Entries(self.position, block[0], block[1])

    def release(self, count: int) -> int:
        """Give `count` entries back to the producer, by one store; return the position of the next."""
        self.position += count
        self._memory.words[self._memory.head] = self.position
        return self.position
