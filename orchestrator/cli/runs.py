"""Commands about runs that exist: ps, inspect, clean."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import format_option

if TYPE_CHECKING:
    from orchestrator.inspect import Inspection
    from orchestrator.rundir import RunRecord


@click.command()
@format_option("text", "json")
def ps(format: str) -> None:
    """List the runs of this user, dead ones that left something behind too."""
    from orchestrator.rundir import find_runs

    rows = [_row(run) for run in find_runs()]
    if format == "json":
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("no runs")
    else:
        from orchestrator.tables import plain_table
        from orchestrator.text import show

        columns = ("id", "name", "mode", "state", "pid", "nodes", "age")
        show(plain_table(columns, ([str(row[column]) for column in columns] for row in rows)))


@click.command()
@click.argument("run")
@format_option("text", "json")
def inspect(run: str, format: str) -> None:
    """Show what is in flight on every edge of RUN, since when, and who holds it.

    RUN is the run's name or the beginning of its id.
    """
    from orchestrator.inspect import find_run, inspect_run

    found = inspect_run(find_run(run))
    if format == "json":
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _print_inspection(found)


@click.command()
@format_option("text", "json")
def clean(format: str) -> None:
    """Remove run directories and segments of dead runs; living runs and other users' are left alone."""
    from orchestrator.clean import clean as clean_up

    cleaned = clean_up()
    if format == "json":
        click.echo(json.dumps(asdict(cleaned), indent=2))
    else:
        click.echo(f"removed {len(cleaned.runs)} dead runs and {len(cleaned.segments)} segments")


def _row(run: RunRecord) -> dict[str, Any]:
    of = run.details
    started = of.get("started")
    return {
        "id": run.token,
        "name": of.get("name", "-"),
        "mode": of.get("mode", "-"),
        "state": "running" if run.alive else "dead",
        "pid": of.get("pid", "-"),
        "nodes": len(of.get("nodes", ())),
        "age": f"{time.time() - started:.0f}s" if isinstance(started, int | float) else "-",
    }


def _print_inspection(found: Inspection) -> None:
    from orchestrator.tables import duration, plain_table
    from orchestrator.text import show

    of = found.snapshot.conservation
    name = found.run.details.get("name", "")
    click.echo(f"{name}, run {found.run.token}{'' if found.run.alive else ' (dead)'}")
    click.echo(
        f"accepted {of.accepted:,} = completed {of.completed:,} "
        f"+ in flight {of.in_flight:,} + lost {of.lost:,}\n"
    )
    rows = []
    for edge in found.edges:
        label = (f"{edge.upper} -> {edge.lower}", edge.kind, f"{edge.down:,}", f"{edge.up:,}")
        holders = [(of.node, of.state, f"{of.packets:,}", duration(of.oldest_us)) for of in edge.held]
        for index, holder in enumerate(holders or [("",) * 4]):
            rows.append((*(label if not index else ("",) * 4), *holder))
    columns = ("edge", "kind", "down", "up", "held by", "as", "packets", "oldest")
    show(plain_table(columns, rows, numbers=("down", "up", "packets", "oldest")))
