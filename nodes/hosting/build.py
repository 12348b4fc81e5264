"""Put a node together from its spec, its segments and, between processes, its doorbells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

from nodes.clock import Clock
from nodes.crossings.port import Port
from nodes.driver import Driver
from nodes.hosting.loader import DriverNotFound, load_driver
from nodes.node import Node
from nodes.spec import NodeSpec, RingSpec
from shm.arena import Arena
from shm.board import Board
from shm.doorbell import Bell, BellListener
from shm.fence import CURSORS_SHARED
from shm.layout import CACHE_LINE, WORDS_PER_LINE
from shm.recorder import Recorder
from shm.ring import COLUMNS, RingConsumer, RingMemory, RingProducer
from shm.segment import Segment

U64 = NDArray[np.uint64]
Trace = Callable[[int, int, U64, int], None]
"""Called with node id, time, packet handles and meta word of every vector that a node records."""


class TracedRecorder(Recorder):
    """A flight recorder that also tells a listener, for exact traces of runs in one process."""

    def __init__(self, recorder: Recorder, node: int, trace: Trace) -> None:
        self.__dict__.update(recorder.__dict__)
        self._node = node
        self._trace = trace

    def record(self, time: int, arguments: U64, meta: int) -> None:
        """Record one vector and pass it on."""
        super().record(time, arguments, meta)
        self._trace(self._node, time, arguments, meta)


def attach_segments(spec: NodeSpec) -> dict[str, Segment]:
    """Attach the segments that a spec names; errors as for `Segment.attach`."""
    return {part: Segment.attach(name, spec.token) for part, name in spec.segments.items()}


def build_node(
    spec: NodeSpec,
    segments: Mapping[str, Segment],
    clock: Clock,
    *,
    context: zmq.Context[zmq.Socket[bytes]] | None = None,
    trace: Trace | None = None,
) -> Node:
    """Return the node that `spec` describes, in state Halted, its driver made but not started.

    `segments` holds ``packets``, ``rings`` and ``board``; with a ZeroMQ `context` the node rings its neighbours.
    Raises what the driver's constructor raises, and DriverNotFound when the class is no driver.
    """
    arena = Arena.map(segments["packets"].buffer, spec.slots)
    board = Board(segments["board"].buffer, len(spec.edges), spec.events, spec.phases)
    recorder = board.recorder()
    if trace is not None:
        recorder = TracedRecorder(recorder, spec.node, trace)
    node = Node(spec, arena, board, recorder, clock)
    driver_class = load_driver(spec.driver)
    if not issubclass(driver_class, Driver):
        raise DriverNotFound(f"{spec.driver} is not a driver: it does not derive from nodes.driver.Driver")
    buffer = segments["rings"].buffer
    driver = driver_class(node, driver_class.Options(**spec.options))
    node.assemble(driver, _ports(spec, node, buffer, context), _tails(spec, buffer))
    return node


def listen(spec: NodeSpec, segments: Mapping[str, Segment], context: zmq.Context[Any]) -> BellListener:
    """Return the listener of a node's doorbell."""
    return BellListener(context, spec.bell, _words(segments["rings"].buffer), spec.arm)


def _ports(spec: NodeSpec, node: Node, buffer: memoryview, context: zmq.Context[Any] | None) -> list[Port]:
    words = _words(buffer)
    bells: dict[str, Bell] = {}
    ports = []
    for index, edge in enumerate(spec.edges):
        if context is not None and edge.peer_bell not in bells:
            bells[edge.peer_bell] = Bell(context, edge.peer_bell, words, edge.peer_arm)
        produce = RingProducer(_ring(edge.produce, buffer, words))
        consume = RingConsumer(_ring(edge.consume, buffer, words))
        ports.append(
            Port(
                index,
                spec.node,
                edge,
                (produce, consume),
                node.custody,
                node.recorder,
                node.board.ports[index],
                bells.get(edge.peer_bell),
                every=spec.notify == "every" or not CURSORS_SHARED,
            )
        )
    return ports


def _ring(spec: RingSpec, buffer: memoryview, words: memoryview) -> RingMemory:
    columns = np.frombuffer(buffer, np.uint64, COLUMNS * spec.capacity, spec.columns)
    return RingMemory(columns.reshape(COLUMNS, spec.capacity), words, spec.tail, spec.head)


def _tails(spec: NodeSpec, buffer: memoryview) -> U64:
    lines = np.frombuffer(buffer, np.uint64, len(spec.edges) * WORDS_PER_LINE, spec.tails)
    return lines.reshape(len(spec.edges), WORDS_PER_LINE)[:, 0]


def _words(buffer: memoryview) -> memoryview:
    return buffer[: len(buffer) // CACHE_LINE * CACHE_LINE].cast("Q")
