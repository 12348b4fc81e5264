"""Place durations on a logarithmic scale: the curves of the latency spectrum and the strips of held times."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.report_model import HeldPart, LatencyPart, Report
from orchestrator.tables import duration

WIDTH, HEIGHT = 520.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 18.0, 12.0, 26.0
_MARKS = ("p50", "p90", "p99", "p99.9", "max")


@dataclass(frozen=True)
class Scale:
    """Whole decades of microseconds from `low` to `high`, as powers of ten."""

    low: int
    high: int

    @classmethod
    def over(cls, values: Iterable[float | None]) -> Scale:
        """Return the decades that hold all values; of none, that of 1 us. 0 counts as 1 ns."""
        known = [max(value, 1e-3) for value in values if value is not None] or [1.0]
        low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
        return cls(low, max(high, low + 1))

    @property
    def decades(self) -> list[float]:
        """Return the powers of ten in the scale, in microseconds."""
        return [10.0**power for power in range(self.low, self.high + 1)]

    def share(self, value: float) -> float:
        """Return how far along the scale a value lies, from 0 to 1."""
        return (math.log10(max(value, 1e-3)) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what is written there."""

    at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """The percentiles of one duration as points of a picture; `of` has their values."""

    name: str
    meaning: str
    of: LatencyPart
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Spectrum:
    """All durations that were measured from end to end, over the same axes."""

    curves: tuple[Curve, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True)
class Strip:
    """Held times of one node along the scale of all: shares from 0 to 1."""

    p50: float
    p99: float
    max: float


def spectrum_of(report: Report) -> Spectrum | None:
    """Return the picture of the report's percentiles, None where nothing was measured."""
    parts = [part for part in _durations(report) if part[2].count]
    if not parts:
        return None
    scale = Scale.over(value for _, _, of in parts for value in _values(of))
    step = (WIDTH - _LEFT - _RIGHT) / (len(_MARKS) - 1)
    across = [_LEFT + step * index for index in range(len(_MARKS))]
    curves = [
        Curve(
            name,
            meaning,
            of,
            tuple(
                (x, _height(scale, value))
                for x, value in zip(across, _values(of), strict=True)
                if value is not None
            ),
        )
        for name, meaning, of in parts
    ]
    return Spectrum(
        tuple(curves),
        tuple(Tick(x, mark) for x, mark in zip(across, _MARKS, strict=True)),
        tuple(Tick(_height(scale, value), duration(value)) for value in scale.decades),
    )


def strips_of(report: Report) -> tuple[dict[str, Strip], tuple[Tick, ...]]:
    """Return the held times of each node that held something, and the marks of their common scale."""
    held = {name: node.held_us for name, node in report.nodes.items() if node.held_us.max is not None}
    scale = Scale.over(value for of in held.values() for value in (of.p50, of.p99, of.max))
    strips = {name: _strip(of, scale) for name, of in held.items()}
    return strips, tuple(Tick(scale.share(value), duration(value)) for value in scale.decades)


def _strip(of: HeldPart, scale: Scale) -> Strip:
    return Strip(*(scale.share(value or 0.0) for value in (of.p50, of.p99, of.max)))


def _durations(report: Report) -> list[tuple[str, str, LatencyPart]]:
    return [
        ("latency", "from a send to its completion", report.latency_us),
        ("planned", "from a send's planned time to its completion", report.planned_us),
        ("one way", "from a frame's planned send time to its arrival", report.one_way_us),
    ]


def _values(of: LatencyPart) -> tuple[float | None, ...]:
    return (of.p50, of.p90, of.p99, of.p999, of.max)


def _height(scale: Scale, value: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - scale.share(value))
