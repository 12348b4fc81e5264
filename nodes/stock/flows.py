"""Who sends and with which packets: the senders of a load generator and its bindings' packets at rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frames import FrameTemplate, UdpFlow, node_mac
from nodes.ndis import Binding
from nodes.packets.chain import NblChain

if TYPE_CHECKING:
    from nodes.stock.frame_writer import FrameWriter

_NETWORK = 10 << 24
_BROADCAST_MAC = b"\xff" * 6
_FIRST_PORT = 0xC000
_DISCARD_PORT = 9


class Sender:
    """One UDP flow to the broadcast address of 10.0.0.0/8; `sequence` is the number of its next packet.

    `waits_since` is when it last had a turn, or when it could have begun to send. Its flow id is
    ``node << 16 | place``, where `place` is its place among the `of` senders of the node. Packet k of the node is the
    business of sender ``k % of``.
    """

    def __init__(self, node: int, place: int, of: int) -> None:
        source, everyone = _NETWORK | node << 12 | place + 1, _NETWORK | 0xFFFFFF
        flow = UdpFlow(node_mac(node), _BROADCAST_MAC, source, everyone, _FIRST_PORT | place, _DISCARD_PORT)
        self.template = FrameTemplate(flow, node << 16 | place)
        self.stream = f"size/{node}/{place}"
        self.sequence = 0
        self.place = place
        self.waits_since = 0
        self._of = of
        self._base = 0

    def begin(self) -> None:
        """Begin a new stretch of the schedule: its packets are numbered from 0."""
        self._base = self.sequence

    def wanted(self, due: int, total: int) -> int:
        """Return how many packets it has yet to send.

        The first `due` packets of the node in this stretch may leave, and `total` are to be sent in all.
        """
        share, all_of_it = -(-(due - self.place) // self._of), -(-(total - self.place) // self._of)
        return max(min(share + self._base, all_of_it) - self.sequence, 0)

    def serials(self, count: int) -> NDArray[np.int64]:
        """Return the places of its next `count` packets among all packets of the node."""
        return np.arange(self.sequence, self.sequence + count, dtype=np.int64) * self._of + self.place

    def numbers(self, serials: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers in this stretch of packets with these places."""
        return serials - self._base * self._of


class Lane:
    """One binding, its packets at rest, and the senders that use it in turn.

    `share` is how many packets it is to have, `owned` how many it has got so far; `burst` is the longest call.
    `free_since` is when it last got packets after it had none, or was opened: what waited till then waited for others.
    """

    def __init__(self, binding: Binding, senders: list[Sender], share: int, burst: int) -> None:
        self.binding = binding
        self.open = False
        self.share = share
        self.owned = 0
        self.spare_count = 0
        self.free_since = 0
        self.burst = min(burst, share)
        self.turn = 0
        self._longest = burst
        self.senders = senders
        self._spare: deque[NblChain] = deque()

    def stock_up(self, frames: FrameWriter) -> bool:
        """Allocate the packets that are missing; return whether it has all now."""
        packets = frames.allocate(self.binding, self.share - self.owned)
        self.owned += len(packets)
        self.burst = min(self._longest, max(self.owned, 1))
        if len(packets):
            self.give(packets)
        return self.owned == self.share

    def give(self, chain: NblChain) -> None:
        """Put packets to rest."""
        self._spare.append(chain)
        self.spare_count += len(chain)

    def take(self, count: int) -> NblChain:
        """Return `count` packets at rest, at least one; the caller has seen that there are as many."""
        self.spare_count -= count
        parts = []
        while count:
            chain = self._spare.popleft()
            if len(chain) > count:
                self._spare.appendleft(chain[count:])
                chain = chain[:count]
            parts.append(chain)
            count -= len(chain)
        return parts[0] if len(parts) == 1 else NblChain.join(parts)

    def in_turn(self) -> Iterator[tuple[int, Sender]]:
        """Walk the senders once, from the one whose turn it is; each comes with the `turn` that follows it."""
        for step in range(len(self.senders)):
            place = (self.turn + step) % len(self.senders)
            yield place + 1, self.senders[place]
