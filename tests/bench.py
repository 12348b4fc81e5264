"""A small stack of real nodes in this process, polled by hand: for tests of drivers.

Nodes, ports, rings, pools and the plan are the real ones; only processes and doorbells are missing. The clock is
virtual and stands still unless a test lets time pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nodes.clock import VirtualClock
from nodes.driver import Driver
from nodes.hosting.build import build_node
from nodes.metrics import Counter
from nodes.node import Node
from nodes.policy import Policy
from nodes.rng import Rng
from nodes.status import status_name
from nodes.timers import NEVER
from nodes.verifier.force import Force
from orchestrator.plan import compile_plan
from orchestrator.relay import Relay
from orchestrator.topology.model import BindingModel, NodeModel, Topology, WireModel
from shm.segment import Segment

Layer = type[Driver] | tuple[type[Driver], dict[str, Any]]
D = TypeVar("D", bound=Driver)

POLLS = 200_000
"""After so many polls without rest a stack counts as one that never rests."""
BEGIN = 1_000_000


class NeverRests(AssertionError):
    """A stack went on doing something for longer than a test may take."""


class Bench:
    """Nodes by name, each a driver class or a pair of class and options, and chains of bindings as ``a -> b -> c``.

    `seed` also draws the order of polls when `shuffled`; else nodes take turns. The option ``pool`` sets the size of
    a node's pool. `events` are what nodes reported, as (node, event).
    """

    def __init__(
        self,
        layers: Mapping[str, Layer],
        bindings: Iterable[str],
        *,
        wires: Iterable[tuple[str, str]] = (),
        depth: int = 1024,
        seed: int = 7,
        shuffled: bool = False,
        policy: Policy | None = None,
        force: Force | None = None,
        output: Path | None = None,
        level: int = 2,
    ) -> None:
        pairs = [pair for chain in bindings for pair in _pairs(chain)]
        topology = Topology(
            name="bench",
            nodes={name: _model(layer) for name, layer in layers.items()},
            seed=seed,
            level=level,
            policy=policy or Policy(),
            force=force or Force(),
            bindings=tuple(BindingModel(upper=upper, lower=lower, depth=depth) for upper, lower in pairs),
            wires=tuple(WireModel(a=a, b=b) for a, b in wires),
        )
        plan = compile_plan(
            topology, token=0, token_text="bench", directory=Path("/nowhere"), output=output, secret=b""
        )
        segments = {name: Segment.local(name, size) for name, size in plan.segments.items()}
        self.clock = VirtualClock(BEGIN)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.nodes: dict[str, Node] = {}
        self._relay = Relay(self._carry_on)
        for spec in plan.nodes:
            parts = {part: segments[name] for part, name in spec.segments.items()}
            node = build_node(spec, parts, self.clock)
            node.on_event = lambda event, name=spec.name: self.events.append((name, event))  # type: ignore[misc]
            node.pump = partial(self._relay.park, spec.node)
            self.nodes[spec.name] = node
        self._upwards = [plan.names[number] for level in plan.levels for number in level]
        self._draws = Rng(seed) if shuffled else None
        self._drawn = 0

    def driver(self, name: str, kind: type[D]) -> D:
        """Return a node's driver, which is of class `kind`."""
        driver = self.nodes[name].driver
        assert isinstance(driver, kind)
        return driver

    def command(self, name: str, command: str, **arguments: Any) -> list[dict[str, Any]]:
        """Give a node a command; return the list that its answer is put into, at once or later."""
        answers: list[dict[str, Any]] = []
        self.nodes[name].command(command, arguments, answers.append)
        return answers

    def start(self) -> Bench:
        """Bring every node to Running, bottom to top, without polling; return the bench."""
        for command in ("initialize", "restart"):
            for name in self._upwards:
                assert self.command(name, command) == [{"ok": True, "value": None}]
        return self

    def settle(self) -> int:
        """Poll until nobody has anything to do at this instant; return how many rounds of polls it took."""
        for rounds in range(POLLS):
            if not self._round():
                return rounds
        raise NeverRests(f"the stack still does something after {POLLS} rounds")

    def run_for(self, duration: int) -> None:
        """Let `duration` ns pass, with every timer run at its time."""
        end = self.clock.now() + duration
        self.settle()
        for _ in range(POLLS):
            due = min(node.next_due() for node in self.nodes.values())
            if due > end:
                self.clock.advance_to(max(end, self.clock.now()))
                self.settle()
                return
            self.clock.advance_to(max(due, self.clock.now()))
            self.settle()
        raise NeverRests(f"the stack set {POLLS} timers within {duration} ns")

    def run_out(self, enough: Callable[[], Any] = bool) -> None:
        """Let time pass until no timer is set or `enough` is true."""
        self.settle()
        for _ in range(POLLS):
            due = min(node.next_due() for node in self.nodes.values())
            if due == NEVER or enough():
                return
            self.clock.advance_to(max(due, self.clock.now()))
            self.settle()
        raise NeverRests(f"the stack set more than {POLLS} timers")

    def pause(self, name: str) -> None:
        """Pause a node and let time pass until it is paused."""
        answers = self.command(name, "pause")
        self.run_out(lambda: answers)
        assert answers == [{"ok": True, "value": None}], f"{name} answered {answers} to pause"

    def stop(self) -> None:
        """Pause every node, top to bottom, then halt them."""
        for name in reversed(self._upwards):
            self.pause(name)
        for name in reversed(self._upwards):
            assert self.command(name, "halt") == [{"ok": True, "value": None}]

    def kill(self, name: str) -> None:
        """End a node where it stands, and tell its neighbours."""
        node = self.nodes.pop(name)
        self._upwards.remove(name)
        for other in self.nodes.values():
            edges = [port.spec.edge for port in other.ports if port.spec.peer == node.spec.node]
            if edges:
                other.command("peer_died", {"edges": edges}, lambda answer: None)

    def counter(self, name: str, counter: Counter) -> int:
        """Return a counter of a node."""
        return int(self.nodes[name].board.counters[counter])

    def statuses(self, name: str) -> dict[str, int]:
        """Return how many of a node's sends completed with each status."""
        counts = self.nodes[name].board.status_counts()
        return {status_name(status): count for status, count in counts.items()}

    def kinds(self) -> list[tuple[str, str]]:
        """Return node and kind of every event, violations by their rule."""
        return [(name, event.get("rule", event["kind"])) for name, event in self.events]

    def in_use(self) -> dict[str, int]:
        """Return how many slots of each node's pool are allocated, without the nodes that use none."""
        used = {name: node.pool.size - node.pool.free_count for name, node in self.nodes.items()}
        return {name: count for name, count in used.items() if count}

    def held(self) -> dict[str, int]:
        """Return how many packets each node has in its hands, without the nodes that have none."""
        return {name: node.custody.count for name, node in self.nodes.items() if node.custody.count}

    def _round(self) -> bool:
        """Poll every node once; return whether there is or will be something to do at this instant."""
        work = sum([self._poll(node) for node in self._order()])
        return bool(work) or any(node.ready() for node in self.nodes.values())

    def _carry_on(self) -> None:
        """Go on while a driver waits, with time passing when there is nothing else to do."""
        if not self._round():
            due = min(node.next_due() for node in self.nodes.values())
            self.clock.advance_to(max(due, self.clock.now()))

    def _order(self) -> list[Node]:
        nodes = list(self.nodes.values())
        if self._draws is None:
            return nodes
        ids = np.arange(self._drawn, self._drawn + len(nodes), dtype=np.uint64)
        self._drawn += len(nodes)
        return [nodes[place] for place in np.argsort(self._draws.bits("order", ids)).tolist()]

    def _poll(self, node: Node) -> int:
        if self._relay.parked(node.spec.node):
            awake = node.ready() or node.next_due() <= self.clock.now()
            if awake:
                self._relay.resume(node.spec.node)
            return int(awake)
        dirty = sum(port.dirty for port in node.ports)
        return node.poll() + dirty


def _model(layer: Layer) -> NodeModel:
    driver, options = layer if isinstance(layer, tuple) else (layer, {})
    options = dict(options)
    pool = options.pop("pool", None)
    return NodeModel(
        driver=driver.__name__.lower(),
        reference=f"{driver.__module__}:{driver.__qualname__}",
        kind=driver.kind,  # type: ignore[arg-type]
        options=driver.Options(**options),
        pool=pool,
    )


def _pairs(chain: str) -> list[tuple[str, str]]:
    names = [name.strip() for name in chain.split("->")]
    return list(pairwise(names))
