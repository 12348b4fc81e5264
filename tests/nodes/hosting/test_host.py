from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from nodes.metrics import Counter, NodeState, PortCounter
from nodes.ndis import Adapter, Binding, NetEvent, Protocol
from nodes.packets.chain import NblChain
from nodes.spec import NodeSpec
from nodes.status import Status
from orchestrator.plan import Plan, compile_plan
from orchestrator.topology.model import BindingModel, NodeModel, Topology
from shm.board import Board, Word
from shm.segment import Segment
from tests.layers import Floor

ROOT = Path(__file__).parents[3]
LIMIT_MS = 20_000
PACKETS = 3000
BODY = "import os, sys\nfrom nodes.hosting.host import main\nfrom nodes.spec import NodeSpec\n"
BODY += "main(NodeSpec.unpack(sys.stdin.buffer.read()))"


class Source(Protocol):
    """Sends as many packets as it has, 32 at a time, as soon as it may."""

    source = True

    def bind_adapter(self, binding: Binding) -> None:
        self.left = PACKETS
        self.back = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.send_more(binding)
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        self.free(chain)
        self.send_more(binding)
        if self.back == PACKETS:
            self.report_done()

    def send_more(self, binding: Binding) -> None:
        while self.left and binding.room:
            chain = binding.allocate_net_buffer_lists(min(32, self.left, binding.room), 60)
            self.left -= len(chain)
            binding.send_net_buffer_lists(chain)


class Bad(Floor):
    """A bottom that raises at the first send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        raise ArithmeticError("bad descriptor")


class Run:
    """Node processes of a plan, and the orchestrator's end of their control connections."""

    def __init__(self, token: str, directory: Path, bottom: type[Floor]) -> None:
        self.plan = plan_of(token, directory, bottom)
        self.segments = {name: Segment.create(name, size, 9) for name, size in self.plan.segments.items()}
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(f"ipc://{directory}/control")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._requests = 0

    def spawn(self, spec: NodeSpec) -> None:
        process = subprocess.Popen([sys.executable, "-c", BODY], cwd=ROOT, stdin=subprocess.PIPE)
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(spec.pack())
        self.processes[spec.name] = process

    def wait_for(self, node: str, kind: str, **wanted: Any) -> dict[str, Any]:
        """Return the next message of a node that fits; others are kept in `messages`."""
        while True:
            for index, (name, message) in enumerate(self.messages):
                if name == node and {"kind": kind, **wanted}.items() <= message.items():
                    return self.messages.pop(index)[1]
            assert self.router.poll(LIMIT_MS), f"{node} said no {kind}, but {self.messages}"
            name_bytes, packed = self.router.recv_multipart()
            self.messages.append((name_bytes.decode(), msgpack.unpackb(packed)))

    def command(self, node: str, name: str) -> dict[str, Any]:
        self._requests += 1
        self.say(node, msgpack.packb({"kind": "command", "id": self._requests, "name": name}))
        return self.wait_for(node, "reply", id=self._requests)

    def say(self, node: str, message: bytes) -> None:
        self.router.send_multipart([node.encode(), message])

    def board(self, node: str) -> Board:
        [spec] = [spec for spec in self.plan.nodes if spec.name == node]
        return Board(self.segments[spec.segments["board"]].buffer, len(spec.edges), spec.events)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        for segment in self.segments.values():
            segment.unlink()
        self.router.close(0)
        self.context.destroy(0)


def plan_of(token: str, directory: Path, bottom: type[Floor]) -> Plan:
    def model(driver: Any) -> NodeModel:
        reference = f"{driver.__module__}:{driver.__qualname__}"
        return NodeModel(driver="d", reference=reference, kind=driver.kind, options=driver.Options())

    topology = Topology(
        name="pair",
        nodes={"top": model(Source), "nic": model(bottom)},
        bindings=(BindingModel(upper="top", lower="nic", depth=256),),
    )
    return compile_plan(
        topology, token=9, token_text=token, directory=directory, output=None, secret=b"the run's"
    )


@pytest.fixture
def run(token: str, run_base: Path, request: pytest.FixtureRequest) -> Iterator[Run]:
    made = Run(token, run_base.parent, getattr(request, "param", Floor))
    yield made
    made.close()


def start(run: Run) -> None:
    for spec in run.plan.nodes:
        run.spawn(spec)
    for spec in run.plan.nodes:
        hello = run.wait_for(spec.name, "hello")
        pid = run.processes[spec.name].pid
        assert hello == {"kind": "hello", "node": spec.node, "pid": pid, "secret": b"the run's"}
    for name in ("initialize", "restart"):
        for node in ("nic", "top"):
            assert run.command(node, name)["ok"]


def test_two_processes_carry_every_packet_there_and_back_and_stop_in_order(run: Run) -> None:
    start(run)
    run.wait_for("top", "done")
    for node in ("top", "nic"):
        assert run.command(node, "pause")["ok"]
        assert run.command(node, "halt")["ok"]
    for node in ("top", "nic"):
        assert run.command(node, "exit")["ok"]
        assert run.processes[node].wait(LIMIT_MS / 1000) == 0
    assert run.messages == []
    top, nic = run.board("top"), run.board("nic")
    assert top.counters[Counter.SENT] == top.counters[Counter.COMPLETED] == PACKETS
    assert nic.ports[0][PortCounter.REQUESTS_IN] == nic.ports[0][PortCounter.REPLIES_OUT] == PACKETS
    assert (top.counters[Counter.POOL_FREE], nic.counters[Counter.HELD]) == (1024, 0)


def test_an_idle_node_sleeps_and_still_answers(run: Run) -> None:
    start(run)
    run.wait_for("top", "done")
    board = run.board("nic")
    polls = board.words[Word.PROGRESS]
    for _ in range(20):
        assert run.command("nic", "describe")["value"] == {"state": "RUNNING", "held": 0}
    assert polls < board.words[Word.PROGRESS]
    assert board.counters[Counter.WAKES] > 0


@pytest.mark.parametrize("run", [Bad], indirect=True)
def test_a_node_whose_driver_failed_says_so_and_stays_until_it_is_told_to_go(run: Run) -> None:
    start(run)
    failed = run.wait_for("nic", "failed")
    assert (failed["error"], failed["message"]) == ("ArithmeticError", "bad descriptor")
    assert "send_net_buffer_lists" in failed["traceback"]
    assert run.command("nic", "describe")["value"]["state"] == "FAILED"
    assert run.board("nic").words[Word.STATE] == NodeState.FAILED
    assert run.command("nic", "exit")["ok"]
    assert run.processes["nic"].wait(LIMIT_MS / 1000) == 0


JUNK = [
    b"",
    b"\xc1",
    b"\x93\x01",
    b"x" * 1000,
    *map(
        msgpack.packb,
        [
            [1],
            {"kind": "command"},
            {"kind": "command", "id": "1", "name": "exit"},
            {"kind": "command", "id": 1, "name": 7},
            {"kind": "command", "id": 1, "name": "exit", "arguments": [1]},
            {"kind": "order", "id": 1, "name": "exit"},
        ],
    ),
]


def test_a_control_message_that_makes_no_sense_is_counted_and_dropped(run: Run) -> None:
    start(run)
    run.wait_for("top", "done")
    for junk in JUNK:
        run.say("nic", junk)
    assert run.command("nic", "describe")["value"]["state"] == "RUNNING"
    assert run.board("nic").counters[Counter.MALFORMED] == len(JUNK)


def test_a_node_that_cannot_attach_says_why_and_ends(run: Run) -> None:
    [_, nic] = run.plan.nodes
    run.segments[nic.segments["board"]].unlink()
    run.spawn(nic)
    run.wait_for("nic", "hello")
    failed = run.wait_for("nic", "failed")
    assert failed["error"] == "SegmentMissing"
    assert nic.segments["board"] in failed["message"]
    assert run.processes["nic"].wait(LIMIT_MS / 1000) == 1
