"""The job `1c-perf-send`: how fast one card sends, for numbers of senders, NBs of an NBL, NBLs of a call, and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Group
from rich.text import Text

from orchestrator.report_model import EXIT_CODES, Report, Verdict
from orchestrator.stress.senders import Load, shared_window
from orchestrator.tables import duration, plain_table

NAME = "1c-perf-send"
SUMMARY = "packets/s and p99 of one card, for numbers of senders, NBs of an NBL, NBLs of a call, and sizes"
SHAPE = "mux:above=1,below=1"
CELL_NS = 1_000_000_000
SENDERS = (1, 4, 16)
BUFFERS = (1, 4)
BURSTS = (1, 8, 32, 128)
SIZES = ("70", "1500")


class Cell(BaseModel):
    """One run of the sweep: what was sent how, and what it came to; a packet is an NBL, and each NB a frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    senders: int
    nbs_per_nbl: int
    nbls_per_call: int
    size: str
    throughput_pps: float
    frames_pps: float
    p99_us: Annotated[float | None, Field(description="microseconds; null where nothing was measured")]
    jain: float | None
    verdict: Verdict
    error: str | None


class Sweep(BaseModel):
    """All cells in the order in which they ran, ``ndisim.sweep/1``; `complete` is false after a Ctrl-C."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: Annotated[Literal["ndisim.sweep/1"], Field(alias="schema")] = "ndisim.sweep/1"
    job: str = NAME
    target: str
    seconds_per_cell: float
    complete: bool
    verdict: Verdict
    cells: list[Cell]

    @property
    def exit_code(self) -> int:
        """Return what the command ends with: the code of the worst cell."""
        return EXIT_CODES[self.verdict]


def loads(asked: Load) -> Iterator[Load]:
    """Return the load of each cell; what was asked for on the command line takes the place of the job's own values."""
    senders = SENDERS if asked.senders is None else (asked.senders,)
    buffers = BUFFERS if asked.buffers is None else (asked.buffers,)
    bursts = BURSTS if asked.burst is None else (asked.burst,)
    sizes = SIZES if asked.size is None else (asked.size,)
    for number, each, burst, size in product(senders, buffers, bursts, sizes):
        window = asked.window or max(2 * burst, shared_window(number, each))
        yield replace(asked, senders=number, window=window, size=size, burst=burst, buffers=each)


def cell(load: Load, report: Report) -> Cell:
    """Return what a run with this load came to."""
    return Cell(
        senders=load.senders or 1,
        nbs_per_nbl=load.buffers or 1,
        nbls_per_call=load.burst or 1,
        size=load.size or "",
        throughput_pps=report.throughput_pps,
        frames_pps=round(report.throughput_pps * (load.buffers or 1), 3),
        p99_us=report.latency_us.p99,
        jain=report.fairness.jain,
        verdict=report.verdict,
        error=report.error,
    )


def worst(cells: Sequence[Cell]) -> Verdict:
    """Return the verdict of a sweep: the first of failed, violations, void, thresholds that any cell has, else pass."""
    order: tuple[Verdict, ...] = ("failed", "violations", "void", "thresholds")
    found = {one.verdict for one in cells}
    return next((verdict for verdict in order if verdict in found), "pass")


def render(sweep: Sweep) -> Group:
    """Return the table for a console."""
    columns = ("senders", "NBs/NBL", "NBLs/call", "size", "packets/s", "frames/s", "p99", "Jain", "verdict")
    rows = [
        (
            str(one.senders),
            str(one.nbs_per_nbl),
            str(one.nbls_per_call),
            one.size,
            f"{one.throughput_pps:,.0f}",
            f"{one.frames_pps:,.0f}",
            duration(one.p99_us),
            "-" if one.jain is None else f"{one.jain:.3f}",
            one.verdict,
        )
        for one in sweep.cells
    ]
    head = f"{sweep.verdict.upper()}   {NAME} on {sweep.target}, {sweep.seconds_per_cell:g} s for each of {len(rows)}"
    return Group(
        Text(head if sweep.complete else f"{head}, then interrupted", style="bold"),
        Text(),
        plain_table(columns, rows, numbers=columns[:8]),
    )
