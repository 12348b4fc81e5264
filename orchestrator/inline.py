"""All nodes in this process: a virtual clock, and a seeded scheduler that says which node polls next.

Same topology, same seed: same order of everything, hence the same trace hash. A poll costs POLL_NS of virtual
time, so that nodes which always have something to do cannot stop the clock.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import zmq
from numpy.typing import NDArray

from nodes.clock import VirtualClock
from nodes.hosting.build import build_node
from nodes.lifecycle import URGENT
from nodes.metrics import NodeState
from nodes.node import Node
from nodes.rng import Rng
from nodes.timers import NEVER
from orchestrator.control import event_of
from orchestrator.events import Event, Exhausted, Exited, Hello, Interrupted, Replied
from orchestrator.failures import NodeFailed
from orchestrator.memory import RunMemory
from orchestrator.plan import Plan
from orchestrator.relay import Relay
from orchestrator.signals import Signals

U64 = NDArray[np.uint64]

POLL_NS = 20_000
"""Virtual time that one poll takes: about what it takes in truth."""
_FIRST_NS = 1_000_000_000
"""Where the clock starts: not at 0, which means *never* on boards."""
_BURST = 256
_DRAWS = 4096


class Scheduler(Protocol):
    """Decides the interleaving of a run in one process."""

    def choose(self, runnable: Sequence[int]) -> int:
        """Return one of the node ids, which are in ascending order and at least one."""


class SeededScheduler:
    """Draws the next node at random; the same seed draws the same order."""

    def __init__(self, seed: int) -> None:
        self._rng = Rng(seed)
        self._drawn = 0
        self._draws: list[int] = []

    def choose(self, runnable: Sequence[int]) -> int:
        """Return a node id drawn from `runnable`."""
        if not self._draws:
            ids = np.arange(self._drawn, self._drawn + _DRAWS, dtype=np.uint64)
            self._draws = self._rng.bits("scheduler", ids).tolist()[::-1]
            self._drawn += _DRAWS
        return runnable[self._draws.pop() % len(runnable)]


class InlineFleet:
    """Every node of a plan in this process, on one virtual clock.

    `on_events`, if set, takes what happens while a driver waits in a handler: it may be waiting for one that must die.
    Else that is told when the driver has stopped waiting.
    """

    def __init__(self, plan: Plan, memory: RunMemory, scheduler: Scheduler, signals: Signals) -> None:
        self._plan = plan
        self._memory = memory
        self._scheduler = scheduler
        self._signals = signals
        self._clock = VirtualClock(_FIRST_NS)
        self._nodes: dict[int, Node] = {}
        self._nudged: set[int] = set()
        self._events: list[Event] = []
        self._late: list[Callable[[], None]] = []
        self._parting: set[int] = set()
        self.on_events: Callable[..., None] | None = None
        self._relay = Relay(self._carry_on)
        self._hash = hashlib.sha256()

    @property
    def pids(self) -> dict[int, int]:
        """Return this process for every node."""
        return {spec.node: os.getpid() for spec in self._plan.nodes}

    def now(self) -> int:
        """Return the virtual time in ns."""
        return self._clock.now()

    def start(self) -> None:
        """Build every node; raises NodeFailed when its driver's constructor raises."""
        for spec in self._plan.nodes:
            try:
                node = build_node(spec, self._memory.of(spec), self._clock, trace=self._trace)
            except Exception as error:
                text = f"driver code of node {spec.name!r} raised {type(error).__name__}: {error}"
                raise NodeFailed(text) from error
            node.on_event = partial(self._hear, spec.node)
            node.pump = partial(self._relay.park, spec.node)
            self._nodes[spec.node] = node
            self._events.append(Hello(spec.node))

    def send(self, node: int, request: int, command: str, arguments: dict[str, Any]) -> None:
        """Give a command to a node at once, or when its driver has stopped waiting."""
        target = self._nodes.get(node)
        if target is None:
            return
        if self._relay.parked(node) and command not in URGENT:
            self._late.append(partial(self.send, node, request, command, arguments))
            return
        self._nudged.add(node)

        def reply(answer: dict[str, Any]) -> None:
            self._events.append(
                Replied(node, request, answer["ok"], answer.get("value"), str(answer.get("error", "")))
            )

        target.command(command, arguments, reply)
        if command == "exit":
            self._leave(Exited(node, 0))

    def signal(self, node: int, number: signal.Signals) -> None:
        """Take a node out as its process' end by a signal would."""
        if node in self._nodes:
            self._leave(Exited(node, None, number))

    def events(self, until: int | None) -> list[Event]:
        """Let nodes poll until something has happened, the clock has reached `until`, or a burst is over.

        When nothing is runnable the clock jumps to the next timer; when there is none either, and no `until`,
        the event is Exhausted.
        """
        for _ in range(_BURST):
            self._send_late()
            if self._events or (until is not None and self.now() >= until):
                break
            runnable = self._runnable()
            if runnable:
                self._poll(self._scheduler.choose(runnable))
            elif not self._jump(until):
                self._events.append(Exhausted())
        interrupts: list[Event] = [Interrupted()] * self._signals.take()
        events, self._events = self._events, []
        return interrupts + events

    def watch(self, socket: zmq.Socket[bytes]) -> None:
        """Do nothing: this fleet never waits, so whoever asks for events looks at sockets often enough."""

    def trace_sha256(self) -> str:
        """Return the hash of everything that any node has recorded, in the order it happened."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the nodes; drivers that still wait are told so by WaitAbandoned."""
        self._relay.close()
        self._nodes.clear()

    def _hear(self, node: int, message: dict[str, Any]) -> None:
        if node in self._nodes:
            self._events.append(event_of(node, message))

    def _runnable(self) -> list[int]:
        now = self.now()
        return [
            number
            for number, node in self._nodes.items()
            if number in self._nudged
            or ((node.next_due() <= now or node.ready()) and node.lifecycle.state is not NodeState.FAILED)
        ]

    def _send_late(self) -> None:
        late, self._late = self._late, []
        for send in late:
            send()

    def _carry_on(self) -> None:
        """Make one scheduling decision while some driver waits."""
        if self._events and self.on_events is not None:
            events, self._events = self._events, []
            self.on_events(*events)
        if self._parting:
            self._relay.abandon(self._parting.pop())
            return
        runnable = self._runnable()
        if runnable:
            self._poll(self._scheduler.choose(runnable))
        else:
            self._jump(None)

    def _poll(self, number: int) -> None:
        self._nudged.discard(number)
        if self._relay.parked(number):
            self._relay.resume(number)
        else:
            self._nodes[number].step()
        self._clock.advance_to(self.now() + POLL_NS)

    def _jump(self, until: int | None) -> bool:
        """Move the clock to the next timer, at most to `until`; return False when there is neither."""
        alive = [node for node in self._nodes.values() if node.lifecycle.state is not NodeState.FAILED]
        due = min((node.next_due() for node in alive), default=NEVER)
        target = due if until is None else min(due, until)
        if target == NEVER:
            return False
        self._clock.advance_to(target)
        return True

    def _leave(self, exited: Exited) -> None:
        node = self._nodes.pop(exited.node)
        node.update_gauges()
        for port in node.ports:
            port.cut_off(port.void)  # whatever its driver does as it unwinds
        if self._relay.parked(exited.node):
            self._parting.add(exited.node)
        self._nudged.discard(exited.node)
        self._events.append(exited)

    def _trace(self, node: int, time: int, arguments: U64, meta: U64 | int) -> None:
        words = np.asarray(meta, np.uint64)
        self._hash.update(b"%d %d %d " % (node, time, len(arguments)))
        self._hash.update(np.ascontiguousarray(arguments).tobytes())
        self._hash.update(words.tobytes())
