"""The picture of the stack, ready to be written as SVG: boxes, lines and labels with their words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.page.figures import per_second, short_count
from orchestrator.page.graph import Card, graph_of
from orchestrator.page.layout import CARD_HEIGHT, CARD_WIDTH, LINE, Line, arrange
from orchestrator.report_model import Report
from orchestrator.tables import duration

_MARGIN = 10.0
_NAME_LENGTH = 17
_DRIVER_LENGTH = 23
_BAR = CARD_WIDTH - 20
_KINDS = ("protocol", "filter", "intermediate", "miniport")
_BROKEN = ("Bugchecked", "Failed")


@dataclass(frozen=True)
class Box:
    """A card on the picture; `p50` and `p99` are lengths of its bar, 0 where it held nothing."""

    x: float
    y: float
    kind: str
    name: str
    driver: str
    figure: str
    title: str
    several: bool
    broken: bool
    p50: float
    p99: float
    width: float = CARD_WIDTH
    height: float = CARD_HEIGHT


@dataclass(frozen=True)
class Stroke:
    """A line on the picture as an SVG path; `busy` when anything went along."""

    path: str
    thickness: float
    wire: bool
    busy: bool
    title: str


@dataclass(frozen=True)
class Label:
    """Words beside a line, `x`, `y` at the `anchor` (start or end) of their base line."""

    x: float
    y: float
    text: str
    alarm: bool = False
    quiet: bool = False
    anchor: str = "start"


@dataclass(frozen=True)
class Picture:
    """Everything on the picture; `folded` says whether some boxes stand for several nodes."""

    width: int
    height: int
    view: str
    boxes: tuple[Box, ...]
    lines: tuple[Stroke, ...]
    labels: tuple[Label, ...]
    kinds: tuple[str, ...]
    folded: bool


def picture_of(report: Report) -> Picture:
    """Return the stack of a report; rates are over the run's duration."""
    seconds = report.run.duration_s
    graph, layout = arrange(graph_of(report))
    longest = max((card.held_p99 or 0.0 for card in graph.cards.values()), default=0.0)
    boxes = tuple(_box(card, *layout.cards[key], longest) for key, card in graph.cards.items())
    busiest = max((line.link.down + line.link.up for line in layout.lines), default=0)
    width, height = math.ceil(layout.width + 2 * _MARGIN), math.ceil(layout.height + 2 * _MARGIN)
    return Picture(
        width=width,
        height=height,
        view=f"{-_MARGIN:g} {-_MARGIN:g} {width} {height}",
        boxes=boxes,
        lines=tuple(_stroke(line, busiest, seconds) for line in layout.lines),
        labels=(
            *(label for line in layout.lines for label in _labels(line, seconds)),
            *(_among(card, *layout.cards[card.key], seconds) for card in graph.cards.values() if card.among),
        ),
        kinds=tuple(kind for kind in _KINDS if any(box.kind == kind for box in boxes)),
        folded=any(box.several for box in boxes),
    )


def _box(card: Card, x: float, y: float, longest: float) -> Box:
    several = len(card.names) > 1
    broken = bool(card.violations) or card.state in _BROKEN
    name = f"{len(card.names)} x {card.driver}" if several else card.names[0]
    span = f"{card.names[0]} to {card.names[-1]}" if several else card.driver
    return Box(
        x=round(x, 1),
        y=round(y, 1),
        kind=card.kind,
        name=_shortened(name, _NAME_LENGTH),
        driver=_shortened(span, _DRIVER_LENGTH),
        figure=_figure(card),
        title=_title(card),
        several=several,
        broken=broken,
        p50=round(_BAR * (card.held_p50 or 0.0) / longest, 1) if longest else 0.0,
        p99=round(_BAR * (card.held_p99 or 0.0) / longest, 1) if longest else 0.0,
    )


def _figure(card: Card) -> str:
    """Return the one line of figures that a card has room for: what is wrong, else held times, else counts."""
    if card.state in _BROKEN:
        return card.state.lower()
    if card.violations:
        return f"{short_count(card.violations)} violation{'s' if card.violations != 1 else ''}"
    if card.held_p99 is not None:
        return f"held {duration(card.held_p50)}, p99 {duration(card.held_p99)}"
    if card.completed:
        return f"{short_count(card.completed)} completed"
    return "held nothing"


def _title(card: Card) -> str:
    lines = [", ".join(card.names), f"{card.kind}, driver {card.driver}, {card.state}"]
    if card.held_p99 is not None:
        lines.append(f"held p50 {duration(card.held_p50)}, p99 {duration(card.held_p99)}")
    lines += [
        f"{card.completed:,} completed",
        f"{card.received:,} received",
        f"{card.violations:,} violations",
    ]
    if card.among:
        lines.append(f"{card.among:,} frames among themselves")
    return "\n".join(lines)


def _stroke(line: Line, busiest: int, seconds: float) -> Stroke:
    link = line.link
    total = link.down + link.up
    share = math.log1p(total) / math.log1p(busiest) if busiest else 0.0
    return Stroke(
        path=_bracket(line) if link.kind == "wire" else _curve(line),
        thickness=round(1.2 + 2.3 * share, 2) if total else 1.2,
        wire=link.kind == "wire",
        busy=bool(total),
        title=f"{link.upper} to {link.lower}: {link.down:,} down ({per_second(link.down, seconds)}), "
        f"{link.up:,} up ({per_second(link.up, seconds)}), {link.open:,} without a reply, {link.lost:,} lost",
    )


def _curve(line: Line) -> str:
    """Return a path that is straight between points above each other and bends vertically else."""
    (x, y), *rest = line.points
    parts = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        if abs(to_x - x) < 0.5:
            parts.append(f"L{to_x:.1f} {to_y:.1f}")
        else:
            middle = (y + to_y) / 2
            parts.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(parts)


def _bracket(line: Line) -> str:
    """Return the path of a wire: down, across, up, with round corners."""
    (ax, ay), (_, low), (bx, _), (_, by) = line.points
    turn = 8.0 if bx > ax else -8.0
    return (
        f"M{ax:.1f} {ay:.1f}V{low - 8:.1f}Q{ax:.1f} {low:.1f} {ax + turn:.1f} {low:.1f}"
        f"H{bx - turn:.1f}Q{bx:.1f} {low:.1f} {bx:.1f} {low - 8:.1f}V{by:.1f}"
    )


def _labels(line: Line, seconds: float) -> Iterator[Label]:
    x, y = (round(at, 1) for at in line.label)
    link = line.link
    if link.kind == "wire":
        yield _wire_label(line, seconds, x, y)
        return
    goal = f"{_shortened(link.lower, 7)} " if line.to_several else ""
    rates = [
        f"{goal}{arrow} {per_second(of, seconds)}" for arrow, of in (("↓", link.down), ("↑", link.up)) if of
    ]
    for index, text in enumerate(rates or [f"{goal}idle"]):
        yield Label(x, y + LINE * index, text, quiet=not rates)
    if link.open:
        yield Label(x, y + LINE * max(1, len(rates)), f"{short_count(link.open)} open", alarm=True)


def _wire_label(line: Line, seconds: float, x: float, y: float) -> Label:
    """Return what went along a wire, arrows as the picture lies."""
    link = line.link
    there, back = ("→", "←") if line.points[-1][0] > line.points[0][0] else ("←", "→")
    rates = [
        f"{arrow} {per_second(of, seconds)}" for arrow, of in ((there, link.down), (back, link.up)) if of
    ]
    if link.lost:
        rates.append(f"{short_count(link.lost)} lost")
    return Label(x, y, "  ".join(rates) or "idle", quiet=not rates)


def _among(card: Card, x: float, y: float, seconds: float) -> Label:
    """Return what folded miniports sent each other, left of where wires to others would be."""
    text = f"wires among them: {per_second(card.among, seconds)}"
    return Label(round(x + CARD_WIDTH / 2 - 8, 1), round(y + CARD_HEIGHT + 18, 1), text, anchor="end")


def _shortened(text: str, length: int) -> str:
    """Return a text with its middle left out where it is too long: names that differ do so at an end."""
    if len(text) <= length:
        return text
    tail = length // 2
    return f"{text[: length - tail - 1]}…{text[-tail:]}"
