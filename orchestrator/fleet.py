"""The nodes of a run behind one small interface, whether each is a process or all live in this one."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any, Protocol

import zmq

from nodes.metrics import NodeState
from orchestrator.control import ControlServer, PeerGone
from orchestrator.events import Broke, Event, Exited, Interrupted, Stalled
from orchestrator.failures import ForkServerDied
from orchestrator.plan import Plan
from orchestrator.processes import Exit, ForkServer, NodeProcesses
from orchestrator.processors import times_of
from orchestrator.signals import Signals
from orchestrator.stall import StallWatch
from shm.board import Board, Word

_LAST_WORDS_MS = 20
"""How long the message of a node that ended by itself may be under way behind its exit."""


class Fleet(Protocol):
    """What a run asks of its nodes.

    `events` blocks until something has happened or the fleet's own clock has reached `until` (ns; None: for
    ever).
    """

    @property
    def pids(self) -> dict[int, int]:
        """Return the process id of every node that was started."""

    def now(self) -> int:
        """Return the time in ns on the nodes' clock."""

    def start(self) -> None:
        """Bring every node into being; each says hello in an event."""

    def send(self, node: int, request: int, command: str, arguments: dict[str, Any]) -> None:
        """Give a command to a node; its reply comes as an event, or never if the node is not there."""

    def signal(self, node: int, number: signal.Signals) -> None:
        """Send a signal to a node; its end comes as an event."""

    def events(self, until: int | None) -> list[Event]:
        """Return what has happened, in order; empty when the time came first."""

    def watch(self, socket: zmq.Socket[bytes]) -> None:
        """Let `events` return too when something has come for `socket`, on a fleet that waits."""

    def trace_sha256(self) -> str | None:
        """Return the hash of everything that was recorded, where that is exact; else None."""

    def close(self) -> None:
        """End whatever is left, at once. Twice is once."""


class ProcessFleet:
    """A process per node: control messages, pidfds and signals in one poller, hangs by the progress words."""

    def __init__(
        self,
        plan: Plan,
        boards: Mapping[str, Board],
        server: ForkServer,
        signals: Signals,
        stall_after_ns: int,
    ) -> None:
        self._plan = plan
        self._boards = {spec.node: boards[spec.name] for spec in plan.nodes}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        first = plan.nodes[0]
        ids = {spec.name: spec.node for spec in plan.nodes}
        self.control = ControlServer(self._context, first.control, first.secret, ids)
        self._processes = NodeProcesses(server)
        self._signals = signals
        self._stall_after_ns = stall_after_ns
        self._watch = StallWatch(stall_after_ns)
        self._poller = zmq.Poller()
        self._poller.register(self.control.socket, zmq.POLLIN)
        self._poller.register(signals.fileno(), zmq.POLLIN)
        self._polled: set[int] = set()

    @property
    def pids(self) -> dict[int, int]:
        """Return the process of every node that was started, also of those that have ended."""
        return self._processes.pids

    def now(self) -> int:
        """Return the monotonic time in ns, the clock of all processes."""
        return time.monotonic_ns()

    def start(self) -> None:
        """Fork every node; raises ForkRefused or ForkServerDied."""
        self._processes.start(self._plan.nodes)

    def send(self, node: int, request: int, command: str, arguments: dict[str, Any]) -> None:
        """Give a command to a node; one without a connection has died or will be found silent."""
        try:
            self.control.send(node, request, command, arguments)
        except PeerGone:
            return

    def signal(self, node: int, number: signal.Signals) -> None:
        """Send a signal by pidfd."""
        self._processes.signal(node, number)

    def events(self, until: int | None) -> list[Event]:
        """Wait in one poller for messages, exits and signals; look at progress a few times a second."""
        self._follow_descriptors()
        now = self.now()
        due = self._watch.due() if until is None else min(until, self._watch.due())
        ready = dict(self._poller.poll(max(0, -(-(due - now) // 1_000_000))))
        events: list[Event] = [Interrupted()] * self._signals.take()
        events += self.control.receive()
        events += self._ends(ready)
        if self._watch.due() <= self.now():
            events += self._stalls()
        return events

    def watch(self, socket: zmq.Socket[bytes]) -> None:
        """Wait for messages to `socket` too."""
        self._poller.register(socket, zmq.POLLIN)

    def trace_sha256(self) -> str | None:
        """Return None: processes run truly at once, so no order of their events is exact."""
        return None

    def close(self) -> None:
        """Kill and reap what is left, close sockets."""
        self._processes.close()
        self.control.close()
        self._context.destroy(linger=0)

    def _ends(self, ready: Mapping[Any, int]) -> list[Event]:
        try:
            exits = self._processes.exits(ready)
        except ForkServerDied as error:
            return [Broke(ForkServerDied, str(error))]
        last_words: list[Event] = []
        if any(exit_.code for exit_ in exits):
            self.control.socket.poll(_LAST_WORDS_MS)
            last_words = self.control.receive()
        return last_words + [self._exited(exit_) for exit_ in exits]

    def _exited(self, exit_: Exit) -> Exited:
        return Exited(exit_.node, exit_.code, exit_.signal, *self._standing(exit_.node))

    def _stalls(self) -> list[Event]:
        watched = [node for node in self._processes.alive() if node in self.control.pids]
        progress = {node: self._boards[node].words[Word.PROGRESS] for node in watched}
        return [
            Stalled(node, self._stall_after_ns / 1e9, *self._standing(node))
            for node in self._watch.look(self.now(), progress, self._waited)
        ]

    def _waited(self, node: int) -> int:
        """Return how long a node has waited for a processor, ns; 0 where the kernel does not tell."""
        times = times_of(self.pids[node])
        return times[1] if times else 0

    def _standing(self, node: int) -> tuple[str, int]:
        """Return a node's last state and progress, from its board."""
        words = self._boards[node].words
        state = words[Word.STATE]
        known = {member.value: member.name for member in NodeState}
        return known.get(state, f"{state}, which no node writes"), words[Word.PROGRESS]

    def _follow_descriptors(self) -> None:
        wanted = set(self._processes.descriptors())
        for descriptor in wanted - self._polled:
            self._poller.register(descriptor, zmq.POLLIN)
        for descriptor in self._polled - wanted:
            self._poller.unregister(descriptor)
        self._polled = wanted
