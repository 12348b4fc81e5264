"""The books on packets that a node itself originates: counted out and back, and looked at both times.

Packets of one NB, one MDL and no cancel id cost nothing more: both ends ask first whether any other exists.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import STATUS_SHIFT, Op
from nodes.metrics import Counter, HistogramRow
from nodes.packets.buffer_lists import BufferLists
from nodes.packets.custody import NOBODY, binding_handle
from nodes.packets.duties import Shape, shape_of
from shm.handle import slots_of
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.crossings.port import Outgoing, Port
    from nodes.node import Node
    from nodes.packets.chain import NblChain
    from shm.arena import Slots

U64 = NDArray[np.uint64]


class Originated:
    """The books on a node's own packets: sent and completed, latencies, and for linked or tagged ones how they were.

    The shape of a linked packet at its send is compared at completion (N6-SEND-13); a cancel id that was not renewed
    since is reported at the next send (N6-SEND-21).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._arena = node.arena
        self._counters = node.board.counters
        self._only_own = node.driver.kind == "protocol"
        self._lists = BufferLists(node.arena, node.pool)
        self._shapes: dict[int, Shape] = {}

    def stamp_of(self, port: Port) -> Outgoing | None:
        """Return what is to be called with packets about to leave through a port, None in a node that makes none."""
        if self._only_own:
            return partial(self._stamp, port)
        return partial(self._stamp_own, port) if self._node.driver.originates else None

    def completed(self, chain: NblChain, meta: U64) -> None:
        """Count packets that came back, with their latencies and statuses; those of others are left out."""
        if not self._only_own:
            own = ~self._node.custody.duties.foreign(chain.handles)
            meta = meta[own] if len(meta) == len(chain) else meta[:0]
            chain = chain[own]
            if not len(chain):
                return
        if self._node.custody.tags or self._shapes:
            self._compare(chain)
        if self._lists.used:
            for handle in chain.handles[self._lists.changed(chain.handles, chain.slots)].tolist():
                self._complain_of_buffers(handle)
        board = self._node.board
        self._counters[Counter.COMPLETED] += len(chain)
        now, arena = self._node.clock.now(), self._arena
        board.histograms[HistogramRow.LATENCY].note(
            now, chain.handles, chain.slots, arena.born, arena.packet_id
        )
        statuses = meta >> np.uint64(STATUS_SHIFT)
        if len(chain) != len(meta):
            statuses = self._arena.status[chain.slots].astype(np.uint64)
        if none_set(statuses):
            board.count_status(0, len(chain))
            return
        for status, count in zip(*np.unique(statuses, return_counts=True), strict=True):
            board.count_status(int(status), int(count))

    def forgive(self, handles: U64) -> None:
        """Expect no more of these packets, which are back from the dead, than that they are back."""
        self._lists.forget(slots_of(handles))
        for handle in handles.tolist() if self._shapes else ():
            self._shapes.pop(handle, None)

    def check_leaks(self) -> None:
        """Report what a halted driver still has: packets of others (N6-SEND-22) and of its own pool (N6-NBL-12).

        Below level LEAKS the pool's are counted only.
        """
        node, custody = self._node, self._node.custody
        leaked = node.pool.taken()
        node.board.counters[Counter.LEAKED] = len(leaked)
        if custody.allocated is None:
            return
        slots = np.flatnonzero(custody.held)[1:]
        foreign = custody.held[slots[custody.came[slots] != NOBODY]]
        foreign = foreign[custody.duties.foreign(foreign)]
        if len(foreign):
            text = f"halted while holding {len(foreign)} packets of others"
            node.complain("N6-SEND-22", int(foreign[0]), text)
        if len(leaked):
            places = ", ".join(f"{count} from {place}" for count, place in custody.allocated.counts(leaked))
            text = f"halted with {len(leaked)} slots of its pool not freed: leaked, {places}"
            node.complain("N6-NBL-12", int(self._arena.handle[leaked[0]]), text)

    def _stamp(self, port: Port, op: Op, slots: Slots, now: int) -> None:
        """Note when the node's own packets leave, and how many; check that completions will find back (N6-SEND-02)."""
        if op is not Op.SEND:
            return
        node, arena = self._node, self._arena
        wrong = arena.source[slots] != binding_handle(node.spec.node, port.index)
        if not none_set(wrong):
            for handle in arena.handle[slots[wrong]].tolist():
                node.complain(
                    "N6-SEND-02", handle, f"packet {handle:#018x} was sent with a foreign SourceHandle"
                )
        if node.custody.tags or node.pool.linked:
            self._note(slots)
        arena.born[slots] = now
        self._counters[Counter.SENT] += len(slots)
        self._counters[Counter.SENT_BYTES] += int(arena.nb_length[slots].sum())

    def _stamp_own(self, port: Port, op: Op, slots: Slots, now: int) -> None:
        """Do so in a layer that passes others' packets on as well."""
        pool = self._node.pool
        own = slots[(slots >= pool.base) & (slots < pool.base + pool.size)]
        if len(own):
            self._stamp(port, op, own, now)

    def _note(self, slots: Slots) -> None:
        node, arena = self._node, self._arena
        known, more = self._lists.note(slots)
        self._counters[Counter.SENT_BYTES] += more
        if not node.custody.tags:
            slots, known = slots[~known], known[~known]
        for slot, listed in zip(slots.tolist(), known.tolist(), strict=True):
            handle = int(arena.handle[slot])
            if not listed and node.pool.has_pieces(slot):
                self._shapes[handle] = shape = shape_of(arena, slot)
                self._counters[Counter.SENT_BYTES] += sum(length for _, _, length, _ in shape[1:])
            if node.custody.stale_tags.get(slot) == handle and arena.cancel[slot]:
                text = f"packet {handle:#018x} was sent again with its old cancel id"
                node.complain("N6-SEND-21", handle, text)

    def _compare(self, chain: NblChain) -> None:
        arena = self._arena
        tagged = arena.cancel[chain.slots] != 0
        stale = zip(chain.slots[tagged].tolist(), chain.handles[tagged].tolist(), strict=True)
        self._node.custody.stale_tags.update(stale)
        for handle, slot in zip(chain.handles.tolist(), chain.slots.tolist(), strict=True):
            before = self._shapes.pop(handle, None)
            if before is not None and before != shape_of(arena, slot):
                self._complain_of_buffers(handle)

    def _complain_of_buffers(self, handle: int) -> None:
        text = f"packet {handle:#018x} came back with its buffers other than sent"
        self._node.complain("N6-SEND-13", handle, text)
