"""The commands `fault add`, `fault ls` and `fault rm`: what goes wrong in a live run."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestrator.cli.options import format_option

_LIMIT_S = 15.0


@click.group()
def fault() -> None:
    """Let something go wrong in a live run, see what has gone wrong, end it."""


@fault.command()
@click.argument("run")
@click.argument("name")
@click.argument("on", metavar="WHERE")
@click.argument("keys", metavar="KEY=VALUE...", nargs=-1, required=True)
def add(run: str, name: str, on: str, keys: tuple[str, ...]) -> None:
    """Give the live RUN a fault called NAME at WHERE.

    WHERE is a wire ("nic0 -> nic1", both ways "nic0 <-> nic1"), a binding ("mux -> nic0") or a node. KEY=VALUE are as
    under `faults:` in a topology file: drop=1% delay=2ms jitter=1ms share=10% duplicate=1% reorder=1% gap=3 corrupt=1%
    hold=100% status=FAILURE slow=1000 stop=20ms low_resources=6% crash=true bounce=20ms, and at=5s for=2s, or
    during=PHASE. Without `at` it begins now, without `for` it ends with the run or by `fault rm`.
    """
    written = {"name": name, "on": on}
    for text in keys:
        key, separator, value = text.partition("=")
        if not separator:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE; write e.g. drop=1%")
        if key in written:
            raise click.BadParameter(f"{key} is given twice")
        written[key] = value
    _ask(run, "fault add", written)


@fault.command()
@click.argument("run")
@format_option("text", "json")
def ls(run: str, format: str) -> None:
    """List the faults of the live RUN: where each is, since when, how many packets it has hit."""
    records = _ask(run, "fault ls", {})
    if format == "json":
        click.echo(json.dumps([_as_json(record) for record in records], indent=2))
        return
    from orchestrator.tables import duration, plain_table
    from orchestrator.text import show

    columns = ("fault", "kind", "where", "from", "to", "hit")
    rows = [
        (
            record["name"],
            record["kind"],
            record["where"],
            *(duration(_us(record[key])) for key in ("began", "ended")),
            f"{record['hit']:,}",
        )
        for record in records
    ]
    show(plain_table(columns, rows, numbers=("from", "to", "hit")))


@fault.command()
@click.argument("run")
@click.argument("name")
def rm(run: str, name: str) -> None:
    """End the fault NAME of the live RUN; what it keeps goes on, and a node that it keeps down comes back."""
    _ask(run, "fault rm", {"name": name})


def _ask(run: str, command: str, arguments: dict[str, Any]) -> Any:
    from orchestrator.inspect import find_run
    from orchestrator.query import ask_run

    return ask_run(find_run(run).path, "", command, arguments, limit=_LIMIT_S)


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    times = {"from_us": _us(record["began"]), "to_us": _us(record["ended"])}
    return {key: record[key] for key in ("name", "kind", "where")} | times | {"hit": record["hit"]}


def _us(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1000, 3)
