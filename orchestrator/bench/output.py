"""How every benchmark writes its rows: JSON for programs, a table for people, progress on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
Command = Callable[..., Any]


def format_option(command: Command) -> Command:
    """Add ``--format``, which arrives as `form`."""
    return click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
    )(command)


def repeat_option(default: int) -> Callable[[Command], Command]:
    """Add ``--repeat``."""
    return click.option("--repeat", type=click.IntRange(min=1), default=default, show_default=True)


def listed(value: str, known: Collection[str]) -> list[str]:
    """Return the names of a comma-separated list, each once; one that is not known is a usage error."""
    names = list(dict.fromkeys(value.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return names


def say(line: str) -> None:
    """Tell how far a benchmark is."""
    click.echo(line, err=True)


def show(rows: Sequence[Row], form: str, title: str) -> None:
    """Write rows, all with the same keys: as they are, or in a table with figures rounded for reading."""
    if form == "json":
        click.echo(json.dumps(rows, indent=1))
        return
    table = Table(title=title)
    first = rows[0] if rows else {}
    for key, value in first.items():
        table.add_column(key.replace("_", " "), justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*map(_cell, row.values()))
    Console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
