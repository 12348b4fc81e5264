"""The work every peer does: distinct packets written in full, headers read, completions counted."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKET_BYTES = 1_500
PACKET_WORDS = PACKET_BYTES // 4
HEADER_BYTES = 64
HEADER_WORDS = HEADER_BYTES // 4
SEQUENCE_BYTES = 8
WINDOW = 4_096
SOURCES = 61
HEADER_QUADS = HEADER_BYTES // 8
ONE_HEADER = struct.Struct(f"<{HEADER_QUADS}Q")
MASK = (1 << 64) - 1

Words = NDArray[np.uint32]
Ids = NDArray[np.uint64]


class Job(enum.StrEnum):
    """Name the way a packet goes: over two hops through a relay, over one, or through a stack of five layers."""

    RELAY = "relay"
    PAIR = "pair"
    STACK = "stack"

    @property
    def hops(self) -> int:
        """Count the boundaries between sender and bottom."""
        return {Job.RELAY: 2, Job.PAIR: 1, Job.STACK: 4}[self]


@dataclass(frozen=True, slots=True)
class Load:
    """Say how much of a job to do: at most `packets`, for at most `seconds`, `chain` packets a call.

    A call is one message of the whole chain, unless `apart` asks for a message per packet, which leaves each
    packet free to be completed, dropped or reordered by itself, as packets of an NBL chain are.
    """

    job: Job
    chain: int
    packets: int
    seconds: float
    window: int = WINDOW
    apart: bool = False

    def __post_init__(self) -> None:
        """Refuse a load that cannot move. Raises `ValueError` with the value."""
        if self.chain < 1 or self.chain > self.window:
            raise ValueError(f"chain {self.chain} is not in 1..{self.window}, the packets in flight")
        if self.packets < 1 or self.seconds <= 0:
            raise ValueError(f"a load of {self.packets} packets in {self.seconds} s is empty")

    @property
    def message(self) -> int:
        """Count the packets of one message."""
        return 1 if self.apart else self.chain

    @property
    def chains(self) -> int:
        """Count the calls in `packets`, at least one."""
        return max(1, self.packets // self.chain)


@dataclass(frozen=True, slots=True)
class Tally:
    """Hold what one side saw: packets, sum of sequence numbers, sum of header words mod 2**64."""

    packets: int
    sequences: int
    headers: int


class Generator:
    """Write the packets of one run: random bytes at a rolling offset, stamped with a sequence number.

    Sequence numbers start at 0 and have no gap; the first 8 bytes of a packet carry its own. Every byte of a
    packet is written. The same code serves every peer: a figure tells the crossings apart, not the writing.
    """

    def __init__(self, chain: int) -> None:
        """Prepare `SOURCES` different chains of random packets; takes some milliseconds."""
        words = SOURCES * 16 + chain * PACKET_WORDS
        self._block = np.random.default_rng(1).integers(0, 1 << 32, words, dtype=np.uint32)
        self._bytes = memoryview(self._block.data).cast("B")
        self._chain = chain
        self._sources = [self._source(index, chain) for index in range(SOURCES)]
        self._ids = np.arange(chain, dtype=np.uint64)
        self._stamp = self._ids.view(np.uint32).reshape(chain, 2)
        self._step = np.full(1, chain, dtype=np.uint64)
        self._next = 0

    def _source(self, index: int, chain: int) -> Words:
        start = index * 16
        return self._block[start : start + chain * PACKET_WORDS].reshape(chain, PACKET_WORDS)

    def fill(self, cells: Words) -> None:
        """Write the next chain into `cells`, shape (chain, 375) of uint32; rows need not be adjacent."""
        first = self._next
        cells[...] = self._sources[first // self._chain % SOURCES]
        cells[:, :2] = self._stamp
        self._ids += self._step
        self._next = first + self._chain

    def fill_one(self, cell: memoryview) -> None:
        """Write the next packet into `cell`, 1,500 bytes: `fill` without its cost for a chain of 1."""
        first = self._next
        start = first % SOURCES * 64
        cell[:] = self._bytes[start : start + PACKET_BYTES]
        cell[:SEQUENCE_BYTES] = first.to_bytes(SEQUENCE_BYTES, "little")
        self._next = first + 1

    def expected(self) -> Tally:
        """Say what a bottom must have seen of the packets written so far."""
        chains = self._next // self._chain
        full, rest = divmod(chains, SOURCES)
        headers = [
            np.ascontiguousarray(source[:, 2:HEADER_WORDS]).view(np.uint64) for source in self._sources
        ]
        sums = [int(header.sum()) for header in headers]
        random = full * sum(sums) + sum(sums[:rest])
        sequences = self._next * (self._next - 1) // 2
        return Tally(self._next, sequences, (random + sequences) & MASK)


class Reader:
    """Read the header of every packet at the bottom, and keep the sums that prove it."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._packets = 0
        self._sequences = 0
        self._headers = 0
        self._copy = np.empty((WINDOW, HEADER_WORDS), dtype=np.uint32)
        self._quads = self._copy.view(np.uint64)

    def read(self, headers: Words) -> Ids:
        """Copy and sum the headers of a chain, shape (n, >= 16) of uint32; return its sequence numbers."""
        count = len(headers)
        self._copy[:count] = headers[:, :HEADER_WORDS]
        quads = self._quads[:count]
        ids: Ids = quads[:, 0].copy()
        self._packets += count
        self._sequences += int(np.add.reduce(ids))
        self._headers += int(np.add.reduce(quads, axis=None))
        return ids

    def read_one(self, packet: Any) -> int:
        """Sum one header and return its sequence number: `read` without its cost for a chain of 1."""
        quads = ONE_HEADER.unpack_from(packet)
        self._packets += 1
        self._sequences += quads[0]
        self._headers += sum(quads)
        return int(quads[0])

    def tally(self) -> Tally:
        """Say what was read so far."""
        return Tally(self._packets, self._sequences, self._headers & MASK)


def words_of(buffer: Any) -> Words:
    """View a contiguous buffer of whole packets as rows of 375 words."""
    return np.frombuffer(buffer, dtype=np.uint32).reshape(-1, PACKET_WORDS)
