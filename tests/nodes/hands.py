"""A node's hands without the node: an arena, a pool of it, and custody whose complaints are kept."""

from __future__ import annotations

import numpy as np

from nodes.crossings.crossing import OP_INFO, Op
from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody
from shm.arena import Arena, Pool


class Hands:
    """Holds what it allocates; `complaints` are (rule, handle) of every broken rule."""

    def __init__(self, slots: int = 32, level: int = 2) -> None:
        self.arena = Arena.map(memoryview(bytearray(Arena.layout(slots + 1).size)), slots + 1)
        self.pool = Pool(self.arena, 1, 1, slots)
        self.complaints: list[tuple[str, int]] = []
        self.messages: list[str] = []
        self.custody = Custody(self.arena, self._complain, lambda: 0, level)

    def allocate(self, count: int, length: int = 60, *, backfill: int = 0) -> NblChain:
        """Return a chain of fresh packets that are held."""
        handles = self.pool.allocate(count, length, backfill=backfill)
        chain = NblChain(handles, self.arena.current(handles), self.custody)
        self.custody.receive(chain.handles, chain.slots)
        return chain

    def give_away(self, chain: NblChain) -> NblChain:
        """Let a chain go as a send would; return it for touching."""
        self.custody.release(chain.handles, chain.slots, OP_INFO[Op.SEND])
        return chain

    def extend(self, chain: NblChain, pieces: list[int], *, as_net_buffers: bool) -> None:
        """Grow the first packet of a chain."""
        self.pool.extend(int(chain.handles[0]), pieces, as_net_buffers=as_net_buffers)

    def _complain(self, rule: str, handle: int, message: str, where: str = "") -> None:
        self.complaints.append((rule, handle))
        self.messages.append(message)


def rows(*texts: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return byte strings of one length as the rows of an array."""
    return np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1)
