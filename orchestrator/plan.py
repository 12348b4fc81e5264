"""From a topology to what executes it: node specs, segment sizes and the order of layers.

A pure computation; nothing is created here. Ring capacities follow from credits, so that everything which can be out
at once fits: sends and notices take `depth` + `depth`/2 entries of the down ring with the returns of at most
`depth`/2 indications, completions and indications likewise go up (design section 3).
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes.driver import Driver
from nodes.loader import load_driver
from nodes.spec import EdgeSpec, NodeSpec, RingSpec
from orchestrator.topology.model import Topology
from shm.arena import Arena
from shm.board import Board
from shm.handle import MAX_SLOTS
from shm.layout import Layout
from shm.ring import COLUMNS

WIRE_DEPTH = 1024
RING_FACTOR = 2
EVENTS = 8192


class PlanTooLarge(ValueError):
    """The topology needs more packet slots than a handle can name."""


@dataclass(frozen=True)
class Plan:
    """What a run consists of.

    `segments` maps segment names to payload bytes; `levels` are node ids from the bottom layer to the top; `sources`
    are the ids of nodes that make traffic; `names` maps ids to names.
    """

    nodes: tuple[NodeSpec, ...]
    segments: dict[str, int]
    levels: tuple[tuple[int, ...], ...]
    sources: frozenset[int]

    @property
    def names(self) -> dict[int, str]:
        """Return the name of each node id."""
        return {spec.node: spec.name for spec in self.nodes}


@dataclass(frozen=True)
class _Edge:
    number: int
    kind: str
    upper: int
    lower: int
    depth: int
    options: dict[str, Any]
    coalesce: bool = False
    weight: int = 1


class _Rings:
    """Lays out the rings segment: arm words, inbound cursors of each node, then the rings' columns."""

    def __init__(self, nodes: int, edges: list[_Edge]) -> None:
        self.layout = Layout()
        self.inbound: dict[int, list[tuple[int, str]]] = {node: [] for node in range(1, nodes + 1)}
        for edge in edges:
            self.inbound[edge.upper].append((edge.number, "up"))
            self.inbound[edge.lower].append((edge.number, "down"))
        self._arms = self.layout.add("arms", "u8", nodes + 1, 8)
        self._tails = {
            n: self.layout.add(f"tails{n}", "u8", max(len(i), 1), 8) for n, i in self.inbound.items()
        }
        self._heads = {
            n: self.layout.add(f"heads{n}", "u8", max(len(i), 1), 8) for n, i in self.inbound.items()
        }
        self._columns = {
            (edge.number, way): self.layout.add(
                f"ring{edge.number}{way}", "u8", COLUMNS, RING_FACTOR * edge.depth
            )
            for edge in edges
            for way in ("up", "down")
        }

    def arm(self, node: int) -> int:
        """Return the index of a node's arm word."""
        return self._arms.offset // 8 + node * 8

    def tails(self, node: int) -> int:
        """Return the offset of a node's inbound cursors."""
        return self._tails[node].offset

    def ring(self, edge: _Edge, way: str) -> RingSpec:
        """Return where the ring of an edge in one direction lies."""
        consumer = edge.upper if way == "up" else edge.lower
        row = self.inbound[consumer].index((edge.number, way))
        columns = self._columns[edge.number, way]
        return RingSpec(
            columns.offset,
            columns.shape[1],
            self._tails[consumer].offset // 8 + row * 8,
            self._heads[consumer].offset // 8 + row * 8,
        )


def compile_plan(
    topology: Topology, *, token: int, token_text: str, directory: Path, output: Path | None, secret: bytes
) -> Plan:
    """Return the plan of a topology.

    `token` goes into every segment's header and `token_text` into its name, `directory` holds the run's sockets,
    `output` the drivers' files. Raises PlanTooLarge, and what loading a driver class raises.
    """
    names = list(topology.nodes)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    classes = {name: _driver_class(model.reference) for name, model in topology.nodes.items()}
    edges = _edges(topology, numbers, classes)
    rings = _Rings(len(names), edges)
    pools = _pools(topology, classes)
    slots = sum(pools.values())
    if slots > MAX_SLOTS:
        raise PlanTooLarge(
            f"the pools need {slots:,} packet slots, a run has at most {MAX_SLOTS:,}; lower `packets:`"
        )
    prefix = f"/ndisim-{os.getuid()}-{token_text}-"
    segments = {f"{prefix}rings": rings.layout.size, f"{prefix}packets": Arena.layout(max(slots, 1)).size}
    specs = []
    base = 0
    for name, model in topology.nodes.items():
        number = numbers[name]
        ends = [
            _end(edge, number, rings, names, directory)
            for edge in edges
            if number in (edge.upper, edge.lower)
        ]
        segments[f"{prefix}board-{number}"] = Board.layout(len(ends), EVENTS).size
        specs.append(
            NodeSpec(
                node=number,
                name=name,
                kind=classes[name].kind,
                driver=model.reference,
                options=_plain(model.options),
                seed=topology.seed,
                token=token,
                level=topology.level,
                notify=topology.notify,
                slots=max(slots, 1),
                pool_base=base,
                pool_size=pools[name],
                tails=rings.tails(number),
                arm=rings.arm(number),
                bell=f"ipc://{directory}/bell-{number}",
                control=f"ipc://{directory}/control",
                secret=secret,
                output=str(output) if output else "",
                segments={
                    "packets": f"{prefix}packets",
                    "rings": f"{prefix}rings",
                    "board": f"{prefix}board-{number}",
                },
                edges=tuple(ends),
                events=EVENTS,
            )
        )
        base += pools[name]
    sources = frozenset(numbers[name] for name, driver in classes.items() if driver.source)
    return Plan(tuple(specs), segments, _levels(names, numbers, topology), sources)


def _driver_class(reference: str) -> type[Driver]:
    found = load_driver(reference)
    if not issubclass(found, Driver):
        raise TypeError(f"{reference} is not a driver: it does not derive from nodes.driver.Driver")
    return found


def _edges(topology: Topology, numbers: dict[str, int], classes: dict[str, type[Driver]]) -> list[_Edge]:
    edges = []
    for number, binding in enumerate(topology.bindings, start=1):
        frame_types = list(getattr(classes[binding.upper], "frame_types", ()))
        edges.append(
            _Edge(
                number,
                "binding",
                numbers[binding.upper],
                numbers[binding.lower],
                binding.depth,
                {"frame_types": frame_types},
                binding.coalesce,
                binding.weight,
            )
        )
    for wire in topology.wires:
        options = {"latency": wire.latency, "bandwidth": wire.bandwidth, "loss": wire.loss}
        for a, b in ((wire.a, wire.b), (wire.b, wire.a)):
            edges.append(_Edge(len(edges) + 1, "wire", numbers[a], numbers[b], WIRE_DEPTH, options))
    return edges


def _end(edge: _Edge, node: int, rings: _Rings, names: list[str], directory: Path) -> EdgeSpec:
    upper = node == edge.upper
    peer = edge.lower if upper else edge.upper
    down, up = rings.ring(edge, "down"), rings.ring(edge, "up")
    return EdgeSpec(
        edge=edge.number,
        kind=edge.kind,
        side="upper" if upper else "lower",
        peer=peer,
        peer_name=names[peer - 1],
        credits=edge.depth if upper else edge.depth // 2,
        produce=down if upper else up,
        consume=up if upper else down,
        peer_arm=rings.arm(peer),
        peer_bell=f"ipc://{directory}/bell-{peer}",
        coalesce=edge.coalesce,
        weight=edge.weight,
        options=edge.options,
    )


def _pools(topology: Topology, classes: dict[str, type[Driver]]) -> dict[str, int]:
    return {
        name: model.pool if model.pool is not None else classes[name].pool_size(model.options)
        for name, model in topology.nodes.items()
    }


def _plain(options: Any) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}


def _levels(names: list[str], numbers: dict[str, int], topology: Topology) -> tuple[tuple[int, ...], ...]:
    """Return node ids by height above the lowest driver below them."""
    below: dict[str, list[str]] = {name: [] for name in names}
    for binding in topology.bindings:
        below[binding.upper].append(binding.lower)
    height: dict[str, int] = {}

    def climb(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((climb(lower) for lower in below[name]), default=-1)
        return height[name]

    for name in names:
        climb(name)
    return tuple(
        tuple(numbers[name] for name in names if height[name] == level)
        for level in range(max(height.values()) + 1)
    )
