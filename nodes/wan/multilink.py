"""Multilink PPP (RFC 1990): packets cut into numbered fragments, and put together again on the far side.

A fragment's header follows its protocol field (00 3D):

    long    | B E 0 0 0 0 0 0 | sequence 24 bits |
    short   | B E 0 0 | sequence 12 bits |

B marks the first fragment of a packet, E the last. One numbering runs over all links of the bundle; on each link the
numbers only grow, which is what tells the receiver that a fragment is lost.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nodes.wan.ppp import MalformedPpp

_BEGIN, _END = 2, 1


class SequenceFormat(NamedTuple):
    """One of the two header formats: header bytes and bits of the sequence number."""

    length: int
    bits: int

    @property
    def modulus(self) -> int:
        """Return after how many fragments numbers come again."""
        return 1 << self.bits


LONG = SequenceFormat(4, 24)
SHORT = SequenceFormat(2, 12)


class Fragment(NamedTuple):
    """A piece of a packet: whether it is the first and the last one, its sequence number and its bytes."""

    begin: bool
    end: bool
    sequence: int
    data: bytes


def headers(
    begin: NDArray[np.bool_],
    end: NDArray[np.bool_],
    sequence: NDArray[np.int64],
    form: SequenceFormat = LONG,
) -> NDArray[np.uint8]:
    """Return the headers of a run of fragments, shape (n, form.length); sequence numbers wrap."""
    marks = (begin * _BEGIN + end * _END).astype(np.uint32) << (8 * form.length - 2)
    words = marks | (sequence % form.modulus).astype(np.uint32)
    return words.astype(f">u{form.length}").view(np.uint8).reshape(len(words), form.length)


def parse(information: bytes, form: SequenceFormat = LONG) -> Fragment:
    """Return the fragment that follows the protocol field; raises MalformedPpp when its header is cut short."""
    if len(information) < form.length:
        raise MalformedPpp(
            f"a multilink header of {len(information)} bytes is cut short, {form.length} are wanted"
        )
    word = int.from_bytes(information[: form.length], "big")
    marks = word >> (8 * form.length - 2)
    sequence = word & (form.modulus - 1)
    return Fragment(bool(marks & _BEGIN), bool(marks & _END), sequence, information[form.length :])


class Reassembler:
    """The receiving end of a bundle.

    `take` returns the packets that a fragment completes, in the order of their numbers. A fragment counts as lost as
    soon as every link has delivered a later one (RFC 1990, 4.1), when more than `limit` fragments wait behind it, or
    when `give_up` is called; the packets that it belonged to are dropped whole. `expected` is the number that comes
    next, the `first` at the beginning.
    """

    def __init__(self, form: SequenceFormat = LONG, limit: int = 1024, first: int = 0) -> None:
        self._form = form
        self._limit = limit
        self.expected = first
        self._waiting: dict[int, Fragment] = {}
        self._latest: dict[Hashable, int] = {}
        self._parts: list[bytes] | None = None
        self.lost = 0
        """Fragments that never came."""
        self.late = 0
        """Fragments that came twice, or after they had been given up."""
        self.dropped = 0
        """Fragments that came but belonged to a packet of which another was lost."""

    @property
    def gap(self) -> int | None:
        """Return the number of the fragment that others wait for, None when none waits."""
        return self.expected if self._waiting else None

    def join(self, link: Hashable) -> None:
        """Count a link in: it may still deliver everything from here on."""
        self._latest.setdefault(link, self.expected - 1)

    def leave(self, link: Hashable) -> list[bytes]:
        """Count a link out: nothing more comes from it; return the packets that this lets through."""
        self._latest.pop(link, None)
        return self._advance()

    def take(self, link: Hashable, fragment: Fragment) -> list[bytes]:
        """Note a fragment from a link; return the packets now complete, maybe none."""
        half = self._form.modulus >> 1
        number = self.expected + (fragment.sequence - self.expected + half) % self._form.modulus - half
        self._latest[link] = max(number, self._latest.get(link, number))
        if number < self.expected or number in self._waiting:
            self.late += 1
        else:
            self._waiting[number] = fragment
        return self._advance()

    def give_up(self) -> list[bytes]:
        """Stop waiting for the fragments of the first gap; return the packets that this lets through."""
        if self._waiting:
            self._skip()
        return self._advance()

    def _advance(self) -> list[bytes]:
        packets: list[bytes] = []
        while True:
            while self.expected in self._waiting:
                self._use(self._waiting.pop(self.expected), packets)
                self.expected += 1
            if not self._waiting or not self._gap_is_lost():
                return packets
            self._skip()

    def _gap_is_lost(self) -> bool:
        return (
            len(self._waiting) > self._limit
            or min(self._latest.values(), default=self.expected) > self.expected
        )

    def _skip(self) -> None:
        following = min(self._waiting)
        self.lost += following - self.expected
        self.expected = following
        self._break()

    def _use(self, fragment: Fragment, packets: list[bytes]) -> None:
        if fragment.begin:
            self._break()
            self._parts = []
        if self._parts is None:
            self.dropped += 1
            return
        self._parts.append(fragment.data)
        if fragment.end:
            packets.append(b"".join(self._parts))
            self._parts = None

    def _break(self) -> None:
        """Drop the packet under way."""
        self.dropped += len(self._parts or ())
        self._parts = None
