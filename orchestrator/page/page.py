"""Write a report as one HTML page that needs nothing else: no network, no file beside it.

What a driver or a node's name says is text, never markup or script: the template escapes all of it, the report's data
is JSON without a ``<``, and the page's own policy lets no script and no style in but those that it was written with.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.page.figures import short_count
from orchestrator.page.picture import picture_of
from orchestrator.page.spectrum import spectrum_of, strips_of
from orchestrator.report_model import EventPart, Report, ThresholdPart, Verdict, ViolationPart
from orchestrator.setup_model import settings_of
from orchestrator.tables import duration, phase_names, size

MORE_OF_A_KIND = 25
MOST_EVENTS = 200
FEWEST_ROWS = 2
FEWEST_SENDERS = 2
_VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "pass": (
        "PASS",
        "good",
        "No packet was lost, no rule of the contract was broken, every threshold was met.",
    ),
    "thresholds": ("FAIL", "bad", "A threshold was not met."),
    "violations": ("FAIL", "bad", "The contract was violated, or packets were lost or duplicated."),
    "void": (
        "VOID",
        "warn",
        "The load generator or the machine was the bottleneck: the figures say nothing about the stack.",
    ),
    "failed": ("FAILED", "bad", "The run broke off."),
}
_RAIL, _LEAST_SPAN = 200.0, 1.5
_CHARTS = (
    ("throughput", "Throughput"),
    ("latency", "Latency"),
    ("in_flight", "In flight"),
    ("edges", "Packets per second by edge, the busiest"),
    ("occupancy", "Packets under way by edge, the fullest"),
    ("held", "Packets held by node, the fullest"),
)


@dataclass(frozen=True)
class Kind:
    """Violations alike: the same rule, broken by the same node at the same line."""

    first: ViolationPart
    more: tuple[ViolationPart, ...]
    count: int


@dataclass(frozen=True)
class Row:
    """An event with its place in the run, of which 200 are the whole, and what is to be said of it."""

    of: EventPart
    left: float
    width: float
    result: str


@dataclass(frozen=True)
class Chart:
    """A place for a chart that the page's script draws; `key` says which."""

    key: str
    title: str


def to_html(report: Report) -> str:
    """Return the page of a report: verdict, conservation, stack, curves, tables, violations, and the data itself."""
    word, tone, meaning = _VERDICTS[report.verdict]
    style, script = _asset("uplot.css") + _asset("page.css"), _asset("page.js")
    library = f"/*\n{_asset('uplot-licence.txt')}*/\n{_asset('uplot.js')}"
    strips, ticks = strips_of(report)
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            word=word,
            tone=tone,
            meaning=meaning,
            policy=_policy(style, library, script),
            style=Markup(style),
            library=Markup(library),
            script=Markup(script),
            data=Markup(_data(report)),
            stack=picture_of(report),
            spectrum=spectrum_of(report),
            strips=strips,
            strip_ticks=ticks,
            charts=_charts(report),
            kinds=_kinds(report.violations),
            events=_events(report),
            settings=settings_of(report.setup) if report.setup else [],
            never=[f"{of.name} ({of.kind} on {of.where})" for of in report.faults if of.began is None],
            counters={
                name: {counter: value for counter, value in node.counters.items() if value}
                for name, node in report.nodes.items()
            },
            late=_late(report),
            senders=_senders(report),
            phases=list(zip(phase_names(report.phases), report.phases, strict=True)),
            most_of_a_status=max(report.statuses.values(), default=0),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_asset), auto_reload=False
    )
    environment.filters |= {
        "count": lambda value: f"{value:,}",
        "short": short_count,
        "duration": duration,
        "seconds": lambda value: duration(value * 1e6),
        "size": size,
        "measured": _measured,
    }
    return environment


@cache
def _asset(name: str) -> str:
    return resources.files("orchestrator.page").joinpath(name).read_text("utf-8")


def _policy(style: str, *scripts: str) -> str:
    """Return the page's content security policy: nothing but what the page was written with, by its hashes."""
    allowed = " ".join(_hash(script) for script in scripts)
    return f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(report: Report) -> str:
    """Return the report as JSON that cannot end the script element around it."""
    return report.model_dump_json().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _charts(report: Report) -> list[Chart]:
    """Return the charts that have something to show."""
    rows = report.series
    if len(rows) < FEWEST_ROWS:
        return []
    empty = set()
    if all(row.p50_us is None for row in rows):
        empty.add("latency")
    if not any(edge.down_pps or edge.up_pps for row in rows for edge in row.edges.values()):
        empty.add("edges")
    if not any(edge.occupancy for row in rows for edge in row.edges.values()):
        empty.add("occupancy")
    if not any(node.held for row in rows for node in row.nodes.values()):
        empty.add("held")
    return [Chart(key, title) for key, title in _CHARTS if key not in empty]


def _events(report: Report) -> list[Row]:
    return [_row(of, report.run.duration_s * 1e6) for of in report.events[:MOST_EVENTS]]


def _row(of: EventPart, whole: float) -> Row:
    whole = max(whole, of.began or 0.0, of.ended or 0.0, 1.0)
    left, right = (_RAIL * (at or 0.0) / whole for at in (of.began, whole if of.ended is None else of.ended))
    width = max(right - left, _LEAST_SPAN)
    result = of.result
    if of.kind == "fault":
        result = f"{of.count:,} hit"
    elif of.kind == "violation":
        result = f"{of.result}{f', and {of.count - 1:,} more' if of.count > 1 else ''}"
    return Row(of, min(left, _RAIL - width), width, result)


def _kinds(violations: Sequence[ViolationPart]) -> list[Kind]:
    kinds: dict[tuple[str, str, str], list[ViolationPart]] = {}
    for violation in violations:
        kinds.setdefault((violation.rule, violation.node, violation.source), []).append(violation)
    return [Kind(alike[0], tuple(alike[1 : 1 + MORE_OF_A_KIND]), len(alike)) for alike in kinds.values()]


def _senders(report: Report) -> list[tuple[str, int]]:
    """Return senders and what they got completed, the most first; none where they are not meant to be equal."""
    of = report.fairness
    senders = {
        name: node for name, node in report.nodes.items() if node.kind == "protocol" and node.counters["sent"]
    }
    if of.jain is None or of.count < FEWEST_SENDERS or len({node.driver for node in senders.values()}) > 1:
        return []
    return sorted(
        ((name, node.counters["completed"]) for name, node in senders.items()), key=lambda of: (-of[1], of[0])
    )


def _late(report: Report) -> str:
    """Return what is to be said of senders that did not keep their plan, empty where all did."""
    late = {name: node.counters for name, node in report.nodes.items() if node.counters.get("late")}
    if not late:
        return ""
    worst = max(late, key=lambda name: late[name]["worst_lag_us"])
    counts = [sum(counters[key] for counters in late.values()) for key in ("late", "planned")]
    who = worst if len(late) == 1 else f"{len(late)} senders"
    return (
        f"{who} sent {counts[0]:,} of {counts[1]:,} planned packets late for want of processor, "
        f"the worst by {duration(late[worst]['worst_lag_us'])}{'' if len(late) == 1 else f' ({worst})'}."
    )


def _measured(of: ThresholdPart) -> str:
    values: dict[str, Any] = {
        "us": duration,
        "pps": lambda value: f"{short_count(value)}/s",
        "ratio": lambda value: f"{value:.3f}",
    }
    if of.measured is None:
        return "nothing"
    write = values.get(of.unit, lambda value: f"{value:,.10g}")
    return str(write(of.measured))
