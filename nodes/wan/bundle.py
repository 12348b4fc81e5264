"""The sending half of NDISWAN: what comes from above becomes WAN packets, and completes when all of those are back.

The packets from above never go down themselves (WAN-CO-04): their data is copied into WAN packets of NDISWAN's own,
one buffer each (WAN-SND-05), and a private table maps each of those back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.packets.chain import NblChain
from nodes.status import SEND_STATUSES, UNSET, Status
from nodes.stock.frame_rows import frame_rows
from nodes.timers import RETRY
from nodes.wan import ppp
from nodes.wan.fragments import MULTILINK_HEADER, Pieces, cut, framing, write
from nodes.wan.links import MAX_PADDING, Link, Links
from nodes.wan.multilink import SequenceFormat
from shm.arena import CELL_LENGTH, Slots

if TYPE_CHECKING:
    from nodes.node import Node

Completed = Callable[[NblChain], None]


class Bundle:
    """Sends over all links that are up, at most a link's window outstanding on each.

    With a multilink `form` frames are cut into fragments of at most `fragment` bytes (0: never cut), each of which
    takes the link that would deliver it first; without, each frame goes whole over one link. What finds every window
    closed waits here, in order, as everything does until `least_links` have been up at once. `completed` gets packets
    from above once everything they became is back, with SUCCESS or the first failure's status. `sequence` is the number
    of the next fragment, `first` that of the first one.
    """

    def __init__(
        self,
        node: Node,
        links: Links,
        completed: Completed,
        *,
        first: int = 0,
        fragment: int,
        form: SequenceFormat | None,
        bridge: bool,
        least_links: int = 1,
    ) -> None:
        self._node = node
        self._links = links
        self._completed = completed
        self._fragment = fragment
        self._form = form
        self._bridge = bridge
        self._least_links = least_links
        self._header = len(MULTILINK_HEADER) + form.length if form else len(ppp.ADDRESS_CONTROL)
        self._uncut: deque[NblChain] = deque()
        self._pieces: deque[Pieces] = deque()
        self.sequence = first
        slots = node.arena.slots
        self._left = np.zeros(slots, np.int64)
        self._verdict = np.zeros(slots, np.uint32)
        self._upper = np.zeros(slots, np.int64)
        self._link_of = np.zeros(slots, np.int64)

    def send(self, chain: NblChain) -> None:
        """Take packets from above and send what the windows let through."""
        self._verdict[chain.slots] = Status.SUCCESS
        self._uncut.append(chain)
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as windows and pool go."""
        if len(self._links) >= self._least_links:
            self._least_links = 1
        while self._pieces or (self._uncut and len(self._links) >= self._least_links):
            if not self._pieces:
                self._cut(self._uncut.popleft())
                continue
            waiting = self._pieces.popleft()
            count = self._start(waiting)
            if count < len(waiting):
                self._pieces.appendleft(waiting.pick(slice(count, None)))
                return

    def came_back(self, chain: NblChain) -> None:
        """Take WAN packets back, complete the packets from above that are now whole again, and send on.

        Of several failures the first to come back decides; a status that no NDIS 6 send may have becomes FAILURE.
        """
        statuses, slots = chain.status, chain.slots
        for context, count in zip(*np.unique(self._link_of[slots], return_counts=True), strict=True):
            link = self._links.get(int(context))
            if link is not None:
                link.outstanding -= int(count)
        uppers = self._upper[slots]
        for upper, status in zip(
            uppers[statuses != 0].tolist(), statuses[statuses != 0].tolist(), strict=True
        ):
            if not self._verdict[upper]:
                self._verdict[upper] = status if status in SEND_STATUSES else Status.FAILURE
        self._node.free(chain)
        self._end_pieces(uppers)
        self.pump()

    def abort(self, status: Status, wanted: Callable[[Slots], NDArray[np.bool_]] | None = None) -> None:
        """End what waits with `status`; with `wanted` (slots to mask) only that, and only what has not begun."""
        uncut, self._uncut = self._uncut, deque()
        for chain in uncut:
            mask = np.ones(len(chain), bool) if wanted is None else wanted(chain.slots)
            if mask.any():
                self._verdict[chain.slots[mask]] = status
                self._complete(chain.slots[mask])
            if not mask.all():
                self._uncut.append(chain[~mask])
        pieces, self._pieces = self._pieces, deque()
        for waiting in pieces:
            mask = (
                np.ones(len(waiting), bool)
                if wanted is None
                else wanted(waiting.upper) & self._whole(waiting)
            )
            if not mask.all():
                self._pieces.append(waiting.pick(~mask))
            if mask.any():
                self._verdict[waiting.upper[mask]] = status
                self._end_pieces(waiting.upper[mask])

    def _whole(self, waiting: Pieces) -> NDArray[np.bool_]:
        """Return of which pieces the packet waits here with all of its pieces."""
        uppers, counts = np.unique(waiting.upper, return_counts=True)
        whole = uppers[counts == self._left[uppers]]
        mask = np.zeros(len(self._left), bool)
        mask[whole] = True
        return mask[waiting.upper]

    def _limit(self) -> int:
        """Return the longest piece that suits every link and a cell with the links' padding."""
        longest = min(self._links.max_frame_size, CELL_LENGTH - MAX_PADDING) - self._header
        return min(longest, self._fragment or longest) if self._form else longest

    def _cut(self, chain: NblChain) -> None:
        frames = frame_rows(self._node.arena, chain)
        pieces = cut(frames, chain.slots[frames.packet], self._limit(), bridge=self._bridge)
        self._left[chain.slots] = 0
        np.add.at(self._left, pieces.upper, 1)
        if self._form is None and not pieces.end.all():
            long = np.zeros(len(self._left), bool)
            long[pieces.upper[~pieces.end]] = True
            self._verdict[chain.slots[long[chain.slots]]] = Status.INVALID_LENGTH
            self._complete(chain.slots[long[chain.slots]])
            pieces = pieces.pick(~long[pieces.upper])
        if len(pieces):
            self._pieces.append(pieces)

    def _start(self, waiting: Pieces) -> int:
        """Send the first pieces, as many as find room; return how many."""
        now, lengths = self._node.clock.now(), (waiting.lengths + self._header).tolist()
        chosen: list[Link] = []
        for length in lengths[: self._node.pool.free_count]:
            link = self._links.choose(length, now)
            if link is None:
                break
            link.book(length, now)
            chosen.append(link)
        if not chosen:
            return 0
        pieces, head = waiting.pick(slice(0, len(chosen))), self._links.padding[0]
        chain = self._node.allocate(len(pieces), (pieces.lengths + self._header).astype(np.uint32), head)
        for link, length in zip(chosen[len(chain) :], lengths[len(chain) :], strict=False):
            link.unbook(length)
        if len(chain):
            self._send(pieces.pick(slice(0, len(chain))), chosen[: len(chain)], chain)
        else:
            self._node.timers.at(now + RETRY, self.pump, of_driver=True)
        return len(chain)

    def _send(self, pieces: Pieces, chosen: list[Link], chain: NblChain) -> None:
        head, tail = self._links.padding
        arena = self._node.arena
        header = framing(pieces, self.sequence, self._form)
        self.sequence += len(pieces)
        arena.mdl_length[chain.slots] += np.uint32(tail)
        write(pieces, header, arena, chain.slots, head)
        arena.parent[chain.slots] = arena.handle[pieces.upper]
        arena.status[chain.slots] = UNSET
        chain.source_handle = np.array([link.handle for link in chosen], np.uint64)
        contexts = np.array([link.context for link in chosen], np.int64)
        self._link_of[chain.slots] = contexts
        self._upper[chain.slots] = pieces.upper
        for link in dict.fromkeys(chosen):
            link.port.request(Op.WAN_SEND, chain[contexts == link.context])

    def _end_pieces(self, uppers: Slots) -> None:
        np.subtract.at(self._left, uppers, 1)
        done = uppers[self._left[uppers] == 0]
        if len(done):
            self._complete(np.array(list(dict.fromkeys(done.tolist())), np.int64))

    def _complete(self, slots: Slots) -> None:
        chain = NblChain(self._node.custody.held[slots], slots, self._node.custody)
        chain.status = self._verdict[slots]
        self._completed(chain)
