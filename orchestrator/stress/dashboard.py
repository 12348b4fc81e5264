"""The live view of a stressed stack on a terminal: rates, how full its edges are, who and what is slow, what waits."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.text import Text

from orchestrator.live import Progress, Rates, Screen, progress_for
from orchestrator.observe import PortView, Snapshot
from orchestrator.percentiles import summarise
from orchestrator.slowest import slowest_packets
from orchestrator.tables import duration, plain_table

if TYPE_CHECKING:
    from orchestrator.run import Run

EDGES, NODES, PACKETS, OLDEST = 12, 6, 4, 4
"""How many rows the parts of the view have at most; the busiest, slowest and oldest are shown."""
_BAR = 10
_SECOND = 1_000_000_000


class Dashboard(Screen):
    """Keeps the view on the terminal and takes it away at the end; `depths` are the credits of each edge."""

    def __init__(
        self, planned_ns: int | None, depths: Mapping[int, int], console: Console | None = None
    ) -> None:
        super().__init__(planned_ns, console)
        self._depths = depths
        self._last: Snapshot | None = None

    def parts(self, snapshot: Snapshot, rates: Rates) -> list[RenderableType]:
        """Return the edges, the slowest nodes, the slowest packets so far, and the oldest ones."""
        before, self._last = self._last or snapshot, snapshot
        seconds = (snapshot.time - before.time) / _SECOND or 1.0
        tables = [
            self._edges(before, snapshot, seconds),
            _slowest(before, snapshot),
            _slowest_packets(snapshot),
            _oldest(snapshot),
        ]
        return [part for table in tables for part in (Text(), table)]

    def _edges(self, before: Snapshot, now: Snapshot, seconds: float) -> RenderableType:
        ends = [
            (name, port) for name, node in now.nodes.items() for port in node.ports if port.side == "upper"
        ]
        earlier = {(name, port.edge): port for name, node in before.nodes.items() for port in node.ports}
        shown = sorted(ends, key=lambda end: end[1].in_flight, reverse=True)[:EDGES]
        rows = []
        for name, port in shown:
            old = earlier.get((name, port.edge), port)
            rows.append(
                (
                    f"{name} -> {port.peer}",
                    *(f"{_rate(old, port, key, seconds):,.0f}" for key in ("replies_in", "replies_out")),
                    f"{max(0, port.in_flight):,}",
                    _bar(port.in_flight, self._depths.get(port.edge, 0)),
                )
            )
        label = "edge" if len(shown) == len(ends) else f"edge (fullest {len(shown)} of {len(ends)})"
        columns = (label, "completed/s", "returned/s", "in flight", "occupancy")
        return plain_table(columns, rows, numbers=columns[1:4])


def dashboard_for(run: Run, planned_ns: int | None, *, quiet: bool) -> Progress:
    """Choose how to show a stress run on this process' stderr: the view on a terminal, else a line each second."""
    if quiet or not sys.stderr.isatty():
        return progress_for(planned_ns, quiet=quiet)
    depths = {
        edge.edge: edge.credits for spec in run.plan.nodes for edge in spec.edges if edge.side == "upper"
    }
    return Dashboard(planned_ns, depths)


def _rate(before: PortView, now: PortView, key: str, seconds: float) -> float:
    return (now.counters[key] - before.counters[key]) / seconds


def _bar(in_flight: int, depth: int) -> str:
    """Draw how much of an edge's credits are in use."""
    share = min(max(in_flight / depth, 0.0), 1.0) if depth else 0.0
    full = round(share * _BAR)
    return f"{'█' * full}{'░' * (_BAR - full)} {share:4.0%}"


def _slowest(before: Snapshot, now: Snapshot) -> RenderableType:
    """Show the nodes that held packets longest since the last look."""
    held = {
        name: summarise(node.held - before.nodes[name].held)
        for name, node in now.nodes.items()
        if name in before.nodes
    }
    slow = sorted(
        (name for name in held if held[name].count), key=lambda name: held[name].p99 or 0, reverse=True
    )
    columns = ("slowest", "state", "held p50", "p99", "of")
    rows = [
        (
            name,
            now.nodes[name].state.name.capitalize(),
            *(duration(None if ns is None else ns / 1000) for ns in (held[name].p50, held[name].p99)),
            f"{held[name].count:,}",
        )
        for name in slow[:NODES]
    ]
    return plain_table(columns, rows, numbers=columns[2:])


def _slowest_packets(now: Snapshot) -> RenderableType:
    """Show which packets took longest since the run began, and which layers held them."""
    columns = ("slowest packets", "of", "latency", "ago", "held")
    rows = [
        (
            f"{of.packet_id:#x}",
            of.sender,
            duration(of.took / 1000),
            duration(max(now.time - of.completed, 0) / 1000),
            ", ".join(f"{name} {duration(held / 1000)}" for name, held in of.held),
        )
        for of in slowest_packets(now, PACKETS)
    ]
    return plain_table(columns, rows, numbers=columns[2:4])


def _oldest(now: Snapshot) -> RenderableType:
    """Show where the packets wait that wait longest."""
    columns = ("held by", "as", "packets", "oldest")
    waiting = sorted(
        (one for one in now.holdings if one.pending), key=lambda one: one.oldest_ns, reverse=True
    )
    rows = [
        (one.owner, one.state.name.lower(), f"{one.packets:,}", duration(one.oldest_ns / 1000))
        for one in waiting[:OLDEST]
    ]
    return plain_table(columns, rows, numbers=columns[2:])
