"""What an end of an edge does with messages, beside the packets that `Port` is about.

Messages take no credits, as rings have room for every message slot of both ends, and are counted apart from packets.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import END, OP_INFO, STATUS_SHIFT, Op, call_meta
from nodes.metrics import PortCounter
from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody

U64 = NDArray[np.uint64]


class MessageEnd:
    """The part of a port that messages pass; `asked` is how many of them are out."""

    asked: int
    outstanding: int
    counters: memoryview
    _custody: Custody

    def ask(self, op: Op, chain: NblChain, flags: int) -> None:
        """Hand messages over as one call, behind whatever the port was given before."""
        self._custody.release(chain.handles, chain.slots, OP_INFO[op])
        self.asked += len(chain)
        self._write_staged()
        self._write(op, chain, call_meta(op, flags) | END)
        self._count(PortCounter.REQUESTS_OUT, PortCounter.MESSAGES_OUT, len(chain))

    def answer(self, op: Op, chain: NblChain, status: int) -> None:
        """Give messages back with a status; one that this node does not hold is reported and left out."""
        if self._custody.release(chain.handles, chain.slots, OP_INFO[op]) is None:
            self._write_staged()
            self._write(op, chain, op | status << STATUS_SHIFT)
            self._count(PortCounter.REPLIES_OUT, PortCounter.ANSWERS_OUT, len(chain))

    def take_asked(self, handles: U64) -> NblChain:
        """Return messages that the neighbour handed over, checked as packets are."""
        chain = self.check_in(handles)
        self._count(PortCounter.REQUESTS_IN, PortCounter.MESSAGES_IN, len(chain))
        return chain

    def take_answers(self, handles: U64) -> NblChain:
        """Return messages that were out through this port and are back; others are reported and left out."""
        chain = self.take_back(handles, "N6-OID-02")
        self.outstanding += len(chain)
        self.asked -= len(chain)
        self._count(PortCounter.REPLIES_IN, PortCounter.ANSWERS_IN, len(chain))
        return chain

    @abstractmethod
    def check_in(self, handles: U64) -> NblChain:
        """Return what the neighbour handed over, checked."""

    @abstractmethod
    def take_back(self, handles: U64, rule: str) -> NblChain:
        """Return what was out and is back."""

    @abstractmethod
    def _write_staged(self, now: int = 0) -> None:
        """Write what was handed over before."""

    @abstractmethod
    def _write(self, op: Op, chain: NblChain, meta: U64 | int, now: int = 0) -> None:
        """Fill the ring and the tables."""

    def _count(self, packets: PortCounter, messages: PortCounter, count: int) -> None:
        """Count as messages what was counted as packets."""
        self.counters[packets] -= count
        self.counters[messages] += count
