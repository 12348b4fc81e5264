"""What can be done to a live stack, as scripts of commands in the order that Windows keeps (N6-PNP-08, N6-UNB-04).

A script is a list of stages; the commands of a stage go out together, and the next stage follows when all of them
are answered. Bindings of protocols and of intermediate drivers' lower edges are paused one by one, so that a driver
with several goes on with the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nodes.ndis.states import HaltAction
from nodes.spec import EdgeSpec, NodeSpec

Verb = Literal["pause", "restart", "remove", "reset", "detach", "attach", "unbind"]


@dataclass(frozen=True)
class Ask:
    """One command for one node."""

    node: int
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)


Stage = tuple[Ask, ...]


@dataclass(frozen=True)
class Above:
    """What is stacked on an adapter or filter: `tops` as (node, edge), `filters` from the top down."""

    tops: tuple[tuple[int, int], ...]
    filters: tuple[int, ...]


class Stack:
    """The nodes of a run as they are bound, and what was done to them.

    `paused`, `halted` and `dead` are node ids, `idle` and `unbound` edges whose binding is paused or gone.
    """

    def __init__(self, specs: Sequence[NodeSpec], removal_order: str = "windows-8") -> None:
        self.paused: set[int] = set()
        self.halted: set[int] = set()
        self.idle: set[int] = set()
        self.unbound: set[int] = set()
        self.dead: set[int] = set()
        self._specs = {spec.node: spec for spec in specs}
        self._vista = removal_order == "vista"

    def script(self, verb: Verb, node: int, edge: int = 0) -> list[Stage]:
        """Return what is to be done, stage by stage; stages that have nothing to do are left out."""
        stages: Iterable[Iterable[Ask]]
        match verb:
            case "pause":
                stages = self._pause(node)
            case "restart":
                stages = self._restart(node)
            case "reset":
                stages = [[Ask(node, "reset")]]
            case "remove":
                stages = self._remove(node)
            case "unbind":
                stages = [self._pause_tops(((node, edge),)), [Ask(node, "unbind", {"edge": edge})]]
            case "detach" | "attach":
                stages = self._splice(node, "detach" if verb == "detach" else "initialize")
        return [stage for stage in map(tuple, stages) if stage]

    def note(self, ask: Ask) -> None:
        """Keep what a command has done."""
        edge = ask.arguments.get("edge", 0)
        match ask.command:
            case "pause":
                self.paused.add(ask.node)
            case "restart":
                self.paused.discard(ask.node)
            case "pause_binding":
                self.idle.add(edge)
            case "restart_binding":
                self.idle.discard(edge)
            case "unbind":
                self.unbound.add(edge)
            case "halt" | "detach":
                self.halted.add(ask.node)
                self.paused.discard(ask.node)
            case "initialize":
                self.halted.discard(ask.node)
                self.paused.add(ask.node)

    def edge(self, upper: int, lower: int) -> int:
        """Return the number of the binding between two nodes; raises KeyError when there is none."""
        for end in self._bindings(upper, "upper"):
            if end.peer == lower:
                return end.edge
        raise KeyError(f"{self._specs[upper].name} is not bound above {self._specs[lower].name}")

    def above(self, node: int) -> Above:
        """Return what is stacked on a node, up to the bindings of protocols and intermediate drivers."""
        tops: list[tuple[int, int]] = []
        filters: list[int] = []
        for end in self._bindings(node, "lower"):
            if self._specs[end.peer].kind != "filter":
                tops.append((end.peer, end.edge))
                continue
            higher = self.above(end.peer)
            tops += higher.tops
            filters += [*higher.filters, end.peer]
        return Above(tuple(tops), tuple(dict.fromkeys(filters)))

    def _pause(self, node: int) -> list[list[Ask]]:
        if self._specs[node].kind == "protocol":
            return [self._pause_nodes((node,))]
        above = self.above(node)
        return [
            self._pause_tops(above.tops),
            *(self._pause_nodes((each,)) for each in above.filters),
            self._pause_nodes((node,)),
        ]

    def _restart(self, node: int) -> list[list[Ask]]:
        if self._specs[node].kind == "protocol":
            return [[Ask(node, "restart")]]
        above = self.above(node)
        filters = [each for each in reversed(above.filters) if each not in self.halted]
        return [
            [Ask(node, "restart")],
            *([Ask(each, "restart")] for each in filters),
            self._restart_tops(above.tops),
        ]

    def _remove(self, node: int) -> list[list[Ask]]:
        """Take a device out: in Windows 8 the stack is asked first, in Vista the miniport is told first."""
        above = self.above(node)
        query = {"event": "query-remove-device"}
        present = [each for each in reversed(above.filters) if each not in self.halted]
        asked = [
            *([Ask(each, "net_pnp_event", query)] for each in present),
            [Ask(top, "net_pnp_event", {**query, "edge": edge}) for top, edge in self._bound(above.tops)],
        ]
        return [
            [Ask(node, "unplug")],
            *([] if self._vista else asked),
            [Ask(node, "device_pnp_event", {"event": "surprise-removed"})],
            *self._pause(node),
            [Ask(top, "unbind", {"edge": edge}) for top, edge in self._bound(above.tops)],
            *([Ask(each, "halt")] for each in reversed(present)),
            [Ask(node, "halt", {"reason": int(HaltAction.SURPRISE_REMOVED)})],
        ]

    def _splice(self, node: int, command: str) -> list[list[Ask]]:
        """Pause the stack, take a filter out or put it back, and restart the stack."""
        above = self.above(node)
        [below] = [end.peer for end in self._bindings(node, "upper")]
        miniport = (below,) if self._specs[below].kind == "miniport" else ()
        filters = [each for each in above.filters if each not in self.halted]
        own = [self._pause_nodes((node,))] if command == "detach" else []
        return [
            self._pause_tops(above.tops),
            *(self._pause_nodes((each,)) for each in filters),
            *own,
            self._pause_nodes(miniport),
            [Ask(node, command)],
            [Ask(each, "restart") for each in miniport],
            *([] if command == "detach" else [[Ask(node, "restart")]]),
            *([Ask(each, "restart")] for each in reversed(filters)),
            self._restart_tops(above.tops),
        ]

    def _pause_tops(self, tops: Sequence[tuple[int, int]]) -> list[Ask]:
        return [
            Ask(top, "pause_binding", {"edge": edge})
            for top, edge in self._bound(tops)
            if edge not in self.idle and top not in self.paused
        ]

    def _restart_tops(self, tops: Sequence[tuple[int, int]]) -> list[Ask]:
        return [
            Ask(top, "restart_binding", {"edge": edge})
            for top, edge in self._bound(tops)
            if top not in self.paused
        ]

    def _pause_nodes(self, nodes: Iterable[int]) -> list[Ask]:
        return [Ask(node, "pause") for node in nodes if node not in self.paused and node not in self.halted]

    def _bound(self, tops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(top, edge) for top, edge in tops if edge not in self.unbound]

    def _bindings(self, node: int, side: str) -> list[EdgeSpec]:
        return [end for end in self._specs[node].edges if end.kind == "binding" and end.side == side]
