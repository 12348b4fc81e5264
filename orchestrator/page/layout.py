"""Place cards and links: protocols on top, miniports at the bottom, each stack beside the ones it is wired to.

    +-------+                protocols in the first row of a group
      |  label               what goes down and up stands beside the vertical piece under the upper card,
       \\                     or above the lower card where one card sends to several
        | label
    +-------+  +-------+     miniports in the last row
        |__________|  label  wires below, each on a lane of its own where they overlap

Lines are vertical where labels stand, so that no line crosses a label of another column.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from orchestrator.page.graph import Graph, Link, components, fold

CARD_WIDTH = 172.0
CARD_HEIGHT = 74.0
PAGE_WIDTH = 1240.0
TALLEST = 1900.0
LINE = 14.0
_GAP = 28.0
_BEND_WIDTH = 20.0
_STACK_GAP = 44.0
_GROUP_GAP = 56.0
_CURVE = 44.0
_MARGIN = 10.0
_LABEL, _WIDE_LABEL, _AMONG = 78.0, 124.0, 84.0
_LANE = 26.0
_SWEEPS = 8
_FOLDS = (5, 3, 2)


@dataclass(frozen=True)
class Line:
    """A link with its points; the curve between two of them begins and ends vertically."""

    link: Link
    points: tuple[tuple[float, float], ...]
    label: tuple[float, float]
    to_several: bool = False
    """Whether its label has to name the lower card, as others' labels stand with it."""


@dataclass
class Layout:
    """Where everything is: cards by their upper left corner, lines, and the size of it all."""

    cards: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def arrange(graph: Graph) -> tuple[Graph, Layout]:
    """Return the graph, folded as far as it takes to fit on a page or two, and its layout."""
    best = graph, _lay_out(graph)
    for smallest in _FOLDS:
        if best[1].width <= PAGE_WIDTH and best[1].height <= TALLEST:
            break
        folded = fold(graph, smallest)
        best = folded, _lay_out(folded)
    return best


def _lay_out(graph: Graph) -> Layout:
    """Return all groups in rows that are as wide as a page, or as the widest group."""
    whole = Layout()
    x = y = row = 0.0
    for keys in components(graph, graph.links):
        group = _Group(graph, keys).layout()
        if x and x + group.width > PAGE_WIDTH:
            x, y, row = 0.0, y + row + _GROUP_GAP, 0.0
        _add(whole, group, x, y)
        x, row = x + group.width + _GROUP_GAP, max(row, group.height)
    return whole


def _add(whole: Layout, group: Layout, x: float, y: float) -> None:
    whole.cards |= {key: (left + x, top + y) for key, (left, top) in group.cards.items()}
    for line in group.lines:
        points = tuple((left + x, top + y) for left, top in line.points)
        whole.lines.append(Line(line.link, points, (line.label[0] + x, line.label[1] + y), line.to_several))
    whole.width = max(whole.width, x + group.width)
    whole.height = max(whole.height, y + group.height)


def label_lines(link: Link) -> int:
    """Return how many lines the label of a binding has: what went down, what went up, what is open."""
    return max(1, bool(link.down) + bool(link.up)) + bool(link.open)


class _Group:
    """Cards that bindings and wires hold together."""

    def __init__(self, graph: Graph, keys: Sequence[str]) -> None:
        self.graph = graph
        inside = set(keys)
        self.keys = list(keys)
        self.bindings = [link for link in graph.bindings if link.upper in inside]
        self.wires = [link for link in graph.wires if link.upper in inside]
        self.ranks = self._ranks()
        self.below: dict[str, list[Link]] = defaultdict(list)
        self.above: dict[str, list[Link]] = defaultdict(list)
        for link in self.bindings:
            self.below[link.upper].append(link)
            self.above[link.lower].append(link)
        self.tops = self._tops()
        self.centres: dict[str, float] = {}

    def layout(self) -> Layout:
        """Return the group's own layout, its upper left corner at 0, 0."""
        found = Layout()
        among = any(self.graph.cards[key].among for key in self.keys)
        width = _AMONG if among else 0.0
        bends: dict[tuple[int, int], float] = {}
        for keys in components(Graph({key: self.graph.cards[key] for key in self.keys}, ()), self.bindings):
            stack = _Stack(keys, [link for link in self.bindings if link.upper in set(keys)], self.ranks)
            bends |= {bend: centre + width for bend, centre in stack.bends.items()}
            self.centres |= {key: centre + width for key, centre in stack.centres.items()}
            width += stack.width + _STACK_GAP
        found.width = width - _STACK_GAP
        found.cards = {
            key: (centre - CARD_WIDTH / 2, self.tops[self.ranks[key]]) for key, centre in self.centres.items()
        }
        found.lines = [self._binding(link, bends) for link in self.bindings]
        bottom = max(top for _, top in found.cards.values()) + CARD_HEIGHT
        found.height = bottom + (_LANE if among else 0.0)
        for line in self._wire_lines(bottom):
            found.lines.append(line)
            found.height = max(found.height, max(y for _, y in line.points) + _MARGIN)
        room = [line.label[0] + (_WIDE_LABEL if line.to_several else _LABEL) for line in found.lines]
        found.width = max(found.width, *room, 0.0)
        return found

    def _ranks(self) -> dict[str, int]:
        """Return the row of each card: protocols 0, miniports last, the others below all that is above them."""
        ranks = dict.fromkeys(self.keys, 0)
        for _ in self.keys:
            before = dict(ranks)
            for link in self.bindings:
                ranks[link.lower] = max(ranks[link.lower], min(ranks[link.upper] + 1, len(self.keys)))
            if ranks == before:
                break
        last = max(ranks.values())
        return {
            key: last if self.graph.cards[key].kind == "miniport" else rank for key, rank in ranks.items()
        }

    def _tops(self) -> list[float]:
        """Return the upper edge of each row; between two rows there is room for the labels."""
        tops = [0.0]
        for rank in range(max(self.ranks.values())):
            under = max((self._lines_under(key) for key, at in self.ranks.items() if at == rank), default=0)
            over = max((self._lines_over(key) for key, at in self.ranks.items() if at == rank + 1), default=0)
            labels = (under + over) * LINE + (bool(under) + bool(over)) * _MARGIN
            tops.append(tops[-1] + CARD_HEIGHT + _CURVE + labels)
        return tops

    def _stands_over(self, link: Link) -> bool:
        return len(self.below[link.upper]) > 1 and len(self.above[link.lower]) == 1

    def _lines_under(self, key: str) -> int:
        return sum(label_lines(link) for link in self.below[key] if not self._stands_over(link))

    def _lines_over(self, key: str) -> int:
        return sum(label_lines(link) for link in self.above[key] if self._stands_over(link))

    def _zone(self, rank: int) -> tuple[float, float]:
        """Return where lines below a row begin and end to bend, as y."""
        keys = [key for key, at in self.ranks.items() if at == rank]
        under = max((self._lines_under(key) for key in keys), default=0)
        start = self.tops[rank] + CARD_HEIGHT + under * LINE + bool(under) * _MARGIN
        return start, start + _CURVE

    def _binding(self, link: Link, bends: dict[tuple[int, int], float]) -> Line:
        x, target = self.centres[link.upper], self.centres[link.lower]
        first, last = self.ranks[link.upper], self.ranks[link.lower]
        points = [(x, self.tops[first] + CARD_HEIGHT)]
        for rank in range(first, last):
            start, end = self._zone(rank)
            points.append((x, start))
            x = target if rank + 1 == last else bends[id(link), rank + 1]
            points.append((x, end))
        points.append((target, self.tops[last]))
        if self._stands_over(link):
            label = (target + 8, self.tops[last] - _MARGIN - label_lines(link) * LINE + LINE)
            return Line(link, tuple(points), label)
        mates = [mate for mate in self.below[link.upper] if not self._stands_over(mate)]
        before = sum(label_lines(mate) for mate in mates[: mates.index(link)])
        label = (self.centres[link.upper] + 8, self.tops[first] + CARD_HEIGHT + LINE * (before + 1) + 1)
        return Line(link, tuple(points), label, len(mates) > 1)

    def _wire_lines(self, bottom: float) -> list[Line]:
        """Return the wires as brackets below the last row; of two that overlap the shorter one lies higher."""
        taken: list[list[tuple[float, float]]] = []
        used: dict[str, int] = defaultdict(int)
        lines = []
        spans = sorted(self.wires, key=lambda of: abs(self.centres[of.upper] - self.centres[of.lower]))
        for link in spans:
            shift = {key: 14.0 * used[key] for key in (link.upper, link.lower)}
            for key in shift:
                used[key] += 1
            one, other = (self.centres[key] + shift[key] for key in (link.upper, link.lower))
            left, right = min(one, other), max(one, other)
            lane = next(
                (at for at, spans in enumerate(taken) if all(right < a or left > b for a, b in spans)),
                len(taken),
            )
            if lane == len(taken):
                taken.append([])
            taken[lane].append((left, right))
            y = bottom + _LANE * (lane + 1)
            tops = {key: self.tops[self.ranks[key]] + CARD_HEIGHT for key in (link.upper, link.lower)}
            points = ((one, tops[link.upper]), (one, y), (other, y), (other, tops[link.lower]))
            lines.append(Line(link, points, (left + 8, y - 6)))
        return lines


class _Stack:
    """Cards that bindings hold together: the order in each row, and how far right each stands.

    A binding that skips rows bends in each of them, and has a narrow place there.
    """

    def __init__(self, keys: Sequence[str], bindings: Sequence[Link], ranks: dict[str, int]) -> None:
        self.near: dict[object, list[object]] = defaultdict(list)
        self.rows: dict[int, list[object]] = defaultdict(list)
        for key in keys:
            self.rows[ranks[key]].append(key)
        for link in bindings:
            chain: list[object] = [link.upper]
            for rank in range(ranks[link.upper] + 1, ranks[link.lower]):
                chain.append((id(link), rank))
                self.rows[rank].append((id(link), rank))
            chain.append(link.lower)
            for upper, lower in pairwise(chain):
                self.near[upper].append(lower)
                self.near[lower].append(upper)
        self.at: dict[object, float] = {
            item: float(index) for row in self.rows.values() for index, item in enumerate(row)
        }
        self._sort()
        self._spread()
        left = min(self.at[item] - _half(item) for item in self.at)
        self.width = max(self.at[item] + _half(item) for item in self.at) - left
        self.centres = {item: x - left for item, x in self.at.items() if isinstance(item, str)}
        self.bends = {item: x - left for item, x in self.at.items() if isinstance(item, tuple)}

    def _sort(self) -> None:
        """Order each row by the mean place of its neighbours, down and up in turn, so that few lines cross."""
        for sweep in range(_SWEEPS):
            for rank in sorted(self.rows, reverse=sweep % 2 == 1):
                self.rows[rank].sort(key=self._wish)
                self.at |= {item: float(index) for index, item in enumerate(self.rows[rank])}

    def _spread(self) -> None:
        """Move each card under the middle of its neighbours as far as its row leaves room."""
        for row in self.rows.values():
            x = 0.0
            for item in row:
                self.at[item] = x + _half(item)
                x += 2 * _half(item) + _GAP
        for sweep in range(_SWEEPS):
            for rank in sorted(self.rows, reverse=sweep % 2 == 1):
                row = self.rows[rank]
                places = _apart([self._wish(item) for item in row], [_half(item) for item in row])
                self.at |= dict(zip(row, places, strict=True))

    def _wish(self, item: object) -> float:
        near = self.near[item]
        return sum(self.at[one] for one in near) / len(near) if near else self.at[item]


def _half(item: object) -> float:
    return (CARD_WIDTH if isinstance(item, str) else _BEND_WIDTH) / 2


def _apart(wishes: Sequence[float], halves: Sequence[float]) -> list[float]:
    """Return the places nearest to the wishes (least squares) that keep order and distance.

    Without the distances it is isotonic regression: neighbours in each other's way share the mean of their wishes.
    """
    offsets, x = [], 0.0
    for index, half in enumerate(halves):
        x += half + (halves[index - 1] + _GAP if index else 0.0)
        offsets.append(x)
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        mean, count = wish - offset, 1
        while blocks and blocks[-1][0] >= mean:
            other, others = blocks.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
