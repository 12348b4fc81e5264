"""`ndisim bench data-plane`: packets per second beside other ways to carry them."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from nodes.verifier.level import Level
from orchestrator.bench.contenders import chosen, contenders
from orchestrator.bench.data_plane import Plan, run_plan
from orchestrator.bench.output import format_option, listed, repeat_option, show
from orchestrator.bench.result import Row
from orchestrator.bench.topologies import LEVEL
from orchestrator.bench.work import Job


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Parse a comma-separated list of chain lengths."""
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,32,128") from None
    if not all(1 <= number <= 4096 for number in numbers):
        raise click.BadParameter("a chain has 1 to 4096 packets")
    return numbers


def _levels(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Parse a comma-separated list of levels."""
    if not all(part in {str(level.value) for level in Level} for part in value.split(",")):
        raise click.BadParameter(f"{value!r} is not a list of levels 0 to 4 such as 0,2")
    return [int(part) for part in dict.fromkeys(value.split(","))]


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str]:
    """Check a comma-separated list of contenders; all of them when there is none."""
    known = contenders()
    return listed(value, known) if value else list(known)


@click.command("data-plane")
@click.option("--peers", callback=_names, help="Comma-separated; all by default.")
@click.option(
    "--jobs", "job", type=click.Choice(["all", *(job.value for job in Job)]), default="all", show_default=True
)
@click.option("--chains", callback=_numbers, default="1,32,128,512", show_default=True)
@click.option("--packets", type=click.IntRange(min=1), default=20_000_000, show_default=True, help="At most.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.01), default=1.0, show_default=True, help="At most, per run."
)
@click.option(
    "--verify",
    "levels",
    callback=_levels,
    default=str(LEVEL),
    show_default=True,
    help="How much of the contract ndisim checks, 0 to 4; for several, as 0,2, a row each.",
)
@repeat_option(5)
@format_option
def data_plane(
    peers: list[str],
    job: str,
    chains: list[int],
    packets: int,
    seconds: float,
    levels: list[int],
    repeat: int,
    form: str,
) -> None:
    """Packets per second through sender, relay and bottom and back, beside other ways to do it."""
    plan = Plan(list(Job) if job == "all" else [Job(job)], chains, packets, seconds, repeat)
    rows = run_plan(plan, chosen(peers, levels))
    if form == "json":
        show([row.as_json() for row in rows], form, "")
    else:
        Console().print(_table(rows))
    if any(row.fault for row in rows):
        raise SystemExit(1)


def _table(rows: Sequence[Row]) -> Table:
    """Lay the rows out: one line each, with the spread of the repetitions."""
    table = Table(title="packets per second (median of repetitions)")
    for heading in ("job", "chain", "peer", "median", "min", "max", "note"):
        table.add_column(heading, justify="left" if heading in ("job", "peer", "note") else "right")
    for row in rows:
        rates = [f"{rate:,.0f}" for rate in (row.pps, row.pps_min, row.pps_max)]
        table.add_row(row.job, str(row.chain), row.peer, *rates, row.fault or "")
    return table
