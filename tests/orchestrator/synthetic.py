"""Boards and an arena as nodes would have left them, without any node."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nodes.crossings.port import EDGE_SHIFT, OWNER_SHIFT, STATE_SHIFT, TIME_SHIFT
from nodes.metrics import Counter, HistogramRow, NodeState, PortCounter
from nodes.spec import EdgeSpec, NodeSpec, RingSpec
from orchestrator.holdings import LedgerState
from orchestrator.observe import Snapshot, observe
from shm.arena import Arena, Pool
from shm.board import Board, Word

SLOTS = 64
EVENTS = 64
NOW = 1_000 << TIME_SHIFT
_NO_RING = RingSpec(0, 0, 0, 0)


def edge(number: int, side: str, peer: int, peer_name: str, kind: str = "binding") -> EdgeSpec:
    return EdgeSpec(number, kind, side, peer, peer_name, 64, _NO_RING, _NO_RING, 0, "")


def spec(node: int, name: str, kind: str, *edges: EdgeSpec) -> NodeSpec:
    return NodeSpec(
        node=node,
        name=name,
        kind=kind,
        driver=f"somewhere:{name.title()}",
        options={},
        seed=1,
        token=1,
        level=2,
        notify="armed",
        slots=SLOTS,
        pool_base=16 * (node - 1) + 1,
        pool_size=16,
        tails=0,
        arm=0,
        bell="",
        control="",
        secret=b"",
        output="",
        segments={},
        edges=edges,
        events=EVENTS,
    )


def two_nodes() -> tuple[NodeSpec, ...]:
    """A protocol `top` (1) over a miniport `nic` (2), by edge 1."""
    return (
        spec(1, "top", "protocol", edge(1, "upper", 2, "nic")),
        spec(2, "nic", "miniport", edge(1, "lower", 1, "top")),
    )


@dataclass
class FakeRun:
    """The shared memory of a run, filled by tests instead of nodes."""

    specs: tuple[NodeSpec, ...] = field(default_factory=two_nodes)

    def __post_init__(self) -> None:
        self.arena = Arena.map(memoryview(bytearray(Arena.layout(SLOTS).size)), SLOTS)
        self.pools = {of.name: Pool(self.arena, of.node, of.pool_base, of.pool_size) for of in self.specs}
        self.boards = {
            of.name: Board(
                memoryview(bytearray(Board.layout(len(of.edges), EVENTS).size)), len(of.edges), EVENTS
            )
            for of in self.specs
        }

    def allocate(self, name: str, count: int) -> list[int]:
        return list(map(int, self.pools[name].allocate(count, 100)))

    def place(self, handles: list[int], owner: int, edge: int, state: LedgerState, age: int) -> None:
        """Write ledger words; `age` in steps of 65 us."""
        word = owner << OWNER_SHIFT | edge << EDGE_SHIFT | state << STATE_SHIFT | ((NOW >> TIME_SHIFT) - age)
        self.arena.ledger[[handle & 0xFFFFFFF for handle in handles]] = word

    def count(self, name: str, **counters: int) -> None:
        for counter, value in counters.items():
            self.boards[name].counters[Counter[counter.upper()]] = value

    def count_port(self, name: str, port: int, **counters: int) -> None:
        for counter, value in counters.items():
            self.boards[name].ports[port][PortCounter[counter.upper()]] = value

    def state(self, name: str, state: NodeState) -> None:
        self.boards[name].words[Word.STATE] = state

    def record(self, name: str, row: HistogramRow, durations: list[int]) -> None:
        self.boards[name].histograms[row].record(np.array(durations, np.uint64))

    def note(self, name: str, port: int | None, *packets: tuple[int, int, int]) -> None:
        """Leave packets (id, when it came, when it went, ns) with a sender, or with the port of a layer."""
        board = self.boards[name]
        histogram = board.histograms[HistogramRow.LATENCY] if port is None else board.held[port]
        for packet_id, came, went in packets:
            ids, since = np.array([packet_id], np.uint64), np.array([came], np.uint64)
            histogram.note(went, ids + np.uint64(1), np.zeros(1, np.int64), since, ids)

    def record_held(self, name: str, port: int, durations: list[int]) -> None:
        self.boards[name].held[port].record(np.array(durations, np.uint64))

    def send_and_complete(self, count: int) -> None:
        """Leave behind `count` packets that `top` sent and got back, each after 10 us."""
        self.count("top", sent=count, completed=count)
        self.count_port("top", 0, requests_out=count, replies_in=count)
        self.count_port("nic", 0, requests_in=count, replies_out=count)
        self.boards["top"].count_status(0, count)
        self.record("top", HistogramRow.LATENCY, [10_000] * count)
        self.record_held("nic", 0, [5_000] * count)

    def observe(self, *, settled: bool = True) -> Snapshot:
        return observe(self.specs, self.boards, self.arena, NOW, settled=settled)
