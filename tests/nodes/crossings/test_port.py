from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

import nodes.hosting.build
import nodes.node
from nodes.clock import VirtualClock
from nodes.crossings.crossing import Op
from nodes.crossings.port import EDGE_SHIFT, OWNER_SHIFT, STATE_SHIFT
from nodes.hosting.build import build_node, listen
from nodes.metrics import Counter, PortCounter
from nodes.node import Node
from orchestrator.plan import Plan, compile_plan
from orchestrator.topology.model import BindingModel, NodeModel, Topology
from shm.doorbell import BellListener
from shm.segment import Segment
from tests.bench import Bench
from tests.layers import Floor, Teller

SECOND = 1_000_000_000


def plan_of(directory: Path, notify: str = "armed", depth: int = 64) -> Plan:
    layers = {"top": Teller, "nic": Floor}
    topology = Topology(
        name="pair",
        nodes={
            name: NodeModel(
                driver=name,
                reference=f"tests.layers:{layer.__name__}",
                kind=layer.kind,  # type: ignore[arg-type]
                options=layer.Options(),
            )
            for name, layer in layers.items()
        },
        bindings=(BindingModel(upper="top", lower="nic", depth=depth),),
        notify=notify,  # type: ignore[arg-type]
    )
    return compile_plan(topology, token=1, token_text="pair", directory=directory, output=None, secret=b"")


class Pair:
    """Two nodes in this process that ring each other by real bells."""

    def __init__(self, directory: Path, notify: str = "armed") -> None:
        plan = plan_of(directory, notify)
        segments = {name: Segment.local(name, size) for name, size in plan.segments.items()}
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self.nodes: list[Node] = []
        self.listeners: list[BellListener] = []
        for spec in plan.nodes:
            parts = {part: segments[name] for part, name in spec.segments.items()}
            self.listeners.append(listen(spec, parts, self.context))
            self.nodes.append(build_node(spec, parts, VirtualClock(1_000_000), context=self.context))
        for node in self.nodes:
            node.command("initialize", {}, lambda answer: None)
            node.command("restart", {}, lambda answer: None)

    @property
    def top(self) -> Teller:
        driver = self.nodes[0].driver
        assert isinstance(driver, Teller)
        return driver

    @property
    def bells(self) -> list[int]:
        """Return how often each node has rung."""
        return [node.ports[0].counters[PortCounter.BELLS] for node in self.nodes]

    def hear(self, index: int) -> None:
        """Wait for a bell at one node and let it take what the bell says."""
        assert self.listeners[index].wait([], 5 * SECOND)
        for notice in self.listeners[index].drain():
            self.nodes[index].heard(notice)

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
        for node in self.nodes:
            for port in node.ports:
                assert port.bell is not None
                port.bell.close()
        self.context.destroy(0)


@pytest.fixture
def pair(run_base: Path) -> Iterator[Pair]:
    made = Pair(run_base.parent)
    yield made
    made.close()


@pytest.fixture
def apart(run_base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two nodes as on a machine where cursors cannot be shared."""
    monkeypatch.setattr(nodes.node, "CURSORS_SHARED", False)
    monkeypatch.setattr(nodes.hosting.build, "CURSORS_SHARED", False)
    made = Pair(run_base.parent)
    yield made
    made.close()


def test_where_cursors_are_not_shared_they_travel_in_the_bells(apart: Pair) -> None:
    for count in (3, 64, 1):
        apart.top.send(count)
        apart.nodes[0].poll()
        assert not apart.nodes[1].ready()
        assert apart.nodes[1].poll() == 0
        apart.hear(1)
        assert apart.nodes[1].poll() == count
        apart.hear(0)
        assert apart.nodes[0].poll() == count
    assert [handle for handle, _ in apart.top.back] == apart.top.sent
    assert apart.bells == [3, 3]


def test_bells_heard_late_and_together_bring_every_entry_once(apart: Pair) -> None:
    for count in (2, 3, 4):
        apart.top.send(count)
        apart.nodes[0].poll()
    heard = 0
    while heard < 9:
        apart.hear(1)
        heard += apart.nodes[1].poll()
    assert apart.nodes[1].poll() == 0
    apart.hear(0)
    apart.nodes[0].poll()
    assert len(apart.top.back) == 9


def test_a_busy_neighbour_is_not_rung(pair: Pair) -> None:
    for _ in range(3):
        pair.top.send(2)
        pair.nodes[0].poll()
        assert pair.nodes[1].poll() == 2
    assert pair.bells == [0, 0]


def test_an_armed_neighbour_is_rung_once_until_it_arms_again(pair: Pair) -> None:
    pair.listeners[1].arm()
    for _ in range(3):
        pair.top.send(1)
        pair.nodes[0].poll()
    assert pair.bells == [1, 0]
    pair.hear(1)
    assert pair.nodes[1].poll() == 3


def test_notify_every_rings_a_busy_neighbour_too(run_base: Path) -> None:
    pair = Pair(run_base.parent, "every")
    try:
        for _ in range(3):
            pair.top.send(2)
            pair.nodes[0].poll()
        assert pair.bells == [3, 0]
    finally:
        pair.close()


def test_a_bell_of_an_edge_that_this_node_does_not_have_changes_nothing(apart: Pair) -> None:
    apart.nodes[0].ports[0].bell.ring(nodes.crossings.port.Notice(Op.SEND, 4000, 5, 5))  # type: ignore[union-attr]
    apart.hear(1)
    assert not apart.nodes[1].ready()


def test_the_ledger_names_owner_edge_and_how_it_got_there() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    [handle] = top.send(1)
    slot = handle & 0xFFFFFFF

    def ledger() -> tuple[int, int, int]:
        word = int(bench.nodes["top"].arena.ledger[slot])
        return word >> OWNER_SHIFT, word >> EDGE_SHIFT & 0xFFF, word >> STATE_SHIFT & 0xFF

    bench.nodes["top"].poll()
    assert ledger() == (bench.nodes["nic"].spec.node, 1, 2)
    bench.settle()
    nic.complete()
    bench.nodes["nic"].poll()
    assert ledger() == (bench.nodes["top"].spec.node, 1, 5)
    bench.settle()
    assert ledger() == (0, 0, 0)


def test_nothing_shows_to_the_neighbour_before_the_poll_ends() -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    top.send(5)
    top.send(1)
    port = bench.nodes["top"].ports[0]
    assert (port.dirty, port.outstanding, port.room()) == (True, 6, 1018)
    assert not bench.nodes["nic"].ready()
    port.flush(bench.clock.now())
    assert (port.dirty, port.idle) == (False, False)
    assert bench.nodes["nic"].ready()


def test_credits_come_back_with_the_completions() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"], depth=16).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    binding = top.bindings[0]
    for round_number in range(50):
        top.send(binding.room)
        bench.settle()
        assert (binding.room, binding.outstanding) == (0, 16)
        nic.complete(5 + round_number % 11)
        bench.settle()
        assert binding.outstanding == 16 - (5 + round_number % 11)
    assert bench.kinds() == []


def test_packets_a_neighbour_does_not_own_are_left_out_and_the_rest_arrives() -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    handles = top.send(4)
    bench.nodes["top"].poll()
    bench.nodes["nic"].arena.ledger[handles[1] & 0xFFFFFFF] = 7 << OWNER_SHIFT
    bench.nodes["nic"].arena.handle[handles[2] & 0xFFFFFFF] += np.uint64(1 << 40)
    bench.settle()
    assert nic.handles == [handles[0], handles[3]]
    assert {rule for _, rule in bench.kinds()} == {"N6-SEND-03"}
    assert [event["handle"] for _, event in bench.events] == [handles[2], handles[1]]


def test_full_rings_take_every_completion_and_return_at_once() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"], depth=16).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    top.keep = True
    for _ in range(20):
        top.send(top.bindings[0].room)
        nic.indicate(*[b"z" * 60] * nic.adapter.receive_room)
        bench.settle()
        nic.complete()
        nic.indicate(*[b"z" * 60] * nic.adapter.receive_room)
        top.return_kept()
        bench.settle()
    top.return_kept()
    nic.complete()
    bench.settle()
    assert (bench.kinds(), bench.held(), bench.in_use()) == ([], {}, {})
    assert len(top.back) == len(top.sent)
    assert bench.counter("top", Counter.RECEIVED) == 160


@pytest.mark.parametrize("cancels", [1, 40])
def test_notices_wait_for_room_and_never_take_that_of_packets(cancels: int) -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"], depth=16).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    for number in range(cancels):
        top.bindings[0].cancel_send_net_buffer_lists(number)
    top.send(16)
    bench.settle()
    nic.complete()
    bench.settle()
    assert nic.cancels == list(range(cancels))
    assert len(top.back) == 16
    assert bench.kinds() == []
