"""Look into a run from outside: for every edge what is in flight, since when, and who holds it.

The run's segments are attached by the specs in its run directory and only read; no node is asked, so a hung
run can be looked into as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from nodes.spec import NodeSpec
from orchestrator.holdings import Holding, LedgerState
from orchestrator.observe import NodeView, PortView, Snapshot, observe
from orchestrator.rundir import RunRecord, find_runs, read_specs, token_number
from shm.arena import Arena
from shm.board import Board
from shm.segment import Segment

SCHEMA = "ndisim.inspect/1"


class NoSuchRun(LookupError):
    """Say that no run, or more than one, is meant by a word, and which runs there are."""


@dataclass(frozen=True)
class Held:
    """Packets in one node's hands: how they came there, how many, since when (us), and a few handles."""

    node: str
    state: str
    packets: int
    oldest_us: float
    handles: tuple[str, ...]


@dataclass(frozen=True)
class EdgeView:
    """One edge: sends without completion (`down`), indications without return (`up`), and who holds packets
    now.

    A packet that the lower node has passed on counts as in flight here and is held at an edge further down.
    """

    edge: int
    upper: str
    lower: str
    kind: str
    down: int
    up: int
    held: tuple[Held, ...]


@dataclass(frozen=True)
class Inspection:
    """A run as it stood when it was looked into."""

    run: RunRecord
    snapshot: Snapshot
    edges: tuple[EdgeView, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return ``ndisim.inspect/1``."""
        of = self.snapshot.conservation
        return {
            "schema": SCHEMA,
            "run": {"id": self.run.token, "name": self.run.details.get("name", ""), "alive": self.run.alive},
            "conservation": {**asdict(of), "lost": of.lost},
            "nodes": {node.name: _node(node) for node in self.snapshot.nodes.values()},
            "edges": [asdict(edge) for edge in self.edges],
        }


def find_run(word: str) -> RunRecord:
    """Return the run whose id begins with `word`, or else whose name is `word`; raises NoSuchRun."""
    runs = find_runs()
    matching = [run for run in runs if run.token.startswith(word)]
    matching = matching or [run for run in runs if run.details.get("name") == word]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NoSuchRun(f"{word!r} could be {_listed(matching)}; write more of the id")
    raise NoSuchRun(
        f"there is no run {word!r}; " + (f"there is {_listed(runs)}" if runs else "none is there")
    )


def inspect_run(run: RunRecord) -> Inspection:
    """Look into a run once.

    Raises NoSuchRun when it shows no nodes (it is just starting, or all of it is one process), SegmentMissing
    when it ended meanwhile.
    """
    specs = read_specs(run.path)
    if not specs or run.details.get("mode") == "inline":
        raise NoSuchRun(f"run {run.token} shows no shared memory: it is starting, or of mode inline")
    with _attached(specs, token_number(run.token)) as (boards, arena):
        snapshot = observe(specs, boards, arena, time.monotonic_ns())
    return Inspection(run, snapshot, tuple(_edges(specs, snapshot)))


@contextmanager
def _attached(specs: Sequence[NodeSpec], token: int) -> Iterator[tuple[dict[str, Board], Arena]]:
    segments: list[Segment] = []

    def attach(name: str) -> memoryview:
        segments.append(Segment.attach(name, token))
        return segments[-1].buffer

    try:
        arena = Arena.map(attach(specs[0].segments["packets"]), specs[0].slots)
        boards = {
            spec.name: Board(attach(spec.segments["board"]), len(spec.edges), spec.events, spec.phases)
            for spec in specs
        }
        yield boards, arena
    finally:
        for segment in segments:
            segment.close()


def _edges(specs: Sequence[NodeSpec], snapshot: Snapshot) -> Iterator[EdgeView]:
    for spec in specs:
        view = snapshot.nodes[spec.name]
        for port in view.ports:
            if port.side == "upper":
                lower = _other_end(snapshot, port)
                yield EdgeView(
                    edge=port.edge,
                    upper=spec.name,
                    lower=port.peer,
                    kind=port.kind,
                    down=port.in_flight,
                    up=lower.in_flight if lower else 0,
                    held=tuple(_held(holding) for holding in _on(snapshot.holdings, port.edge)),
                )


def _other_end(snapshot: Snapshot, port: PortView) -> PortView | None:
    peer = snapshot.nodes.get(port.peer)
    return next((other for other in peer.ports if other.edge == port.edge), None) if peer else None


def _on(holdings: Iterable[Holding], edge: int) -> Iterator[Holding]:
    return (holding for holding in holdings if holding.edge == edge and holding.state != LedgerState.OWNED)


def _held(holding: Holding) -> Held:
    return Held(
        node=holding.owner,
        state=holding.state.name.lower(),
        packets=holding.packets,
        oldest_us=holding.oldest_ns / 1000,
        handles=tuple(f"{handle:#018x}" for handle in holding.handles),
    )


def _node(node: NodeView) -> dict[str, Any]:
    return {
        "kind": node.kind,
        "state": node.state.name.capitalize(),
        "done": node.done,
        "progress": node.progress,
        "counters": node.counters,
    }


def _listed(runs: Iterable[RunRecord]) -> str:
    return ", ".join(f"{run.token} ({run.details.get('name', 'starting')})" for run in runs)
