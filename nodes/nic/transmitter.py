"""The transmit half of a NIC: a ring of descriptors in front of a line of limited speed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nodes.clock import Clock
from nodes.nic.wire import Wire, frames_of, line_times
from nodes.packets.chain import NblChain
from nodes.rng import Rng
from nodes.timers import Timers
from shm.arena import Arena

U64 = NDArray[np.uint64]


class Transmitter:
    """Queues what the driver gives it, keeps at most `ring` packets on the line, reports what has left.

    `left` is called with the packets whose transmission has ended, in order, `lost` with how many frames the wire lost:
    all of a packet or none. What exceeds the ring waits here (N6-SEND-09); order is kept (N6-SEND-08). `octets` counts
    bytes put on the line. A packet of several NBs goes as that many frames, one behind the other, and takes one
    descriptor.
    """

    def __init__(
        self,
        arena: Arena,
        wire: Wire,
        clock: Clock,
        timers: Timers,
        rng: Rng,
        *,
        name: str,
        rate: int,
        ring: int,
        left: Callable[[NblChain], None],
        lost: Callable[[int], None],
    ) -> None:
        self._arena = arena
        self._wire = wire
        self._clock = clock
        self._timers = timers
        self._rng = rng
        self._stream = f"{name}/wire-loss"
        self._rate = min(filter(None, (rate, wire.bandwidth)), default=0)
        self._ring = ring
        self._left = left
        self._lost = lost
        self._queue: deque[NblChain] = deque()
        self._in_ring = 0
        self._line_free = 0
        self.octets = 0
        self._several = False

    @property
    def idle(self) -> bool:
        """Return whether nothing waits and nothing is on the line."""
        return not self._queue and not self._in_ring

    def send(self, chain: NblChain) -> None:
        """Queue packets for transmission."""
        self._queue.append(chain)
        self._fill_ring()

    def take_queued(self, wanted: Callable[[NblChain], NDArray[np.bool_]]) -> list[NblChain]:
        """Take packets out of the queue that `wanted` picks (a mask per chain): for cancelling."""
        taken = []
        for _ in range(len(self._queue)):
            chain = self._queue.popleft()
            mask = wanted(chain)
            if mask.any():
                taken.append(chain[mask])
            if not mask.all():
                self._queue.append(chain[~mask])
        return taken

    def count_frames(self, chain: NblChain) -> int:
        """Return how many frames these packets are, which have been on the line."""
        if not self._several:
            return len(chain)
        return int(np.sum(np.broadcast_to(frames_of(self._arena, chain.slots, 0)[1], len(chain))))

    def frames_left(self, chain: NblChain) -> None:
        """Take packets back that were on the line or the wire, then fill the ring again."""
        self._in_ring -= len(chain)
        self._left(chain)
        self._fill_ring()

    def _fill_ring(self) -> None:
        while self._queue:
            room = min(self._ring - self._in_ring, self._wire.room)
            if room <= 0:
                return
            chain = self._queue.popleft()
            if len(chain) > room:
                self._queue.appendleft(chain[room:])
                chain = chain[:room]
            self._start(chain)

    def _start(self, chain: NblChain) -> None:
        self._in_ring += len(chain)
        begin = max(self._line_free, self._clock.now())
        lengths, frames = frames_of(self._arena, chain.slots, self._wire.minimum)
        self._several |= not isinstance(frames, int)
        self.octets += int(lengths.sum())
        ends = np.cumsum(line_times(lengths, frames, self._rate)) + np.uint64(begin)
        self._line_free = int(ends[-1])
        gone = self._lost_frames(chain)
        if gone is not None:
            self._lost(self.count_frames(chain[gone]))
            self._end_later(chain[gone], self._line_free)
            chain, ends = chain[~gone], ends[~gone]
        if not len(chain):
            return
        if self._wire.connected:
            self._wire.transmit(chain, ends + np.uint64(self._wire.latency))
        else:
            self._end_later(chain, self._line_free)

    def _lost_frames(self, chain: NblChain) -> NDArray[np.bool_] | None:
        if not self._wire.loss:
            return None
        gone = self._rng.uniform(self._stream, chain.packet_id) < self._wire.loss
        return gone if gone.any() else None

    def _end_later(self, chain: NblChain, due: int) -> None:
        self._timers.at(due, lambda: self.frames_left(chain))
