"""A neighbour that has died: what it had comes back, and nothing reaches it any more.

    what it had published          is taken as ever
    what is out to it              comes back now: sends with FAILURE, OIDs aborted, receives and frames as returned
    what goes out to it from now   comes back in the next round, likewise
    what this node owes it         is taken, and goes nowhere

The other end of the port is played by a `Void`, so a driver and its port cannot tell this from a neighbour that
answers fast. A packet that the dead one had passed on may still be with a third node, under whose hands it must not
be used again. Its `fate` is AWAITED until that node gives it up, which ends in a void too; only then it comes back. One
that does not in STRAY_LIMIT is QUARANTINED: it comes back, but whoever sends it has it back at once, and its pool does
not use it again. What the dead one had changed in a packet stays so; its SourceHandle is mended.

It serves deaths that the orchestrator decided on: the policy ``bug-check``, and faults that crash a node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgpack
import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import (
    CALLED,
    FLAGS_SHIFT,
    NOTICE,
    OP_MASK,
    REPLY,
    STATUS_SHIFT,
    SYNCHRONOUS,
    Op,
)
from nodes.crossings.message import Message, Posted
from nodes.crossings.port import EDGE_SHIFT, OWNER_SHIFT, STATE_SHIFT, TIME_SHIFT, Port
from nodes.crossings.waiting import Batch
from nodes.ndis.oid import Oid
from nodes.packets.chain import NblChain
from nodes.packets.custody import binding_handle
from nodes.status import Status
from shm.arena import AWAITED, QUARANTINED, SALVAGED
from shm.fence import full_fence
from shm.handle import NO_HANDLE, POOL_SHIFT, slots_of
from shm.ring import RingProducer

if TYPE_CHECKING:
    from nodes.crossings.message import Body
    from nodes.node import Node

U64 = NDArray[np.uint64]
STRAY_LIMIT = 1_000_000_000
"""How long a packet is waited for that a third node has, in ns."""
STRAY_LOOK = 1_000_000
"""Time between two looks at those, in ns."""
_BACK = 5
_FAILING = frozenset({Op.SEND, Op.WAN_SEND, Op.TRANSFER})
_ABORTED = {Op.OID: Status.REQUEST_ABORTED, Op.STATUS: Status.SUCCESS, Op.LOOKAHEAD: Status.NOT_RECOGNIZED}


class Void(RingProducer):
    """The producer's end of a ring that nobody reads: requests come back once it `answers`, all else is gone."""

    def __init__(self, node: Node, port: Port, *, answers: bool = True) -> None:
        self.answers = answers
        self.position = port.producer.position
        self._mask = port.producer.capacity - 1
        self._node = node
        self._port = port

    def free(self, wanted: int = 1) -> int:
        """Return that everything fits."""
        return self.capacity

    def write(self, arguments: U64, meta: U64 | int) -> int:
        """Take entries of one operation; return the position of the first."""
        first = self.position
        self.position += len(arguments)
        word = int(np.asarray(meta, np.uint64).flat[0])
        op = Op(word & int(OP_MASK))
        if op & REPLY:
            let_go(self._node, arguments)
        elif self.answers and not op & NOTICE:
            handles, called = arguments.copy(), word >> FLAGS_SHIFT & CALLED != 0
            self._node.defer(lambda: give_back(self._node, self._port, op, handles, called=called))
        return first

    def publish(self) -> None:
        """Do nothing: nobody reads."""


class DeadPeer:
    """The end of one port after its neighbour's death.

    `__init__` cuts the port off, also while the driver waits in a handler; what was out comes back from the dispatcher,
    after what the dead one had still published.
    """

    def __init__(self, node: Node, port: Port) -> None:
        self._node = node
        self._port = port
        self._strays: dict[Op, U64] = {}
        self._void = Void(node, port, answers=False)
        node.arena.fate[0] = SALVAGED
        unread = port.producer.unread()
        port.cut_off(self._void)
        while node.read(port, port.producer.capacity):
            pass
        let_go(node, unread.arguments[unread.meta & np.uint64(REPLY) != 0])
        node.defer(self._reclaim)

    def _reclaim(self) -> None:
        """Bring back what is out through the port; ask for what a third node has."""
        node, port = self._node, self._port
        self._void.answers = True
        posted = node.messages.out_through(port)
        for message in posted:
            give_back(node, port, message.op, np.array([message.handle], np.uint64), message)
        asked = {message.handle for message in posted}
        out = port.out[1:][port.out[1:] != NO_HANDLE]
        out = out[[handle not in asked for handle in out.tolist()]] if asked else out
        calls = node.driver.awaited_verdicts(port)
        for op, handles in port.by_operation(out):
            waiting = np.array([handle in calls for handle in handles.tolist()], np.bool_)
            give_back(node, port, op, handles[waiting], called=True)
            strays = self._part_strays(handles[~waiting])
            give_back(node, port, op, handles[~waiting][~strays])
            self._strays[op] = handles[~waiting][strays]
        if port.resetting:
            end = _LastWord(node, port, Op.STATUS, 0, (int(Status.RESET_END), 0, 0, b""), NO_HANDLE)
            node.driver.accept_message(port, Op.STATUS, end)
        node.driver.neighbour_died(port)
        self._due = node.clock.now() + STRAY_LIMIT
        self._look()

    def _part_strays(self, handles: U64) -> NDArray[np.bool_]:
        """Return which packets a third node has (bool[n]), marked as awaited.

        The mark comes before the look at the owner, and a third node writes the owner before it takes the mark away.
        """
        arena, slots = self._node.arena, slots_of(handles)
        arena.fate[slots] = AWAITED
        full_fence()
        owners = arena.ledger[slots] >> np.uint64(OWNER_SHIFT)
        home: NDArray[np.bool_] = np.isin(owners, [self._port.spec.peer, self._node.spec.node])
        arena.fate[slots[home]] = 0
        return ~home

    def _look(self) -> None:
        """Bring back the strays that have been let go, in the end all of them."""
        node, fate = self._node, self._node.arena.fate
        late = node.clock.now() >= self._due
        for op, handles in self._strays.items():
            kept = fate[slots_of(handles)] == AWAITED
            self._strays[op] = handles[kept]
            give_back(node, self._port, op, handles[~kept])
            if late and kept.any():
                fate[slots_of(handles[kept])] = QUARANTINED
                give_back(node, self._port, op, handles[kept])
        if not late and any(len(handles) for handles in self._strays.values()):
            node.timers.at(node.clock.now() + STRAY_LOOK, self._look)


class _LastWord(Message):
    """What NDIS says in place of the dead one; nobody waits for the answer."""

    def answer(self, status: int, body: Body = ()) -> None:
        """Do nothing."""


def give_back(
    node: Node, port: Port, op: Op, handles: U64, posted: Posted | None = None, *, called: bool = False
) -> None:
    """Let requests come back through a port as if the neighbour had answered them.

    `called` says that the caller waits for the verdict on them; `posted` is the message, if it is one.
    """
    if not len(handles):
        return
    arena, slots = node.arena, slots_of(handles)
    status = Status.FAILURE if op in _FAILING else _ABORTED.get(op, Status.SUCCESS)
    if op in _FAILING:
        arena.status[slots] = status
        arena.due[slots] = 0
    elif op in _ABORTED:
        if posted is None:
            [posted] = node.messages.found(handles)
        status = _status_of(posted)
        node.messages.write_empty(posted)
    owner = node.spec.node << OWNER_SHIFT | port.spec.edge << EDGE_SHIFT
    arena.ledger[slots] = owner | _BACK << STATE_SHIFT | node.clock.now() >> TIME_SHIFT & 0xFFFFFFFF
    lost = slots[arena.fate[slots] != QUARANTINED]
    arena.fate[lost] = SALVAGED
    reply = Op(op | REPLY)
    word = reply | (SYNCHRONOUS if called else 0) << FLAGS_SHIFT | status << STATUS_SHIFT
    node.inbox.append(Batch(port, reply, handles, np.full(len(handles), word, np.uint64)))


def let_go(node: Node, handles: U64) -> None:
    """Note that this node is done with packets that came from a dead one: whoever waits for them may have them."""
    slots = slots_of(handles)
    slots = slots[slots < node.arena.slots]
    slots = slots[node.arena.fate[slots] != SALVAGED]
    node.arena.fate[slots[slots != 0]] = 0


def mend(node: Node, port: Port, op: Op, chain: NblChain) -> None:
    """Put right the SourceHandle of this node's own packets that came back from the dead."""
    own = chain.slots[(chain.handles >> np.uint64(POOL_SHIFT) & np.uint64(0xFFF)) == node.spec.node]
    salvaged = own[node.arena.fate[own] == SALVAGED]
    adapter = getattr(node.driver, "adapter", None)
    if op is Op.COMPLETE:
        node.arena.source[salvaged] = binding_handle(node.spec.node, port.index)
    elif op is Op.RETURN and adapter is not None:
        node.arena.source[salvaged] = adapter.handle
    node.originated.forgive(node.arena.handle[salvaged])
    node.arena.fate[salvaged] = 0


def _status_of(posted: Posted) -> Status:
    """Return how a message of the dead one's ends; OID_PNP_SET_POWER must not be aborted (N6-OID-08)."""
    if posted.op is Op.OID and msgpack.unpackb(posted.packed)[2] == Oid.PNP_SET_POWER:
        return Status.NOT_ACCEPTED
    return _ABORTED[posted.op]
