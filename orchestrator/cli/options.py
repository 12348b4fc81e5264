"""Options and types that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from orchestrator.topology.threshold import Threshold, parse_threshold
from orchestrator.topology.units import UnitError, parse_duration

Command = Callable[..., Any]

FILE = click.Path(path_type=Path)


def read_duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Read an option such as ``5s`` or ``200ms`` as int nanoseconds; a wrong one is a usage error."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except UnitError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


def read_conditions(
    ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Threshold, ...]:
    """Read conditions such as ``latency.p99 < 50ms``; a wrong one is a usage error."""
    try:
        return tuple(parse_threshold(value) for value in values)
    except UnitError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Add ``--format`` with the first of `formats` as its default."""
    return click.option(
        "--format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to write the result to stdout.",
    )


def drivers_option(command: Command) -> Command:
    """Add ``--drivers``, the only way by which code of one's own enters."""
    return click.option(
        "--drivers",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help="A file or directory with drivers of your own; may be given several times.",
    )(command)
