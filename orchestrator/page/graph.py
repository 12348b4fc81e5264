"""What the picture of the stack shows: cards for nodes and links for edges, those alike folded into one.

A stack of 64 senders does not fit beside itself. Nodes that cannot be told apart by kind, driver, state and neighbours
(by colour refinement of the whole graph) become one card with their number on it, and their edges one link.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.report_model import Report

_ROUNDS = 16


@dataclass(frozen=True)
class Card:
    """One node, or `names` that are alike; held times in microseconds, of folded nodes the longest."""

    key: str
    names: tuple[str, ...]
    driver: str
    kind: str
    state: str
    completed: int
    received: int
    violations: int
    held_p50: float | None
    held_p99: float | None
    among: int = 0
    """Frames that folded nodes sent each other."""


@dataclass(frozen=True)
class Link:
    """What went from one card to another: `down` and `up` requests, `open` those without a reply.

    On a wire both directions are one link, `down` from `upper` to `lower`, and `lost` are frames that the wire lost.
    """

    upper: str
    lower: str
    kind: str
    down: int
    up: int
    open: int
    lost: int = 0


@dataclass(frozen=True)
class Graph:
    """Cards by key in the report's order, and the links between them."""

    cards: dict[str, Card]
    links: tuple[Link, ...]

    @property
    def bindings(self) -> list[Link]:
        """Return the links that are not wires."""
        return [link for link in self.links if link.kind != "wire"]

    @property
    def wires(self) -> list[Link]:
        """Return the links that are wires."""
        return [link for link in self.links if link.kind == "wire"]


def graph_of(report: Report) -> Graph:
    """Return every node of a report as a card of its own; edges to nodes that it does not have are left out."""
    cards = {
        name: Card(
            key=name,
            names=(name,),
            driver=node.driver,
            kind=node.kind,
            state=node.state,
            completed=node.counters.get("completed", 0),
            received=node.counters.get("received", 0),
            violations=node.counters.get("violations", 0),
            held_p50=node.held_us.p50,
            held_p99=node.held_us.p99,
        )
        for name, node in report.nodes.items()
    }
    lost = {wire.node: wire.lost for wire in report.wires}
    links = []
    for edge in report.edges:
        if edge.upper in cards and edge.lower in cards:
            unanswered = edge.sent - edge.completed + edge.indicated - edge.returned
            frames_lost = lost.get(edge.upper, 0) if edge.kind == "wire" else 0
            links.append(
                Link(edge.upper, edge.lower, edge.kind, edge.sent, edge.indicated, unanswered, frames_lost)
            )
    return Graph(cards, _merged(links))


def fold(graph: Graph, smallest: int) -> Graph:
    """Return the graph with every class of at least `smallest` nodes that are alike as one card."""
    classes: dict[int, list[str]] = defaultdict(list)
    for key, colour in _colours(graph).items():
        classes[colour].append(key)
    home = {key: key for key in graph.cards}
    for keys in classes.values():
        if len(keys) >= smallest:
            home.update(dict.fromkeys(keys, keys[0]))
    members: dict[str, list[Card]] = defaultdict(list)
    for key, card in graph.cards.items():
        members[home[key]].append(card)
    links = [replace(link, upper=home[link.upper], lower=home[link.lower]) for link in graph.links]
    among: dict[str, int] = defaultdict(int)
    for link in links:
        if link.upper == link.lower:
            among[link.upper] += link.down + link.up
    cards = {key: _together(cards, among[key]) for key, cards in members.items()}
    return Graph(cards, _merged(link for link in links if link.upper != link.lower))


def components(graph: Graph, links: Iterable[Link]) -> list[list[str]]:
    """Return the cards' keys in groups that `links` hold together, all in the graph's order."""
    near: dict[str, set[str]] = {key: set() for key in graph.cards}
    for link in links:
        near[link.upper].add(link.lower)
        near[link.lower].add(link.upper)
    seen: set[str] = set()
    groups = []
    for key in graph.cards:
        if key in seen:
            continue
        group, waiting = set[str](), [key]
        while waiting:
            here = waiting.pop()
            if here not in group:
                group.add(here)
                waiting += near[here]
        seen |= group
        groups.append([key for key in graph.cards if key in group])
    return groups


def _merged(links: Iterable[Link]) -> tuple[Link, ...]:
    """Add up links between the same two cards; the two directions of a wire are one link."""
    found: dict[tuple[str, str, str], Link] = {}
    for link in links:
        key, back = (link.upper, link.lower, link.kind), (link.lower, link.upper, link.kind)
        if link.kind == "wire" and back in found:
            link, key = replace(link, upper=link.lower, lower=link.upper, down=link.up, up=link.down), back
        before = found.get(key)
        if before is not None:
            link = replace(
                link,
                down=link.down + before.down,
                up=link.up + before.up,
                open=link.open + before.open,
                lost=link.lost + before.lost,
            )
        found[key] = link
    return tuple(found.values())


def _colours(graph: Graph) -> dict[str, int]:
    """Return a number for each card, the same for those that nothing but their figures tells apart."""
    names = {key: (c.kind, c.driver, c.state, bool(c.violations)) for key, c in graph.cards.items()}
    colours = _numbered(names)
    for _ in range(_ROUNDS):
        around: dict[str, list[tuple[str, int]]] = {key: [] for key in graph.cards}
        for link in graph.links:
            sides = ("wire", "wire") if link.kind == "wire" else ("below", "above")
            around[link.upper].append((sides[0], colours[link.lower]))
            around[link.lower].append((sides[1], colours[link.upper]))
        finer = _numbered({key: (colours[key], *sorted(around[key])) for key in graph.cards})
        if len(set(finer.values())) == len(set(colours.values())):
            break
        colours = finer
    return colours


def _numbered(names: Mapping[str, tuple[object, ...]]) -> dict[str, int]:
    numbers: dict[tuple[object, ...], int] = {}
    return {key: numbers.setdefault(name, len(numbers)) for key, name in names.items()}


def _together(cards: list[Card], among: int) -> Card:
    return replace(
        cards[0],
        names=tuple(name for card in cards for name in card.names),
        completed=sum(card.completed for card in cards),
        received=sum(card.received for card in cards),
        violations=sum(card.violations for card in cards),
        held_p50=max((card.held_p50 for card in cards if card.held_p50 is not None), default=None),
        held_p99=max((card.held_p99 for card in cards if card.held_p99 is not None), default=None),
        among=among,
    )
