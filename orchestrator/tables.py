"""The tables of a report, and how durations, sizes and columns are written wherever they are read by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from rich.table import Table
from rich.text import Text

from orchestrator.report_model import EdgePart, NodePart, PhasePart, Report

MANY = 16
"""More nodes or edges of one kind than this are one row of a table; the JSON report and the page have all of them."""

T = TypeVar("T")


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[str] = ()) -> Table:
    """Return a table without lines; the columns named in `numbers` are right-aligned."""
    right = set(numbers)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=column in right)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def duration(microseconds: float | None) -> str:
    """Write a duration in the unit that suits it with three digits, ``-`` for none."""
    if microseconds is None:
        return "-"
    for limit, factor, unit in ((1, 1000, "ns"), (1000, 1, "us"), (1_000_000, 1e-3, "ms")):
        if microseconds < limit:
            return f"{_short(microseconds * factor)}{unit}"
    return f"{_short(microseconds / 1e6)}s"


def size(count: int) -> str:
    """Write a number of bytes in the decimal unit that suits it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{_short(value)} {unit}"
        value /= 1000
    return f"{_short(value)} TB"


def _short(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nodes_table(report: Report) -> Table:
    """Return a table of nodes; of many with the same driver and state one row has the sums, and the longest hold."""
    counted = ["sent", "completed", "received"]
    if report.violation_count:
        counted.append("violations")
    columns = ("node", "driver", "state", *counted, "held p50", "p99", "max")
    alike = _alike(report.nodes, lambda node: (node.driver, node.state))
    rows = [_node_row(members, counted) for members in alike]
    return plain_table(columns, rows, numbers=columns[3:])


def _node_row(members: Mapping[str, NodePart], counted: Sequence[str]) -> Sequence[str]:
    nodes = list(members.values())
    held = [node.held_us for node in nodes]
    longest = max((of.max for of in held if of.max is not None), default=None)
    middle = (held[0].p50, held[0].p99) if len(held) == 1 else (None, None)
    sums = (f"{sum(node.counters[key] for node in nodes):,}" for key in counted)
    times = (duration(value) for value in (*middle, longest))
    return (_called(list(members)), nodes[0].driver, nodes[0].state, *sums, *times)


def edges_table(report: Report) -> Table:
    """Return a table of edges; of many between the same kinds of driver one row has the sums."""
    columns = ("edge", "kind", "down", "completed", "up", "returned")
    named = {f"{edge.upper} -> {edge.lower}": edge for edge in report.edges}
    drivers = {name: node.driver for name, node in report.nodes.items()}
    alike = _alike(named, lambda edge: (drivers[edge.upper], drivers[edge.lower], edge.kind))
    return plain_table(columns, [_edge_row(members) for members in alike], numbers=columns[2:])


def _edge_row(members: Mapping[str, EdgePart]) -> Sequence[str]:
    edges = list(members.values())
    sums = [
        sum(values)
        for values in zip(*((of.sent, of.completed, of.indicated, of.returned) for of in edges), strict=True)
    ]
    return (_called(list(members)), edges[0].kind, *(f"{count:,}" for count in sums))


def _alike(members: Mapping[str, T], key: Callable[[T], Hashable]) -> list[dict[str, T]]:
    """Return members in their order, each by itself, or with all of its kind where they are more than MANY."""
    numbers = Counter(key(member) for member in members.values())
    rows: dict[Hashable, dict[str, T]] = {}
    for name, member in members.items():
        row = key(member) if numbers[key(member)] > MANY else name
        rows.setdefault(row, {})[name] = member
    return list(rows.values())


def _called(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more"


def phase_names(phases: Sequence[PhasePart]) -> list[str]:
    """Return what to call phases: by their names, with a source where several of them have the same."""
    shared = Counter(of.phase for of in phases)
    return [f"{of.sources[0]}/{of.phase}" if shared[of.phase] > 1 else of.phase for of in phases]


def phases_table(phases: Sequence[PhasePart]) -> Table:
    """Return a table of phases; durations count from planned times, in the closed model from the send."""
    columns = ("phase", "from", "to", "rate", "sent", "completed", "per second", "p50", "p99", "p99.9", "max")
    rows = []
    for name, of in zip(phase_names(phases), phases, strict=True):
        took = of.planned_us if of.planned_us.count else of.latency_us
        rate = "max" if of.rate_pps is None else f"{of.rate_pps:,.0f}"
        done = "-" if of.throughput_pps is None else f"{of.throughput_pps:,.0f}"
        times = (duration(value) for value in (of.began, of.ended))
        durations = (duration(value) for value in (took.p50, took.p99, took.p999, took.max))
        rows.append((name, *times, rate, f"{of.sent:,}", f"{of.completed:,}", done, *durations))
    return plain_table(columns, rows, numbers=columns[1:])
