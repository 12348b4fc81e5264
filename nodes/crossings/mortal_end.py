"""What an end of an edge needs to know for the day its neighbour dies: under which operations packets are out.

It also keeps packets that the death of another node has put in quarantine from going out.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import END, MESSAGES, Op, call_meta
from nodes.crossings.message_end import MessageEnd
from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody
from shm.arena import QUARANTINED, Slots
from shm.doorbell import Bell
from shm.handle import slots_of
from shm.ring import RingProducer

U64 = NDArray[np.uint64]


class MortalEnd(MessageEnd):
    """The part of a port that deaths concern.

    `dead` says that the neighbour is, `resetting` that it has announced a reset and not its end; `void` takes what may
    not go out, `fate` is the arena's, for a look at row 0 that costs little.
    """

    out: U64
    producer: RingProducer
    void: RingProducer
    bell: Bell | None
    _published: int
    _notices_unread: deque[int]

    def __init__(self, custody: Custody) -> None:
        self.dead = self.resetting = False
        self._custody = custody
        self.fate = custody.arena.fate.data
        self._only_op: Op | None = None
        self._ops = np.zeros(0, np.uint8)

    def cut_off(self, void: RingProducer) -> None:
        """Have `void` take whatever goes out: the neighbour is dead."""
        self.dead = True
        self.producer, self.bell = void, None
        self._published = void.position
        self._notices_unread.clear()

    def by_operation(self, handles: U64) -> list[tuple[Op, U64]]:
        """Return packets that are out, by the operation that they went out under."""
        if not len(self._ops):
            return [] if self._only_op is None else [(self._only_op, handles)]
        ops = self._ops[slots_of(handles)]
        return [(Op(code), handles[ops == code]) for code in np.unique(ops).tolist()]

    def _tell_apart(self, op: Op, slots: Slots) -> None:
        """Note under which operation packets go out, in a table as soon as there are two."""
        if op in MESSAGES:
            return
        if self._only_op is None and not len(self._ops):
            self._only_op = op
            return
        if not len(self._ops):
            self._ops = np.full(len(self.out), self._only_op, np.uint8)
            self._only_op = None
        self._ops[slots] = op

    def _without_quarantined(self, op: Op, chain: NblChain, flags: int) -> NblChain:
        """Return what may be used; quarantined packets go into the void, from which they come back."""
        kept: NDArray[np.bool_] = self._custody.arena.fate[chain.slots] == QUARANTINED
        if kept.any():
            self._write_staged()
            self.outstanding += int(np.count_nonzero(kept))
            self.producer, living = self.void, self.producer
            self._write(op, chain[kept], call_meta(op, flags) | END)
            self.producer = living
        return chain[~kept]
