"""From a topology to what executes it: node specs, segment sizes and the order of layers.

A pure computation; nothing is created here. Ring capacities follow from credits, so that everything which can be out
at once fits: sends and notices take `depth` + `depth`/2 entries of the down ring with the returns of at most
`depth`/2 indications, completions and indications likewise go up (design section 3). The last quarter is for notices
and for the messages of both ends.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes.crossings.crossing import MESSAGE_SLOTS
from nodes.driver import Driver
from nodes.hosting.loader import load_driver
from nodes.spec import EdgeSpec, NodeSpec, RingSpec
from nodes.verifier.level import HISTORY_EVENTS, Level
from orchestrator.faults import faults_from_the_start
from orchestrator.niceness import niceness
from orchestrator.phase_clock import PhaseClock
from orchestrator.topology.model import NodeModel, Topology
from orchestrator.topology.phases import phases_of
from shm.arena import Arena
from shm.board import Board
from shm.handle import MAX_SLOTS
from shm.layout import Layout
from shm.ring import COLUMNS

WIRE_DEPTH = 1024
FIRST_SLOT = 1
MAX_EDGES = 4095
"""The ledger has 12 bits for an edge."""
RING_FACTOR = 2
SHORTEST_RING = 8 * 2 * MESSAGE_SLOTS
"""Half of the quarter that packets leave free takes the messages of both ends, the other half notices."""
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

    @property
    def numbers(self) -> dict[str, int]:
        """Return the id of each node name."""
        return {spec.name: spec.node for spec in self.nodes}

    @property
    def neighbours(self) -> dict[int, dict[int, tuple[int, ...]]]:
        """Return for each node id those of its neighbours, with the edges between them."""
        return {
            spec.node: {
                peer: tuple(edge.edge for edge in spec.edges if edge.peer == peer)
                for peer in sorted({edge.peer for edge in spec.edges})
            }
            for spec in self.nodes
        }


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
                f"ring{edge.number}{way}", "u8", COLUMNS, max(RING_FACTOR * edge.depth, SHORTEST_RING)
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
    common: dict[str, Any] = {
        "seed": topology.seed,
        "notify": topology.notify,
        "token": token,
        "secret": secret,
        "control": f"ipc://{directory}/control",
        "output": str(output) if output else "",
        "policy": topology.policy.pack(),
    }
    draft = _Draft.of(topology, f"/ndisim-{os.getuid()}-{token_text}-", directory)
    sources = frozenset(draft.numbers[name] for name, driver in draft.classes.items() if driver.source)
    specs = []
    base = FIRST_SLOT
    phases = PhaseClock(topology)
    for name, model in topology.nodes.items():
        level = topology.levels.get(name, topology.level)
        own = {
            "level": level,
            "events": EVENTS * (HISTORY_EVENTS if level >= Level.HISTORY else 1),
            "force": topology.force.on(name).pack(),
            "nice": niceness(len(sources)) if draft.numbers[name] in sources else 0,
            "faults": faults_from_the_start(topology.faults, name, phases),
            "phases": len(phases_of(model.options)),
        }
        specs.append(draft.spec(name, model, base, common | own))
        base += draft.pools[name] + MESSAGE_SLOTS
    segments = {
        f"{draft.prefix}rings": draft.rings.layout.size,
        f"{draft.prefix}packets": Arena.layout(draft.slots).size,
    }
    segments |= {
        spec.segments["board"]: Board.layout(len(spec.edges), spec.events, spec.phases).size for spec in specs
    }
    return Plan(tuple(specs), segments, _levels(draft.numbers, topology), sources)


@dataclass(frozen=True)
class _Draft:
    """What is known of a run before its nodes are written down."""

    prefix: str
    directory: Path
    numbers: dict[str, int]
    classes: dict[str, type[Driver]]
    edges: list[_Edge]
    rings: _Rings
    pools: dict[str, int]
    slots: int

    @classmethod
    def of(cls, topology: Topology, prefix: str, directory: Path) -> _Draft:
        """Number nodes and edges and lay the rings out; raises PlanTooLarge."""
        numbers = {name: number for number, name in enumerate(topology.nodes, start=1)}
        classes = {name: _driver_class(model.reference) for name, model in topology.nodes.items()}
        edges = _edges(topology, numbers, classes)
        if len(edges) > MAX_EDGES:
            raise PlanTooLarge(f"{len(edges)} edges, a run has at most {MAX_EDGES}; a wire counts as two")
        pools = _pools(topology, classes)
        slots = FIRST_SLOT + sum(pools.values()) + MESSAGE_SLOTS * len(pools)
        if slots > MAX_SLOTS:
            raise PlanTooLarge(
                f"the pools need {slots:,} packet slots, a run has at most {MAX_SLOTS:,}; lower `pool:`"
            )
        return cls(prefix, directory, numbers, classes, edges, _Rings(len(numbers), edges), pools, slots)

    def spec(self, name: str, model: NodeModel, base: int, common: dict[str, Any]) -> NodeSpec:
        """Return what one node is told; its pool begins at slot `base`."""
        number = self.numbers[name]
        return NodeSpec(
            node=number,
            name=name,
            kind=self.classes[name].kind,
            driver=model.reference,
            options=_plain(model.options),
            slots=self.slots,
            pool_base=base,
            pool_size=self.pools[name],
            messages=MESSAGE_SLOTS,
            tails=self.rings.tails(number),
            arm=self.rings.arm(number),
            bell=_bell(self.directory, number),
            segments={
                "packets": f"{self.prefix}packets",
                "rings": f"{self.prefix}rings",
                "board": f"{self.prefix}board-{number}",
            },
            edges=tuple(self._end(edge, number) for edge in self.edges if number in (edge.upper, edge.lower)),
            **common,
        )

    def _end(self, edge: _Edge, node: int) -> EdgeSpec:
        upper = node == edge.upper
        peer = edge.lower if upper else edge.upper
        down, up = self.rings.ring(edge, "down"), self.rings.ring(edge, "up")
        return EdgeSpec(
            edge=edge.number,
            kind=edge.kind,
            side="upper" if upper else "lower",
            peer=peer,
            peer_name=list(self.numbers)[peer - 1],
            credits=edge.depth if upper else edge.depth // 2,
            produce=down if upper else up,
            consume=up if upper else down,
            peer_arm=self.rings.arm(peer),
            peer_bell=_bell(self.directory, peer),
            coalesce=edge.coalesce,
            weight=edge.weight,
            options=edge.options,
        )


def _bell(directory: Path, node: int) -> str:
    return f"ipc://{directory}/bell-{node}"


def _driver_class(reference: str) -> type[Driver]:
    found = load_driver(reference)
    if not issubclass(found, Driver):
        raise TypeError(f"{reference} is not a driver: it does not derive from nodes.driver.Driver")
    return found


def _depths(topology: Topology, classes: dict[str, type[Driver]]) -> dict[tuple[str, str], int]:
    """Return the credits of each binding: below a filter at least those of all bindings above it together.

    A filter passes on what it gets and has no queue, so what may be out above it must find room below it.
    """
    depths = {(binding.upper, binding.lower): binding.depth for binding in topology.bindings}
    for _ in topology.bindings:
        for upper, lower in depths:
            if classes[upper].kind == "filter":
                above = sum(depth for (_, below), depth in depths.items() if below == upper)
                depths[upper, lower] = max(depths[upper, lower], 1 << (above - 1).bit_length())
    return depths


def _edges(topology: Topology, numbers: dict[str, int], classes: dict[str, type[Driver]]) -> list[_Edge]:
    edges = []
    depths = _depths(topology, classes)
    for number, binding in enumerate(topology.bindings, start=1):
        frame_types = list(getattr(classes[binding.upper], "frame_types", ()))
        edges.append(
            _Edge(
                number,
                "binding",
                numbers[binding.upper],
                numbers[binding.lower],
                depths[binding.upper, binding.lower],
                {
                    "frame_types": frame_types,
                    "backfill": _backfill(binding.lower, topology, classes),
                    "upper_generation": classes[binding.upper].generation,
                    "lower_generation": classes[binding.lower].generation,
                },
                binding.coalesce,
                binding.weight,
            )
        )
    for wire in topology.wires:
        options = {"latency": wire.latency, "bandwidth": wire.bandwidth, "loss": wire.loss}
        for a, b in ((wire.a, wire.b), (wire.b, wire.a)):
            edges.append(_Edge(len(edges) + 1, "wire", numbers[a], numbers[b], WIRE_DEPTH, options))
    return edges


def _backfill(name: str, topology: Topology, classes: dict[str, type[Driver]]) -> int:
    """Return the bytes that a driver and those below it put before data, where it is most (N6-NBL-16)."""
    below = [binding.lower for binding in topology.bindings if binding.upper == name]
    return classes[name].backfill + max((_backfill(lower, topology, classes) for lower in below), default=0)


def _pools(topology: Topology, classes: dict[str, type[Driver]]) -> dict[str, int]:
    return {
        name: model.pool if model.pool is not None else classes[name].pool_size(model.options)
        for name, model in topology.nodes.items()
    }


def _plain(options: Any) -> dict[str, Any]:
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}


def _levels(numbers: dict[str, int], topology: Topology) -> tuple[tuple[int, ...], ...]:
    """Return node ids by height above the lowest driver below them."""
    below: dict[str, list[str]] = {name: [] for name in numbers}
    for binding in topology.bindings:
        below[binding.upper].append(binding.lower)
    height: dict[str, int] = {}

    def climb(name: str) -> int:
        if name not in height:
            height[name] = 1 + max((climb(lower) for lower in below[name]), default=-1)
        return height[name]

    for name in numbers:
        climb(name)
    return tuple(
        tuple(numbers[name] for name in numbers if height[name] == level)
        for level in range(max(height.values()) + 1)
    )
