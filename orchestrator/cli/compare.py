"""`ndisim compare`: two runs side by side, with a significance test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import format_option
from orchestrator.topology.units import UnitError, parse_fraction

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.comparison import Comparison, Figure, Measure

RUN = click.Path(exists=True, path_type=Path)
THRESHOLD_MISSED = 99
_VERDICTS = {
    "faster": "B is faster than A",
    "slower": "B is slower than A",
    "mixed": "B is faster than A by one measure and slower by another",
    "same": "no significant difference",
    "unknown": "too few seconds to tell: let both runs last four seconds at least",
}
_FINDINGS = {"same": "may be chance", "unknown": "too few seconds"}
_NAMES = {
    "throughput_pps": "throughput",
    "p50_us": "latency p50",
    "p99_us": "latency p99",
    "planned_p50_us": "planned p50",
    "planned_p99_us": "planned p99",
}


def _read_limit(ctx: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read ``slower`` or ``slower=SHARE`` as a share; anything else is a usage error."""
    if value is None:
        return None
    name, separator, share = value.partition("=")
    if name != "slower":
        raise click.BadParameter(f"{value!r} is not slower or slower=SHARE (slower=5%)", ctx, parameter)
    try:
        return parse_fraction(share) if separator else 0.0
    except UnitError as error:
        raise click.BadParameter(str(error), ctx, parameter) from None


@click.command()
@click.argument("a", type=RUN)
@click.argument("b", type=RUN)
@click.option(
    "--fail-if",
    "limit",
    metavar="slower[=SHARE]",
    callback=_read_limit,
    help="Exit with 99 if B is slower than A by any measure, significantly and by this share (5%) at least, "
    "or if there are too few seconds to tell.",
)
@format_option("text", "json")
@click.pass_context
def compare(ctx: click.Context, a: Path, b: Path, limit: float | None, format: str) -> None:
    """Compare run B with run A; each is a report.json or the output directory of a run.

    Throughput and latency are compared second by second, and a difference counts when chance would hardly give it.
    """
    from orchestrator.comparison import compare_reports
    from orchestrator.report_file import read_report

    found = compare_reports(read_report(a), read_report(b))
    if format == "json":
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        from orchestrator.text import show

        show(_render(found))
    if limit is not None and (found.verdict == "unknown" or found.slower_by(limit)):
        ctx.exit(THRESHOLD_MISSED)


def _render(found: Comparison) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from orchestrator.tables import plain_table

    seconds = ("second by second", "A", "B", "change", "95 % between", "chance", "B is")
    whole = ("whole run", "A", "B", "change")
    parts: list[RenderableType] = [
        Text(_VERDICTS[found.verdict], style="bold"),
        *(Text(f"note: {note}", style="yellow") for note in found.notes),
        Text(),
        plain_table(seconds, (_measure(of) for of in found.measures), numbers=seconds[1:-1]),
        Text(),
        plain_table(whole, (_figure(of) for of in found.figures), numbers=whole[1:]),
    ]
    return Group(*parts)


def _measure(of: Measure) -> tuple[str, ...]:
    between = "-" if of.low is None else f"{_share(of.low)} and {_share(of.high)}"
    chance = "-" if of.p is None else "< 0.001" if of.p < 0.001 else f"{of.p:.3f}"
    finding = _FINDINGS.get(of.finding, of.finding)
    return (
        _NAMES[of.name],
        _value(of.name, of.a),
        _value(of.name, of.b),
        _share(of.change),
        between,
        chance,
        finding,
    )


def _figure(of: Figure) -> tuple[str, ...]:
    name = "throughput" if of.name == "throughput_pps" else of.name
    return name, _value(of.name, of.a), _value(of.name, of.b), _share(of.change)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:+.1%}".replace("%", " %")


def _value(name: str, value: float | str | None) -> str:
    from orchestrator.tables import duration

    if isinstance(value, str):
        return value
    if name.startswith(("latency", "planned", "one way", "p50", "p99")):
        return duration(value)
    suffix = "/s" if name == "throughput_pps" else ""
    return "-" if value is None else f"{value:,.0f}{suffix}"
