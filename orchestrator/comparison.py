"""Compare two runs by their reports: which was faster, by how much, and may that be chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from orchestrator.report_model import LatencyPart, Report
from orchestrator.report_series import SeriesRow
from orchestrator.significance import difference, significant

SCHEMA = "ndisim.comparison/1"

Finding = Literal["faster", "slower", "same", "unknown"]
Verdict = Literal["faster", "slower", "mixed", "same", "unknown"]

RATE = "throughput_pps"
_LATENCIES = ("p50_us", "p99_us")
_PLANNED = ("planned_p50_us", "planned_p99_us")
"""Taken instead where both runs sent by plan: what a packet waited before its send is in it."""
_DIGITS = 6


@dataclass(frozen=True)
class Measure:
    """One measurement of every second of both runs: `a` and `b` are the means over seconds.

    `change` and its 95 % interval `low` to `high` are shares of `a`, `p` how often chance alone gives such a
    difference. `finding` is ``same`` when that is not significant, ``unknown`` when there are too few seconds.
    """

    name: str
    a: float | None
    b: float | None
    seconds: tuple[int, int]
    change: float | None
    low: float | None
    high: float | None
    p: float | None
    finding: Finding


@dataclass(frozen=True)
class Figure:
    """One figure of the whole runs; None where a run has none, `change` as a share of `a`."""

    name: str
    a: float | str | None
    b: float | str | None
    change: float | None


@dataclass(frozen=True)
class Comparison:
    """How run B differs from run A: `verdict` over all measures, `notes` on what makes them hard to compare."""

    verdict: Verdict
    measures: tuple[Measure, ...]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]

    def slower_by(self, share: float) -> list[Measure]:
        """Return the measures by which B is significantly slower and by at least `share` of A."""
        return [of for of in self.measures if of.finding == "slower" and abs(of.change or 0) >= share]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as the data of ``ndisim.comparison/1``."""
        return {"schema": SCHEMA, **asdict(self)}


def compare_reports(a: Report, b: Report) -> Comparison:
    """Compare two reports; the same two always give the same answer."""
    rows = [_whole_seconds(report.series) for report in (a, b)]
    open_model = a.planned_us.count and b.planned_us.count
    names = (RATE, *(_PLANNED if open_model else _LATENCIES))
    values = [[_values(side, name) for side in rows] for name in names]
    differences = [difference(*sides) for sides in values]
    found = significant([of.p for of in differences])
    measures = []
    for name, of, sides, certain in zip(names, differences, values, found, strict=True):
        finding: Finding = "unknown" if of.change is None else "same"
        if certain and of.change:
            finding = "faster" if (of.change > 0) == (name == RATE) else "slower"
        counts = (len(sides[0]), len(sides[1]))
        measures.append(Measure(name=name, seconds=counts, finding=finding, **asdict(of)))
    return Comparison(_verdict(measures), tuple(measures), tuple(_figures(a, b)), tuple(_notes(a, b)))


def _whole_seconds(series: Sequence[SeriesRow]) -> list[SeriesRow]:
    """Return the rows without short ones: a rest tells nothing of a second."""
    ends = [0.0, *(row.t_s for row in series)]
    spans = [end - start for start, end in pairwise(ends)]
    usual = median(spans) if spans else 0.0
    return [row for row, span in zip(series, spans, strict=True) if span >= 0.9 * usual]


def _values(rows: Sequence[SeriesRow], name: str) -> list[float]:
    found = (getattr(row, name) for row in rows)
    return [float(value) for value in found if value is not None]


def _verdict(measures: Sequence[Measure]) -> Verdict:
    found = {of.finding for of in measures}
    if found >= {"faster", "slower"}:
        return "mixed"
    for finding in ("faster", "slower", "same"):
        if finding in found:
            return finding
    return "unknown"


def _figures(a: Report, b: Report) -> list[Figure]:
    figures = [
        _figure("throughput_pps", a.throughput_pps, b.throughput_pps),
        *_latencies("latency", a.latency_us, b.latency_us),
        *_latencies("planned", a.planned_us, b.planned_us),
        *_latencies("one way", a.one_way_us, b.one_way_us),
    ]
    for name in type(a.conservation).model_fields:
        figures.append(_figure(name, getattr(a.conservation, name), getattr(b.conservation, name)))
    for status in dict.fromkeys([*a.statuses, *b.statuses]):
        figures.append(_figure(f"status {status}", a.statuses.get(status, 0), b.statuses.get(status, 0)))
    figures.append(_figure("violations", a.violation_count, b.violation_count))
    return [*figures, Figure("verdict", a.verdict, b.verdict, None)]


def _latencies(name: str, a: LatencyPart, b: LatencyPart) -> list[Figure]:
    if not (a.count or b.count):
        return []
    keys = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "max"}
    return [_figure(f"{name} {key}", getattr(a, field), getattr(b, field)) for key, field in keys.items()]


def _figure(name: str, a: float | None, b: float | None) -> Figure:
    return Figure(name, a, b, round(b / a - 1, _DIGITS) if a and b is not None else None)


def _load(report: Report) -> str:
    return "by plan (rate)" if report.planned_us.count else "as fast as it comes back (window)"


def _notes(a: Report, b: Report) -> list[str]:
    notes = [
        f"the runs are not alike: {name} is {left} in A and {right} in B"
        for name, left, right in (
            ("name", a.run.name, b.run.name),
            ("mode", a.run.mode, b.run.mode),
            ("seed", a.run.seed, b.run.seed),
            ("load", _load(a), _load(b)),
        )
        if left != right
    ]
    if "inline" in (a.run.mode, b.run.mode):
        notes.append("times of mode inline are virtual: they say nothing about speed on a machine")
    for side, report in (("A", a), ("B", b)):
        if report.verdict in ("failed", "violations", "void"):
            notes.append(f"the verdict of {side} is {report.verdict}: its figures prove little")
    return notes
