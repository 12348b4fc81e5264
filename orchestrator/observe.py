"""Read what nodes show of themselves: boards and the packets in the arena become one `Snapshot`.

Nothing is asked of a node, so this works on live runs, on hung ones and on those whose nodes are dead. While
nodes run, the parts of a snapshot are some microseconds apart; after a stop it is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.metrics import Counter, HistogramRow, NodeState, PortCounter
from nodes.spec import EdgeSpec, NodeSpec
from orchestrator.holdings import Holding, find_holdings
from orchestrator.percentiles import added
from shm.arena import Arena
from shm.board import FLOWS, Board, Word
from shm.slowest import PacketHistogram

U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class PortView:
    """One end of an edge: what its node counted there; `in_flight` are its requests without a reply.

    `held` (u64[BUCKETS], ns) are the times from the arrival of the peer's requests to this node's replies, `longest`
    (u64[KEPT][4]) the packets that took longest of all.
    """

    edge: int
    kind: str
    side: str
    peer: str
    counters: dict[str, int]
    held: U64
    longest: U64

    @property
    def in_flight(self) -> int:
        """Return how many requests of this node the peer has not replied to."""
        return self.counters["requests_out"] - self.counters["replies_in"]


@dataclass(frozen=True)
class NodeView:
    """One node: state, counters by name, ports, histograms (u64[BUCKETS], ns) and completions by status code.

    `progress` changes with each round of the node's loop: a node whose word stands still hangs. `flows`
    are the packets of each flow that it sends, where it counts them apart. `slowest` (u64[KEPT][4]) are those of its
    own packets whose latency was longest.
    """

    node: int
    name: str
    kind: str
    state: NodeState
    progress: int
    done: bool
    counters: dict[str, int]
    ports: tuple[PortView, ...]
    statuses: dict[int, int]
    latency: U64
    one_way: U64
    planned: U64
    flows: tuple[int, ...]
    slowest: U64

    @property
    def held(self) -> U64:
        """Return the times from a request's arrival in this node to its reply, over all ports."""
        return added(port.held for port in self.ports)


@dataclass(frozen=True)
class Conservation:
    """The equation ``accepted = completed + in_flight + lost``.

    `in_flight` is counted in the arena, the other two by the nodes, so `lost` is found and not defined away.
    """

    accepted: int
    completed: int
    in_flight: int
    duplicated: int

    @property
    def lost(self) -> int:
        """Return the packets that nobody holds or completed; negative when more came back than went out."""
        return self.accepted - self.completed - self.in_flight

    @property
    def holds(self) -> bool:
        """Return whether every packet is accounted for exactly once."""
        return self.lost == 0 and self.duplicated == 0


@dataclass(frozen=True)
class Snapshot:
    """A run as it stood at `time` (ns on the run's clock); `nodes` is in the order of the plan."""

    time: int
    nodes: dict[str, NodeView]
    conservation: Conservation
    holdings: tuple[Holding, ...]

    def total(self, counter: Counter) -> int:
        """Return the sum of a counter over all nodes."""
        return sum(node.counters[counter.name.lower()] for node in self.nodes.values())


def observe(
    specs: Sequence[NodeSpec], boards: Mapping[str, Board], arena: Arena, now: int, *, settled: bool = False
) -> Snapshot:
    """Read every board and the arena; `now` is the run's clock in ns, from which ages count.

    A node without a board (it never came up) is left out. Before a run has `settled`, a packet on its last
    hop home cannot be told from one that is home already, so as many of them as the equation asks for count
    as in flight; afterwards none does.
    """
    nodes = {spec.name: _view(spec, boards[spec.name]) for spec in specs if spec.name in boards}
    senders = {view.node for view in nodes.values() if view.counters["sent"]}
    holdings = find_holdings(arena, specs, senders, now)
    return Snapshot(now, nodes, _conserve(list(nodes.values()), holdings, settled), holdings)


def _conserve(nodes: list[NodeView], holdings: Sequence[Holding], settled: bool) -> Conservation:
    accepted = sum(node.counters["sent"] for node in nodes)
    completed = sum(node.counters["completed"] for node in nodes)
    in_flight = sum(holding.pending for holding in holdings)
    if not settled:
        gap = accepted - completed - in_flight
        in_flight += max(0, min(gap, sum(holding.returning for holding in holdings)))
    return Conservation(accepted, completed, in_flight, sum(node.counters["duplicated"] for node in nodes))


def _view(spec: NodeSpec, board: Board) -> NodeView:
    rows = [histogram.counts.copy() for histogram in board.histograms]
    return NodeView(
        node=spec.node,
        name=spec.name,
        kind=spec.kind,
        state=_state(board.words[Word.STATE]),
        progress=board.words[Word.PROGRESS],
        done=bool(board.words[Word.DONE]),
        counters={counter.name.lower(): board.counters[counter] for counter in Counter},
        ports=tuple(
            _port(edge, row, held)
            for edge, row, held in zip(spec.edges, board.ports, board.held, strict=False)
        ),
        statuses=board.status_counts(),
        latency=rows[HistogramRow.LATENCY],
        one_way=rows[HistogramRow.ONE_WAY],
        planned=rows[HistogramRow.PLANNED],
        flows=tuple(board.flows[: min(board.counters[Counter.FLOWS], FLOWS)]),
        slowest=board.histograms[HistogramRow.LATENCY].slowest.copy(),
    )


def _port(edge: EdgeSpec, row: memoryview, held: PacketHistogram) -> PortView:
    counters = {counter.name.lower(): row[counter] for counter in PortCounter}
    took, longest = held.counts.copy(), held.slowest.copy()
    return PortView(edge.edge, edge.kind, edge.side, edge.peer_name, counters, took, longest)


def _state(word: int) -> NodeState:
    """Return the state a board shows; a word that no node writes means memory was overwritten: FAILED."""
    try:
        return NodeState(word)
    except ValueError:
        return NodeState.FAILED
