"""A node's end of an edge: what goes out through it, what comes in, and what is still owed.

Both ends are alike. A *request* (send, indication, frame) takes packets out of this node's custody and notes them in
`out`; exactly one *reply* (completion, return) brings each of them back. Requests are bounded by credits and rings
are sized for all of them, so a reply always finds room. What a handler hands over is checked at once and published
in one vector at the end of the poll, in the order of the calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import (
    CALL_MASK,
    END,
    END_MASK,
    FLAGS_SHIFT,
    MESSAGE_SLOTS,
    OP_INFO,
    REPLY,
    STATUS_SHIFT,
    Event,
    Op,
    call_meta,
)
from nodes.crossings.mortal_end import MortalEnd
from nodes.metrics import PortCounter
from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody
from nodes.spec import EdgeSpec
from shm.arena import Slots
from shm.doorbell import Bell, Notice
from shm.errors import HandleStale
from shm.handle import NO_HANDLE, UNMATCHED, slots_of
from shm.recorder import Recorder
from shm.ring import RingConsumer, RingProducer
from shm.slowest import PacketHistogram
from shm.vectors import none_set, same

if TYPE_CHECKING:
    from nodes.faults.hook import Mixing

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
STAGE_LIMIT = 1024
NOTICE_SHARE = 4
"""One entry in so many of a ring is for notices and messages; credits for packets add up to the rest."""
OWNER_SHIFT = 52
EDGE_SHIFT = 40
STATE_SHIFT = 32
TIME_SHIFT = 16
_OWNER_SHIFT_U64 = np.uint64(OWNER_SHIFT)
_STATUS_SHIFT_U64 = np.uint64(STATUS_SHIFT)
_CALL_AND_END = CALL_MASK | END_MASK
_GIVEN_BACK, _HANDED_OVER = int(Event.GIVEN_BACK), int(Event.HANDED_OVER)
_REQUESTS_OUT, _REPLIES_IN = int(PortCounter.REQUESTS_OUT), int(PortCounter.REPLIES_IN)
_REQUESTS_IN, _REPLIES_OUT = int(PortCounter.REQUESTS_IN), int(PortCounter.REPLIES_OUT)
_CALLS_OUT = int(PortCounter.CALLS_OUT)

Outgoing = Callable[[Op, Slots, int], None]
"""Called with operation, slots and time of packets about to be published."""


class Port(MortalEnd):
    """One end of one edge.

    `out` is the in-flight table (the handle that is out, by slot), `outstanding` how many packets are, `asked` how many
    messages; `packet_filter` is what the binding behind a lower side wants to receive (None: everything). `on_publish`
    stamps the node's own packets before they leave, `looks` look at requests, `mixing` is what replies wait in if any.
    """

    def __init__(
        self,
        index: int,
        node: int,
        spec: EdgeSpec,
        rings: tuple[RingProducer, RingConsumer],
        custody: Custody,
        recorder: Recorder,
        counters: memoryview,
        bell: Bell | None,
        *,
        every: bool = False,
    ) -> None:
        super().__init__(custody)
        self.index = index
        self.spec = spec
        self.producer, self.consumer = rings
        self.bell = bell
        self.counters = counters
        self.out = np.zeros(custody.arena.slots, dtype=np.uint64)
        self.out[0] = UNMATCHED
        self.outstanding = 0
        self.on_publish: Outgoing | None = None
        self.looks: tuple[Callable[[NblChain, int], None], ...] = ()
        self.held: PacketHistogram | None = None
        self.mixing: Mixing | None = None
        self._node = node
        self._ledger = custody.arena.ledger
        self._whose = spec.peer << OWNER_SHIFT | spec.edge << EDGE_SHIFT
        self._edge_bits = spec.edge << 16
        self._recorder = recorder
        self._every = every
        self._published = self.producer.position
        self._staged: list[NblChain] = []
        self._staged_op = Op.SEND
        self._staged_meta = 0
        self._staged_count = 0
        self._notices: deque[tuple[int, int]] = deque()
        self._notices_unread: deque[int] = deque()
        self._notice_limit = max(self.producer.capacity // NOTICE_SHARE - 2 * MESSAGE_SLOTS, 1)
        self.asked = 0
        self.packet_filter: int | None = None

    def room(self) -> int:
        """Return how many more requests may be out at once: the credits not in use."""
        return self.spec.credits - self.outstanding

    @property
    def idle(self) -> bool:
        """Return whether nothing is out, staged or waiting to be published."""
        late = self.mixing is not None and self.mixing.count
        return not (self.outstanding or self._staged_count or self._notices or late)

    def request(self, op: Op, chain: NblChain, flags: int = 0) -> None:
        """Hand a chain over as one call.

        Packets that this node does not hold are reported and left out. The caller has seen to it that `room` is
        enough.
        """
        for look in self.looks:
            look(chain, flags)
        mask = self._custody.release(chain.handles, chain.slots, OP_INFO[op])
        if mask is not None:
            chain = chain[mask]
        if self.fate[0]:
            chain = self._without_quarantined(op, chain, flags)
        count = len(chain.handles)
        if count:
            self.outstanding += count
            self.counters[_CALLS_OUT] += 1
            self._stage(op, chain, count, op | flags << FLAGS_SHIFT)
            if self._every:
                self.flush(self._custody.now())

    def forward(self, op: Op, chain: NblChain, meta: U64) -> None:
        """Pass on requests that have just been checked in and that no driver has seen, with the calls they came in."""
        self.outstanding += len(chain)
        self._write_staged()
        self._write(op, chain, meta & _CALL_AND_END)

    def give_back(self, op: Op, chain: NblChain, meta: U64 | int) -> None:
        """Pass on replies that are not in custody (any more), with their statuses; some wait in `mixing`."""
        if self.mixing is None or not self.mixing.take(chain, meta):
            self.let_go(op, chain, meta)

    def let_go(self, op: Op, chain: NblChain, meta: U64 | int) -> None:
        """Write replies now."""
        self._write_staged()
        self._write(op, chain, meta)

    def reply(self, op: Op, chain: NblChain, flags: int = 0, statuses: U32 | None = None) -> None:
        """Give packets back to the neighbour they came from.

        `statuses` (u32[n]) is what each NBL's Status says, None if all succeeded or the operation has none.
        """
        mask = self._custody.release(chain.handles, chain.slots, OP_INFO[op])
        if mask is not None:
            chain = chain[mask]
            statuses = None if statuses is None else statuses[mask]
        count = len(chain.handles)
        if not count:
            return
        meta = op | flags << FLAGS_SHIFT
        if statuses is None and self.mixing is None:
            self._stage(op, chain, count, meta)
            return
        self._custody.note_stay(self.held, chain, self._custody.now())
        if statuses is None:
            self.give_back(op, chain, meta)
        else:
            self.give_back(op, chain, statuses.astype(np.uint64) << _STATUS_SHIFT_U64 | np.uint64(meta))

    def notice(self, op: Op, argument: int, flags: int = 0) -> None:
        """Send a number: behind the calls made before it, and later than that while the ring's notices are unread."""
        self._write_staged()
        self._notices.append((argument, call_meta(op, flags) | END))
        self._send_notices()

    @property
    def dirty(self) -> bool:
        """Return whether something waits to be published."""
        late = self.mixing is not None and self.mixing.ready
        return bool(self._staged_count or self._notices or late or self._published != self.producer.position)

    def flush(self, now: int) -> None:
        """Publish everything staged with one store and ring the neighbour's bell if it is armed."""
        if self.mixing is not None:
            self.mixing.release(now)
        self._write_staged(now)
        self._send_notices()
        first, count = self._published, self.producer.position - self._published
        if not count:
            return
        self.producer.publish()
        self._published = self.producer.position
        if self.bell is None:
            return
        notice = Notice(self._staged_op, self.spec.edge, first, count)
        if self._every:
            self.bell.ring(notice)
        else:
            self.bell.ring_if_armed(notice)
        self.counters[PortCounter.BELLS] = self.bell.rung_count

    def check_in(self, handles: U64) -> NblChain:
        """Return what the neighbour handed over as requests, after checking generation and owner word.

        What fails is reported and left out. The packets are not in the driver's custody yet.
        """
        arena = self._custody.arena
        try:
            slots = arena.current(handles)
        except HandleStale:
            handles = self._without_stale(handles)
            slots = arena.current(handles)
        owners = arena.ledger[slots] >> _OWNER_SHIFT_U64
        if self._custody.level and not none_set(owners != self._node):
            for handle in handles[owners != self._node].tolist():
                self._custody.complain(
                    "N6-SEND-03",
                    handle,
                    f"{self.spec.peer_name} handed over packet {handle:#018x} without owning it",
                    self.spec.peer_name,
                )
            handles, slots = handles[owners == self._node], slots[owners == self._node]
        self._custody.came[slots] = self.index
        self.counters[_REQUESTS_IN] += len(handles)
        return NblChain(handles, slots, self._custody)

    def take_back(self, handles: U64, rule: str) -> NblChain:
        """Return packets that were out through this port and are back, not in the driver's custody yet.

        One that was not out (completed twice, never sent here, or no packet at all) is reported as a violation of
        `rule` and left out. The in-flight table decides; shared memory is not asked.
        """
        slots = slots_of(handles)
        try:
            known = same(self.out[slots], handles)
        except IndexError:
            known = False
        if not known:
            handles = self._without_unknown(handles, rule)
            slots = slots_of(handles)
        self.out[slots] = NO_HANDLE
        self.outstanding -= len(handles)
        self.counters[_REPLIES_IN] += len(handles)
        return NblChain(handles, slots, self._custody)

    def _stage(self, op: Op, chain: NblChain, count: int, meta: int) -> None:
        if meta != self._staged_meta:
            self._write_staged()
            self._staged_meta = meta
            self._staged_op = op
        self._staged.append(chain)
        self._staged_count += count
        if self._staged_count >= STAGE_LIMIT:
            self._write_staged()

    def _write_staged(self, now: int = 0) -> None:
        if not self._staged:
            return
        chains, op, meta = self._staged, self._staged_op, self._staged_meta
        self._staged = []
        self._staged_count = 0
        if len(chains) == 1:
            chain = chains[0]
            ends = [len(chain)]
        else:
            handles = np.concatenate([chain.handles for chain in chains])
            ends = np.cumsum([len(chain) for chain in chains]).tolist()
            chain = NblChain(handles, slots_of(handles), self._custody)
        if op & REPLY:
            self._custody.note_stay(self.held, chain, now or self._custody.now())
            self._write(op, chain, meta, now)
            return
        metas = np.full(len(chain), meta, dtype=np.uint64)
        metas[np.array(ends) - 1] |= np.uint64(END)
        self._write(op, chain, metas, now)

    def _write(self, op: Op, chain: NblChain, meta: U64 | int, now: int = 0) -> None:
        """Fill ring, ledger, in-flight table and flight recorder for one vector of packets; publishing comes later."""
        now = now or self._custody.now()
        handles, slots = chain.handles, chain.slots
        if op & REPLY:
            self.counters[_REPLIES_OUT] += len(chain)
        else:
            self.out[slots] = handles
            self.counters[_REQUESTS_OUT] += len(chain)
            if op is not self._only_op:
                self._tell_apart(op, slots)
        if self.on_publish is not None:
            self.on_publish(op, slots, now)
        self._ledger[slots] = self._whose | OP_INFO[op].state << STATE_SHIFT | now >> TIME_SHIFT & 0xFFFFFFFF
        event = _GIVEN_BACK if op & REPLY else _HANDED_OVER
        self._recorder.record(now, handles, event | op << 8 | self._edge_bits)
        self.producer.write(handles, meta)

    def _without_unknown(self, handles: U64, rule: str) -> U64:
        slots = slots_of(handles)
        good = slots < len(self.out)
        good[good] = self.out[slots[good]] == handles[good]
        for handle in handles[~good].tolist():
            self._custody.complain(
                rule,
                handle,
                f"{self.spec.peer_name} gave back packet {handle:#018x}, which it did not have",
                self.spec.peer_name,
            )
        return handles[good]

    def _without_stale(self, handles: U64) -> U64:
        arena = self._custody.arena
        slots = slots_of(handles)
        inside = slots < arena.slots
        good = inside.copy()
        good[inside] = arena.handle[slots[inside]] == handles[inside]
        self._custody.complain_of(handles[~good], "N6-SEND-03", f"handed over by {self.spec.peer_name}")
        return handles[good]

    def _send_notices(self) -> None:
        """Write what waits, but never into the room that requests and replies are entitled to."""
        if not self._notices:
            return
        unread_since, unread = self.producer.unread_since(), self._notices_unread
        while unread and unread[0] < unread_since:
            unread.popleft()
        while self._notices and len(unread) < self._notice_limit:
            argument, meta = self._notices.popleft()
            unread.append(self.producer.write(np.array([argument], np.uint64), meta))
            self.counters[PortCounter.NOTICES] += 1
