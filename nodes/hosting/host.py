"""The body of a node process: attach, say hello, then `idle(poll())` until told to exit.

Errors of driver code end here: they are reported and the process stays, silent, until it is told to go, so that its
board and its packets can still be read.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from typing import Any, NamedTuple

import msgpack
import zmq

from nodes.clock import MonotonicClock
from nodes.floor import measure_floor
from nodes.hosting.build import attach_segments, build_node, listen
from nodes.lifecycle import URGENT, Reply
from nodes.metrics import Counter
from nodes.node import Node
from nodes.spec import NodeSpec
from nodes.timers import NEVER
from nodes.verifier.violation import failure_event
from shm.board import Word
from shm.doorbell import BellListener

SPINS = 4
"""Empty polls, each giving the processor away, before a node blocks."""
CONTROL_EVERY = 64
"""Polls between two looks at the control socket, whether or not each of them found work."""
LONGEST_WAIT = 500_000_000
"""Longest block in ns: the progress word moves at least this often."""
MAX_MESSAGE = 65536
LAST_WORDS_MS = 1000
"""How long a node that ends waits for its last messages to leave."""


class _Command(NamedTuple):
    number: int
    name: str
    arguments: dict[str, Any]


class Control:
    """A node's end of the control connection."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], spec: NodeSpec) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.IDENTITY, spec.name.encode())
        self.socket.connect(spec.control)
        self._put_aside: deque[_Command] = deque()

    def hello(self, spec: NodeSpec) -> None:
        """Tell the orchestrator who this is."""
        self.send({"kind": "hello", "node": spec.node, "pid": os.getpid(), "secret": spec.secret})

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message for the orchestrator."""
        self.socket.send(msgpack.packb(message), zmq.DONTWAIT)

    def receive(self, node: Node) -> int:
        """Carry out every waiting command and return how many; what makes no sense is counted and dropped."""
        self._read(node)
        carried_out = 0
        while self._put_aside:
            command = self._put_aside.popleft()
            node.command(command.name, command.arguments, self._replier(command.number))
            carried_out += 1
        return carried_out

    def receive_urgent(self, node: Node) -> None:
        """Carry out what cannot wait until the driver's handler has returned, as the end of whom it waits for."""
        self._read(node)
        for command in [command for command in self._put_aside if command.name in URGENT]:
            self._put_aside.remove(command)
            node.command(command.name, command.arguments, self._replier(command.number))

    def _read(self, node: Node) -> None:
        while int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            command = _decode(self.socket.recv(zmq.DONTWAIT))
            if command is None:
                node.board.counters[Counter.MALFORMED] += 1
            else:
                self._put_aside.append(command)

    def _replier(self, number: int) -> Reply:
        return lambda answer: self.send({"kind": "reply", "id": number, **answer})


def _decode(packed: bytes) -> _Command | None:
    try:
        message = msgpack.unpackb(packed)
    except (ValueError, msgpack.exceptions.UnpackException):
        return None
    if not isinstance(message, dict) or message.get("kind") != "command":
        return None
    number, name, arguments = message.get("id"), message.get("name"), message.get("arguments", {})
    if not (type(number) is int and isinstance(name, str) and isinstance(arguments, dict)):
        return None
    return _Command(number, name, arguments)


def main(spec: NodeSpec) -> None:
    """Run a node until the orchestrator tells it to exit.

    Hello is said last, when the node's bell hangs and its driver is made: once all have said it, all can be rung.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    control = Control(context, spec)
    status = 0
    try:
        segments = attach_segments(spec)
        listener = listen(spec, segments, context)
        node = build_node(spec, segments, MonotonicClock(), context=context)
        node.on_event = control.send
        node.pump = partial(_pump, node, control, listener)
        if node.driver.source:
            node.calibrate = partial(measure_floor, node.clock, partial(listener.wait, []), node.board)
        os.nice(spec.nice)
        control.hello(spec)
        run(node, control, listener)
    except Exception as error:  # noqa: BLE001 - the process boundary: reported, then the process ends
        control.hello(spec)
        control.send(failure_event(error))
        status = 1
    context.destroy(linger=LAST_WORDS_MS)
    os._exit(status)


def run(node: Node, control: Control, listener: BellListener) -> None:
    """Poll until exit is requested: spin a little when there is nothing to do, then block."""
    idle_polls = 0
    polls = 0
    while not node.lifecycle.exit_requested:
        work = node.step()
        polls += 1
        if polls % CONTROL_EVERY == 0 and control.receive(node):
            work += 1
        if work:
            idle_polls = 0
            continue
        idle_polls += 1
        if idle_polls < SPINS:
            os.sched_yield()
            continue
        if control.receive(node):
            idle_polls = 0  # what a command made the driver hand over is published by a poll
            continue
        node.update_gauges()
        _block(node, [control.socket], listener)
    node.update_gauges()


def _pump(node: Node, control: Control, listener: BellListener) -> None:
    """Let the neighbours run while a driver waits: spin a little, then block until one rings or time is up."""
    for _ in range(SPINS):
        os.sched_yield()
        if node.ready():
            return
    control.receive_urgent(node)
    if not node.ready() and not node.inbox:
        _block(node, [control.socket], listener)
        control.receive_urgent(node)


def _block(node: Node, sockets: list[zmq.Socket[bytes]], listener: BellListener) -> None:
    for notice in listener.drain():  # those that woke it before: the rings came first, they need no message
        node.heard(notice)
    node.board.counters[Counter.MALFORMED] += listener.malformed_count
    listener.malformed_count = 0
    listener.arm()
    if not node.ready():
        due = node.next_due()
        timeout = LONGEST_WAIT if due == NEVER else min(max(due - node.clock.now(), 0), LONGEST_WAIT)
        if timeout:
            listener.wait(sockets, timeout)
            node.board.counters[Counter.WAKES] += 1
    listener.disarm()
    node.board.words[Word.PROGRESS] += 1
