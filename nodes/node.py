"""A node: one driver, its ports, and the dispatcher that joins them.

The loop is `idle(poll())`. `poll` reads a bounded batch from every port with something to read, runs due timers,
then publishes whatever the driver handed over. The node does not know whether a process or a scheduler calls it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.clock import Clock
from nodes.crossings.crossing import (
    CALL_MASK,
    FLAGS_SHIFT,
    FREEING,
    MESSAGE_ANSWERS,
    MESSAGES,
    NOTICE,
    OP_MASK,
    REPLY,
    Op,
    calls_in,
    whole_calls,
)
from nodes.crossings.dead_peer import Void, mend
from nodes.crossings.loans import Loans
from nodes.crossings.message import Messages
from nodes.crossings.port import Port
from nodes.crossings.waiting import Batch, Waiting, nobody_else
from nodes.driver import Driver
from nodes.faults import NodeFaults
from nodes.irql import IrqlState
from nodes.lifecycle import Lifecycle
from nodes.metrics import Counter, NodeState
from nodes.packets.cancelling import Cancelling
from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody
from nodes.packets.originated import Originated
from nodes.packets.watch import Watch
from nodes.policy import Policy
from nodes.rng import Rng
from nodes.spec import NodeSpec
from nodes.status import UNSET
from nodes.timers import NEVER, Timers
from nodes.verifier.forcing import Forcing
from nodes.verifier.order import Order
from nodes.verifier.reporter import Reporter
from nodes.verifier.violation import failure_event
from shm.arena import Arena
from shm.board import Board, Word
from shm.doorbell import Notice
from shm.fence import CURSORS_SHARED
from shm.recorder import Recorder
from shm.ring import Entries
from shm.vectors import runs

U64 = NDArray[np.uint64]
_FLAGS_SHIFT_U64 = np.uint64(FLAGS_SHIFT)
BATCH = 512
"""Entries read from one port in one poll, times the port's weight."""
WATCH_EVERY = 63
"""A busy node looks at how long packets have been there in one of so many polls, an idle one in each."""


class Node:
    """The runtime around one driver.

    `poll` and `command` are all that a host calls; `on_event` receives violations, failures and the end of a source.
    """

    def __init__(self, spec: NodeSpec, arena: Arena, board: Board, recorder: Recorder, clock: Clock) -> None:
        self.spec = spec
        self.name = spec.name
        self.arena = arena
        self.board = board
        self.recorder = recorder
        self.clock = clock
        self.rng = Rng(spec.seed)
        self.policy = Policy(**spec.policy)
        self.irql = IrqlState(self)
        self.timers = Timers()
        self.reporter = Reporter(self)
        self.custody = Custody(arena, self.complain, clock.now, spec.level)
        self.custody.called = self.irql.check
        self.forcing = Forcing(self)
        self.pool = self.forcing.pool()
        self.faults = NodeFaults(self)
        self.messages = Messages(self, spec.pool_base + spec.pool_size, spec.messages)
        self.ports: list[Port] = []
        self.driver: Driver
        self.lifecycle: Lifecycle
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None
        self.done = False
        self._arrived = self._tails = np.zeros(0, np.uint64)
        self._seen: U64 = np.zeros(0, np.uint64)
        self.inbox: deque[Batch] = deque()
        self.waiting = Waiting(self)
        self.loans = Loans(self)
        self.pump: Callable[[], None] = nobody_else
        self.calibrate: Callable[[], None] = lambda: None
        self._deferred: list[Callable[[], None]] = []
        self._turn = 0

    def assemble(self, driver: Driver, ports: Sequence[Port], tails: U64) -> None:
        """Join the node with its driver and ports; `tails` are its inbound cursors (u64[ports], shared)."""
        self.driver = driver
        self.lifecycle = Lifecycle(self)
        self.ports = list(ports)
        self._arrived = self._tails = tails if CURSORS_SHARED else np.zeros(len(ports), np.uint64)
        self._seen = np.zeros(len(ports), np.uint64)
        below = [p.index for p in ports if p.spec.kind == "binding" and p.spec.side == "upper"]
        self.custody.take_place(self.spec.node, driver.kind, frozenset(below), self.pool)
        self.originated = Originated(self)
        self.cancelling = Cancelling(self)
        self.order = Order(self)
        self.watch = Watch(self)
        for port in self.ports:
            port.void = Void(self, port)
            port.on_publish = self.originated.stamp_of(port)
            port.held = self.board.held[port.index]
            port.mixing = self.forcing.mixing(port)
        self.faults.start()

    def ready(self) -> bool:
        """Return whether a poll would find entries or deferred calls."""
        put_aside = self.inbox and not self.waiting.depth
        return bool(self._deferred or put_aside) or bool((self._tails != self._seen).any())

    def next_due(self) -> int:
        """Return when the next timer is due or the driver's wait ends, ns; NEVER if neither is."""
        timers = self.timers.next_due() if self.waiting.runs_timers else NEVER
        return min(timers, self.waiting.next_due())

    def poll(self) -> int:
        """Do one bounded round of work; return how many entries, timers and deferred calls were handled."""
        if self.inbox:
            self._handle_inbox()
        work = self.collect(at_once=True)
        if self.watch.armed and (not work or not self._turn & WATCH_EVERY):
            self.watch.look()
        if self.timers.next_due() != NEVER:
            self.watch.look()  # before a timer completes what is late
            work += self.irql.run_timers()
        if self._deferred:
            work += self.run_deferred()
        if self.custody.views.kept:
            self.custody.views.look()
        self.lifecycle.advance()
        self.publish()
        self.bump()
        return work

    def publish(self) -> None:
        """Show the neighbours everything that was handed over."""
        for port in self.ports:
            if port.dirty:
                port.flush(self.clock.now())

    def bump(self) -> None:
        """Move the progress word: this node is alive."""
        self.board.words[Word.PROGRESS] += 1

    def run_deferred(self) -> int:
        """Make the calls that were put off until a handler returns or waits; return how many."""
        calls, self._deferred = self._deferred, []
        for call in calls:
            call()
        return len(calls)

    def step(self) -> int:
        """Poll, unless the driver has failed; an exception out of driver code is reported as the node's failure."""
        if self.lifecycle.state is NodeState.FAILED:
            return 0
        try:
            return self.poll()
        except Exception as error:  # noqa: BLE001 - the boundary to driver code
            if not self.reporter.survive(error):
                self.fail(error)
            return 0

    def command(self, name: str, arguments: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        """Carry out a command of the orchestrator; `reply` is called exactly once, now or when it has ended."""
        try:
            self.lifecycle.command(name, arguments, reply)
            if self.irql.dirty:
                self.irql.settle()
        except Exception as error:  # noqa: BLE001 - the boundary to driver code
            self.fail(error)
            reply({"ok": False, "error": f"{type(error).__name__}: {error}"})

    def heard(self, notice: Notice) -> None:
        """Take a doorbell message: it brings the cursor on machines where cursors are not shared."""
        if CURSORS_SHARED:
            return
        for index, port in enumerate(self.ports):
            if port.spec.edge == notice.edge:
                self._arrived[index] = notice.first + notice.count

    def show(self, tails: U64 | None) -> U64:
        """Read no further than these cursors, None: than the neighbours' own; return those (u64[ports], live)."""
        self._tails = self._arrived if tails is None else tails
        return self._arrived

    def defer(self, call: Callable[[], None]) -> None:
        """Run `call` from the dispatcher, after the handler that runs now has returned or while it waits."""
        self._deferred.append(call)

    def allocate(self, count: int, length: int | NDArray[np.uint32], backfill: int = 0) -> NblChain:
        """Return a chain of fresh packets from the node's pool; shorter than asked when the pool is short."""
        handles = self.pool.allocate(count, length, backfill=backfill)
        chain = NblChain(handles, self.arena.current(handles), self.custody)
        self.custody.receive(handles, chain.slots)
        if self.custody.allocated is not None:
            self.custody.allocated.note(chain.slots)
        return chain

    def free(self, chain: NblChain) -> None:
        """Give packets back to the pool; one not held, or of another pool, is a violation (N6-NBL-11)."""
        mask = self.custody.release(chain.handles, chain.slots, FREEING)
        self.pool.free(self.custody.own(chain.handles if mask is None else chain.handles[mask]))

    def complain(
        self, rule: str, handle: int, message: str, culprit: str = "", peer: str = "", where: str = ""
    ) -> None:
        """Report a violation by this node's driver, or by the neighbour `culprit`.

        `peer` is who else is concerned (default: where the packet is or came from), `where` the driver's line
        (default: the one being run).
        """
        self.reporter.complain(rule, handle, message, culprit, peer, where)

    def report_done(self) -> None:
        """Tell the orchestrator once that this source has ended."""
        if not self.done:
            self.done = True
            self.board.words[Word.DONE] = 1
            self.on_event({"kind": "done"})

    def fail(self, error: BaseException) -> None:
        """Report an exception out of driver code; the node takes no further part."""
        self.lifecycle.failed()
        self.on_event(failure_event(error))

    def update_gauges(self) -> None:
        """Write the gauges of the board: what the driver holds, what the pool has left."""
        self.board.counters[Counter.HELD] = self.custody.count
        self.board.counters[Counter.POOL_FREE] = self.pool.free_count

    def collect(self, *, at_once: bool = False) -> int:
        """Read a bounded batch from every port that has something, into the inbox; return how many entries.

        `at_once` handles what each port brought before the next one is read.
        """
        waiting = np.flatnonzero(self._tails != self._seen).tolist()
        if not waiting:
            return 0
        self._turn += 1
        start = self._turn % len(waiting)
        work = 0
        for index in waiting[start:] + waiting[:start]:
            port = self.ports[index]
            work += self.read(port, BATCH * port.spec.weight)
            if at_once:
                self._handle_inbox()
        return work

    def read(self, port: Port, limit: int) -> int:
        """Read at most `limit` entries of a port, if there are any, into the inbox; return how many."""
        entries = whole_calls(port.consumer.peek(int(self._tails[port.index]), limit))
        self._seen[port.index] = port.consumer.release(len(entries))
        self._sort(port, entries)
        return len(entries)

    def _handle_inbox(self) -> None:
        inbox = self.inbox
        while inbox:
            self.handle(inbox.popleft())

    def _sort(self, port: Port, entries: Entries) -> None:
        """Put a batch into the inbox, as notices, replies and requests of the same flags, each in its order."""
        for start, stop in runs(entries.meta & CALL_MASK):
            handles, meta = entries.arguments[start:stop], entries.meta[start:stop]
            code = int(meta[0] & OP_MASK)
            try:
                op = Op(code)
            except ValueError:
                self.board.counters[Counter.MALFORMED] += stop - start
                continue
            self.inbox.append(Batch(port, op, handles, meta))

    def handle(self, batch: Batch) -> None:
        """Handle what was read in one go: notices, messages, replies or requests."""
        port, op, handles, meta = batch
        if op & NOTICE:
            for argument in handles.tolist():
                self.driver.accept_notice(port, op, argument)
        elif op in MESSAGES:
            self.messages.arrived(port, op, handles, meta)
        elif op in MESSAGE_ANSWERS:
            self.messages.answers_arrived(port, op, handles, meta)
        elif op & REPLY:
            self._replies(port, op, handles, meta)
        else:
            self._requests(port, op, handles, meta)

    def _replies(self, port: Port, op: Op, handles: U64, meta: U64) -> None:
        chain = port.take_back(handles, "N6-RX-04" if op is Op.RETURN else "N6-SEND-10")
        if port.fate[0]:
            mend(self, port, op, chain)
        if self.loans.busy and op is Op.RETURN:
            chain = self.loans.sift(chain)
        if not len(chain):
            return
        if op is Op.INDICATE_CALL_DONE:
            self.loans.take_back(port, chain, meta)
            return
        if self.driver.bypasses(op) and len(chain) == len(handles):
            self.driver.pass_back(port, op, chain, meta)
            return
        self.custody.receive(chain.handles, chain.slots)
        if port.on_publish is not None and op is Op.COMPLETE:
            self.originated.completed(chain, meta)
        self.irql.call(self.driver.accept, port, op, chain, int(meta[0] & CALL_MASK) >> FLAGS_SHIFT)

    def _requests(self, port: Port, op: Op, handles: U64, meta: U64) -> None:
        chain = port.check_in(handles)
        whole = len(chain.handles) == len(handles)
        if self.driver.bypasses(op) and whole:
            self.driver.pass_on(port, op, chain, meta)
            return
        self.custody.receive(chain.handles, chain.slots)
        self.custody.since[chain.slots] = self.clock.now()
        self.watch.arm()
        if op is Op.SEND:
            self.arena.status[chain.slots] = UNSET
            self.order.arrived(port.index, chain.slots)
        if not whole:
            bounds = [(0, len(chain))] if len(chain) else []
        else:
            bounds = calls_in(op, meta, coalesce=port.spec.coalesce)
        flags = ((meta & CALL_MASK) >> _FLAGS_SHIFT_U64)[[start for start, _ in bounds]].tolist()
        accept = self.loans.lend_to_driver if op is Op.INDICATE_CALL else self.driver.accept
        call = self.irql.call
        for (start, stop), call_flags in zip(bounds, flags, strict=True):
            call(accept, port, op, chain[start:stop], call_flags)
