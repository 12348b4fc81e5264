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

Verb = Literal[
    "pause", "restart", "remove", "reset", "detach", "attach", "unbind", "bind", "disable", "enable"
]


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

    `paused`, `halted` and `dead` are node ids, `idle` and `unbound` edges whose binding is paused or gone. What was
    taken out for itself (`detached` filters, `disabled` protocols, `apart` edges) does not come back with the adapter
    below it; all else does.
    """

    def __init__(self, specs: Sequence[NodeSpec], removal_order: str = "windows-8") -> None:
        self.paused: set[int] = set()
        self.halted: set[int] = set()
        self.idle: set[int] = set()
        self.unbound: set[int] = set()
        self.dead: set[int] = set()
        self.detached: set[int] = set()
        self.disabled: set[int] = set()
        self.apart: set[int] = set()
        self._specs = {spec.node: spec for spec in specs}
        self._vista = removal_order == "vista"

    def script(self, verb: Verb, node: int, edge: int = 0) -> list[Stage]:
        """Return what is to be done, stage by stage; stages that have nothing to do are left out.

        What is down already is not disabled, and what is up not enabled: that is nothing to do. A filter is disabled by
        being detached.
        """
        stages: Iterable[Iterable[Ask]]
        if self._specs[node].kind == "filter" and verb in ("disable", "enable"):
            if (verb == "disable") is self.down(node):
                return []
            verb = "detach" if verb == "disable" else "attach"
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
                self.apart.add(edge)
                own = self._bound([(node, edge)])
                stages = [self._pause_tops(own), self._unbind(own)]
            case "bind":
                self.apart.discard(edge)
                stages = self._bind(self._bindable(((node, edge),)))
            case "disable":
                stages = self._disable(node)
            case "enable":
                stages = self._enable(node)
            case "detach" | "attach":
                stages = self._splice(node, "detach" if verb == "detach" else "initialize")
        return [stage for stage in map(tuple, stages) if stage]

    def down(self, node: int) -> bool:
        """Return whether a node is disabled, removed, detached or dead."""
        return node in self.halted | self.disabled | self.dead

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
            case "bind":
                self.unbound.discard(edge)
                self.idle.add(edge)
            case "halt":
                self.halted.add(ask.node)
                self.paused.discard(ask.node)
            case "detach":
                self.halted.add(ask.node)
                self.detached.add(ask.node)
                self.paused.discard(ask.node)
            case "initialize":
                self._note_new(ask.node)

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

    def _note_new(self, node: int) -> None:
        """Keep that a node has a new driver: paused, with all its bindings."""
        self.halted.discard(node)
        self.detached.discard(node)
        self.paused.add(node)
        for edge in self._edges_below(node):
            self.unbound.discard(edge)
            self.idle.discard(edge)

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
        return [
            [Ask(node, "unplug")],
            *([] if self._vista else self._query_removal(node)),
            [Ask(node, "device_pnp_event", {"event": "surprise-removed"})],
            *self._take_down(node, HaltAction.SURPRISE_REMOVED),
        ]

    def _query_removal(self, node: int) -> list[list[Ask]]:
        """Tell what is on top of a node that it is about to go, from the bottom up."""
        above = self.above(node)
        query = {"event": "query-remove-device"}
        return [
            *([Ask(each, "net_pnp_event", query)] for each in reversed(self._present(above.filters))),
            [Ask(top, "net_pnp_event", {**query, "edge": edge}) for top, edge in self._bound(above.tops)],
        ]

    def _take_down(self, node: int, reason: HaltAction) -> list[list[Ask]]:
        """Pause what is on top of a node and the node, then take all of it apart from the top."""
        above = self.above(node)
        return [
            *self._pause(node),
            self._unbind(self._bound(above.tops)),
            *([Ask(each, "halt")] for each in self._present(above.filters)),
            [Ask(node, "halt", {"reason": int(reason)})],
        ]

    def _disable(self, node: int) -> list[list[Ask]]:
        """Take a node down in order: an adapter with what stands on it, of a protocol its bindings (N6-PNP-13)."""
        if self.down(node):
            return []
        if self._specs[node].kind == "protocol":
            self.disabled.add(node)
            own = self._bound([(node, edge) for edge in self._edges_below(node)])
            return [self._pause_tops(own), self._unbind(own)]
        return [*self._query_removal(node), *self._take_down(node, HaltAction.DISABLED)]

    def _enable(self, node: int) -> list[list[Ask]]:
        """Bring a node up that was disabled or removed, and what went down with it, from the bottom up."""
        if node in self.dead:
            return []
        if node in self.disabled:
            self.disabled.discard(node)
            return self._bind(self._bindable([(node, edge) for edge in self._edges_below(node)]))
        if node not in self.halted:
            return []
        above = self.above(node)
        filters = [each for each in reversed(above.filters) if each in self.halted - self.detached]
        bound = self._bind(self._bindable(above.tops, coming=node))
        gone = [(node, edge) for edge in self._edges_below(node) if not self._available(edge)]
        return [
            [Ask(node, "initialize")],
            self._unbind(gone),
            *([Ask(each, "initialize")] for each in filters),
            bound[0],
            [Ask(node, "restart")],
            *([Ask(each, "restart")] for each in filters),
            bound[1],
        ]

    def _splice(self, node: int, command: str) -> list[list[Ask]]:
        """Pause the stack, take a filter out or put it back, and restart the stack."""
        above = self.above(node)
        [below] = [end.peer for end in self._bindings(node, "upper")]
        if command == "initialize" and self._adapter(node) in self.halted:
            self.detached.discard(node)  # it comes back with its adapter
            return []
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

    def _unbind(self, tops: Sequence[tuple[int, int]]) -> list[Ask]:
        return [Ask(top, "unbind", {"edge": edge}) for top, edge in tops]

    def _bind(self, tops: Sequence[tuple[int, int]]) -> list[list[Ask]]:
        """Open bindings anew, then restart those whose driver is not paused."""
        return [
            [Ask(top, "bind", {"edge": edge}) for top, edge in tops],
            [Ask(top, "restart_binding", {"edge": edge}) for top, edge in tops if top not in self.paused],
        ]

    def _bound(self, tops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(top, edge) for top, edge in tops if edge not in self.unbound and top not in self.halted]

    def _bindable(self, tops: Sequence[tuple[int, int]], coming: int | None = None) -> list[tuple[int, int]]:
        """Return the undone ones among bindings that can be opened, and are not to stay so, once `coming` is up."""
        out = self.halted | self.disabled
        undone = [(top, edge) for top, edge in tops if edge in self.unbound and top not in out]
        return [(top, edge) for top, edge in undone if self._available(edge, coming)]

    def _available(self, edge: int, coming: int | None = None) -> bool:
        """Return whether a binding is wanted and has an adapter that is up, once `coming` is."""
        [lower] = [
            end.peer
            for spec in self._specs.values()
            for end in spec.edges
            if end.edge == edge and end.kind == "binding" and end.side == "upper"
        ]
        return edge not in self.apart and self._adapter(lower) not in self.halted - {coming}

    def _adapter(self, node: int) -> int:
        """Return the adapter that a filter stands on, the node itself if it is no filter."""
        while self._specs[node].kind == "filter":
            [node] = [end.peer for end in self._bindings(node, "upper")]
        return node

    def _present(self, filters: Sequence[int]) -> list[int]:
        return [each for each in filters if each not in self.halted]

    def _edges_below(self, node: int) -> list[int]:
        return [end.edge for end in self._bindings(node, "upper")]

    def _bindings(self, node: int, side: str) -> list[EdgeSpec]:
        return [end for end in self._specs[node].edges if end.kind == "binding" and end.side == side]
