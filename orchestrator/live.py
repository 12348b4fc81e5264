"""Progress of a run on stderr: a live table on a terminal, a line each second elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nodes.metrics import Counter
from orchestrator.observe import NodeView, Snapshot
from orchestrator.tables import plain_table

_SECOND = 1_000_000_000


class Progress(Protocol):
    """Something that is shown while a run goes on; it is told of each new snapshot."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def update(self, snapshot: Snapshot) -> None:
        """Show how the run stands."""


@dataclass(frozen=True)
class Rates:
    """What happened per second: completions, received frames, and packets that each node dealt with."""

    completed: float
    received: float
    nodes: dict[str, float]


class Meter:
    """Turns counts into rates; `elapsed_ns` counts from the first snapshot."""

    def __init__(self) -> None:
        self.elapsed_ns = 0
        self._first: Snapshot | None = None
        self._last: Snapshot | None = None

    def rates(self, snapshot: Snapshot) -> Rates:
        """Return the rates since the last call; all 0 at the first."""
        self._first = self._first or snapshot
        before, self._last = self._last or snapshot, snapshot
        self.elapsed_ns = snapshot.time - self._first.time
        seconds = (snapshot.time - before.time) / _SECOND or 1.0
        return Rates(
            (snapshot.conservation.completed - before.conservation.completed) / seconds,
            (snapshot.total(Counter.RECEIVED) - before.total(Counter.RECEIVED)) / seconds,
            {
                name: (_handled(node) - _handled(before.nodes.get(name, node))) / seconds
                for name, node in snapshot.nodes.items()
            },
        )


class Quiet:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def update(self, snapshot: Snapshot) -> None:
        """Show nothing."""


class Lines:
    """Writes a plain line to stderr each second of real time, by `clock` (ns): a virtual one may take many for one."""

    def __init__(self, planned_ns: int | None, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._planned_ns = planned_ns
        self._clock = clock
        self._meter = Meter()
        self._due: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def update(self, snapshot: Snapshot) -> None:
        """Write a line if one is due."""
        now = self._clock()
        if self._due is None:
            self._meter.rates(snapshot)
            self._due = now + _SECOND
        elif now >= self._due:
            self._due = now + _SECOND
            rates = self._meter.rates(snapshot)
            print(
                summary_line(snapshot, rates, self._meter.elapsed_ns, self._planned_ns),
                file=sys.stderr,
                flush=True,
            )


class Screen:
    """Keeps a table of the run on the terminal and takes it away at the end."""

    def __init__(self, planned_ns: int | None, console: Console | None = None) -> None:
        self._planned_ns = planned_ns
        self._meter = Meter()
        self._live = Live(console=console or Console(stderr=True), auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.__exit__(None, None, None)

    def update(self, snapshot: Snapshot) -> None:
        """Draw the table anew."""
        rates = self._meter.rates(snapshot)
        head = Text(summary_line(snapshot, rates, self._meter.elapsed_ns, self._planned_ns), style="bold")
        self._live.update(Group(head, *self.parts(snapshot, rates)), refresh=True)

    def parts(self, snapshot: Snapshot, rates: Rates) -> list[RenderableType]:
        """Return what is drawn below the line that sums the run up."""
        return [_table(snapshot, rates)]


def progress_for(planned_ns: int | None, *, quiet: bool) -> Progress:
    """Choose how to show a run of `planned_ns` (None: open end) on this process' stderr."""
    if quiet:
        return Quiet()
    return Screen(planned_ns) if sys.stderr.isatty() else Lines(planned_ns)


def summary_line(snapshot: Snapshot, rates: Rates, elapsed_ns: int, planned_ns: int | None) -> str:
    """Return how a run stands in one line."""
    clock = f"{elapsed_ns / _SECOND:.1f} s"
    if planned_ns is not None:
        clock += f" of {planned_ns / _SECOND:g} s"
    of = snapshot.conservation
    text = f"{clock}  {rates.completed:,.0f} packets/s  received {rates.received:,.0f}/s"
    text += f"  in flight {max(0, of.accepted - of.completed):,}"
    violations = snapshot.total(Counter.VIOLATIONS)
    return f"{text}  violations {violations:,}" if violations else text


def _table(snapshot: Snapshot, rates: Rates) -> Table:
    columns = ("node", "state", "packets/s", "in flight", "violations")
    return plain_table(
        columns,
        (
            (
                name,
                node.state.name.capitalize(),
                f"{rates.nodes[name]:,.0f}",
                f"{sum(max(0, port.in_flight) for port in node.ports):,}",
                f"{node.counters['violations']:,}",
            )
            for name, node in snapshot.nodes.items()
        ),
        numbers=columns[2:],
    )


def _handled(node: NodeView) -> int:
    """Return how many packets a node has dealt with: replies got as a sender, given as a layer below."""
    return max(
        sum(port.counters["replies_in"] for port in node.ports),
        sum(port.counters["replies_out"] for port in node.ports),
    )
