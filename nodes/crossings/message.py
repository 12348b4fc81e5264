"""Requests with a body: OIDs, status indications and whatever else is more than packets.

A message lies in a slot of the sender's *message pool* (MESSAGE_SLOTS slots behind its packets) as one msgpack list;
its handle travels like a packet's, under the same ledger, custody and in-flight table. Whoever gets one owns it, body
and slot, until it answers, exactly once, with a status and a body of its own. Bodies come out of shared memory: they
are copied once, decoded with limits, and must have the fields that SCHEMAS lists.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgpack
import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import CALL_MASK, FLAGS_SHIFT, MESSAGE_SLOTS, REPLY, STATUS_SHIFT, Op
from nodes.metrics import Counter
from nodes.packets.chain import NblChain
from nodes.status import Status
from shm.arena import CELL_LENGTH, Pool

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
Field = int | str | bytes
Body = Sequence[Field]
Answered = Callable[[int, Body], None]
"""Called once with status and body of the answer; the body is empty when it made no sense."""

MAX_BODY = CELL_LENGTH
MAX_FIELDS = 16
QUEUE_LIMIT = 1024
"""Messages that may wait for a slot; more are refused."""

SCHEMAS: dict[Op, tuple[type[Field], ...]] = {
    Op.OID: (int, int, int, int, int, int, bytes),
    Op.OID_DONE: (int, int, int, int, bytes),
    Op.STATUS: (int, int, int, bytes),
    Op.STATUS_DONE: (),
    Op.LOOKAHEAD: (int, int, bytes, bytes),
    Op.LOOKAHEAD_DONE: (),
}
"""Types of the fields in each operation's body; an answer that only has a status may be empty."""

_EMPTY = msgpack.packb([])


class MessageTooLong(ValueError):
    """A body does not fit a message slot; make its buffer shorter."""


@dataclass(eq=False)
class Posted:
    """A message of this node's that is out, or waits for a slot (`handle` 0) until one is free."""

    port: Port
    op: Op
    packed: bytes
    flags: int
    answered: Answered
    handle: int = 0


@dataclass(eq=False)
class Message:
    """A message in this node's hands: `port` it came in by, `op`, `flags`, `body`; owed exactly one `answer`."""

    node: Node
    port: Port
    op: Op
    flags: int
    body: Body
    handle: int

    def answer(self, status: int, body: Body = ()) -> None:
        """Give the message back; answering twice is a violation, of N6-OID-02 for an OID.

        Raises MessageTooLong, and then nothing has been answered.
        """
        self.node.messages.answer(self, status, body)


class Messages:
    """The messages of one node: those it has out, those that wait for a slot, those that come in."""

    def __init__(self, node: Node, base: int, size: int = MESSAGE_SLOTS) -> None:
        """Take `size` slots of the arena from `base`; a node without any can post nothing."""
        self.pool = Pool(node.arena, node.spec.node, base, size)
        self._node = node
        self._out: dict[int, Posted] = {}
        self._waiting: deque[Posted] = deque()

    @property
    def outstanding(self) -> int:
        """Return how many messages of this node are out or wait for a slot."""
        return len(self._out) + len(self._waiting)

    def post(self, port: Port, op: Op, body: Body, answered: Answered, flags: int = 0) -> Posted | None:
        """Send a message as one call, at once or as soon as a slot is free; None when too many wait already.

        Order is kept with whatever else went out through the port, unless it had to wait. `answered` is called from
        the dispatcher. Raises MessageTooLong.
        """
        packed = _pack(body)
        if len(self._waiting) >= QUEUE_LIMIT or not self.pool.size:
            return None
        posted = Posted(port, op, packed, flags, answered)
        self._waiting.append(posted)
        self._send_waiting()
        return posted

    def out_through(self, port: Port) -> list[Posted]:
        """Return this node's messages that are out through a port."""
        return [posted for posted in self._out.values() if posted.port is port]

    def found(self, handles: U64) -> list[Posted]:
        """Return the messages of this node that have these handles and are out."""
        return [self._out[handle] for handle in handles.tolist()]

    def write_empty(self, posted: Posted) -> None:
        """Empty the body of a message that is back without anybody's answer."""
        self._write(self._chain(np.array([posted.handle], np.uint64)), _EMPTY)

    def withdraw(self, posted: Posted) -> bool:
        """Take back a message that still waits for a slot, without an answer; False when it is out already."""
        if posted not in self._waiting:
            return False
        self._waiting.remove(posted)
        return True

    def answer(self, message: Message, status: int, body: Body) -> None:
        """Give a message back to the neighbour it came from."""
        packed = _pack(body)
        chain = self._chain(np.array([message.handle], np.uint64))
        if self._node.custody.holds(chain.handles, chain.slots):
            self._write(chain, packed)
        message.port.answer(Op(message.op | REPLY), chain, status)

    def arrived(self, port: Port, op: Op, handles: U64, meta: U64) -> None:
        """Hand each message that has come in to the driver."""
        chain = port.take_asked(handles)
        self._node.custody.receive(chain.handles, chain.slots)
        if len(chain) == len(handles):
            flags = ((meta & CALL_MASK) >> np.uint64(FLAGS_SHIFT)).tolist()
        else:
            flags = [0] * len(chain)
        for handle, call_flags in zip(chain.handles.tolist(), flags, strict=True):
            body = self._body(op, handle)
            message = Message(self._node, port, op, call_flags, body or (), handle)
            if body is None:
                message.answer(Status.FAILURE)
            else:
                self._node.driver.accept_message(port, op, message)

    def answers_arrived(self, port: Port, op: Op, handles: U64, meta: U64) -> None:
        """Give each answer to whoever waits for it, and the slots to the messages that wait for one."""
        chain = port.take_answers(handles)
        statuses = dict(zip(handles.tolist(), (meta >> np.uint64(STATUS_SHIFT)).tolist(), strict=True))
        ended = []
        for handle in chain.handles.tolist():
            posted = self._out.pop(handle)
            ended.append((posted, statuses[handle], self._body(op, handle)))
        self.pool.free(chain.handles)
        self._send_waiting()
        for posted, status, body in ended:
            posted.answered(status, body or ())

    def _send_waiting(self) -> None:
        while self._waiting and self.pool.free_count:
            posted = self._waiting.popleft()
            handles = self.pool.allocate(1, 0)
            chain = self._chain(handles)
            self._node.custody.receive(handles, chain.slots)
            self._write(chain, posted.packed)
            posted.handle = int(handles[0])
            self._out[posted.handle] = posted
            posted.port.ask(posted.op, chain, posted.flags)

    def _write(self, chain: NblChain, packed: bytes) -> None:
        slot = int(chain.slots[0])
        self._node.arena.nb_length[slot] = len(packed)
        self._node.arena.cells[slot, : len(packed)] = np.frombuffer(packed, np.uint8)

    def _body(self, op: Op, handle: int) -> Body | None:
        """Return the fields of a message, None (counted) when they are not what the operation has."""
        arena = self._node.arena
        slot = handle & 0xFFFFFFF
        length = min(int(arena.nb_length[slot]), MAX_BODY)
        packed = arena.cells[slot, :length].tobytes()
        if op & REPLY and packed == _EMPTY:
            return ()
        body = _unpack(packed, SCHEMAS[op])
        if body is None:
            self._node.board.counters[Counter.MALFORMED] += 1
        return body

    def _chain(self, handles: U64) -> NblChain:
        return NblChain(handles, (handles & np.uint64(0xFFFFFFF)).view(np.int64), self._node.custody)


def _pack(body: Body) -> bytes:
    packed: bytes = msgpack.packb(list(body))
    if len(packed) > MAX_BODY:
        raise MessageTooLong(f"a message body of {len(packed):,} bytes does not fit a slot of {MAX_BODY:,}")
    return packed


def _unpack(packed: bytes, schema: tuple[type[Field], ...]) -> Body | None:
    try:
        body = msgpack.unpackb(packed, max_array_len=MAX_FIELDS, max_map_len=0, max_ext_len=0)
    except (ValueError, msgpack.exceptions.UnpackException):
        return None
    if not isinstance(body, list) or tuple(map(type, body)) != schema:
        return None
    return tuple(body)
