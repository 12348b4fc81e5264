"""The options of `ndisim run` that say how much is checked where, and what is forced to happen."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import Command
from orchestrator.topology.quoting import did_you_mean
from orchestrator.topology.units import UnitError, parse_count, parse_duration, parse_fraction

if TYPE_CHECKING:
    from orchestrator.sweep import SweepRow
    from orchestrator.topology import Topology

LOW_RESOURCES = 0.06
"""Share of allocations that fail unless another is asked for: that of Driver Verifier."""
DELAY_NS = 1_000_000
SWEEP = "sweep"
_PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "pending": ("force", {"pending": True}),
    "completion-order": ("force", {"completion_order": "random"}),
    "early-completion": ("policy", {"early_completion": "yes"}),
    "random-irql": ("policy", {"delivery_irql": "random"}),
}
_NAMES = ("low-resources", *_PLAIN, "delay")


@dataclass(frozen=True)
class Levels:
    """What ``--verify`` asks for: a level for all, which then holds for every node, and levels of single nodes."""

    level: int | None = None
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Forced:
    """What ``--force`` asks for: changes of `Force` and of `Policy`, and whether it is to be a sweep."""

    force: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    sweep: bool = False


def read_levels(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Levels:
    """Read ``LEVEL`` and ``NODE=LEVEL``; anything else is a usage error."""
    level: int | None = None
    nodes: dict[str, int] = {}
    for value in values:
        node, separator, text = value.rpartition("=")
        if text not in {"0", "1", "2", "3", "4"} or (separator and not node):
            raise click.BadParameter(
                f"{value!r} is not a level from 0 to 4, or NODE=LEVEL", ctx, parameter
            ) from None
        if separator:
            nodes[node] = int(text)
        else:
            level = int(text)
    return Levels(level, nodes)


def read_forced(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Forced:
    """Read ``NAME`` and ``NAME=VALUE``; anything else is a usage error."""
    forced = Forced()
    for value in values:
        name, separator, text = value.partition("=")
        try:
            forced = _with(forced, name, text if separator else None)
        except UnitError as error:
            raise click.BadParameter(f"{name}: {error}", ctx, parameter) from None
    return forced


def with_verification(topology: Topology, levels: Levels, forced: Forced) -> Topology:
    """Return the topology with these levels and with this forced as well; a usage error for an unknown node."""
    for name in levels.nodes:
        if name not in topology.nodes:
            hint = did_you_mean(name, topology.nodes)
            raise click.UsageError(f"--verify: there is no node {name!r}{f' ({hint})' if hint else ''}")
    kept = topology.levels if levels.level is None else {}
    return topology.model_copy(
        update={
            "level": topology.level if levels.level is None else levels.level,
            "levels": {**kept, **levels.nodes},
            "force": replace(topology.force, **forced.force),
            "policy": replace(topology.policy, **forced.policy),
        }
    )


def print_sweep(rows: list[SweepRow], format: str) -> int:
    """Print what every allocation that failed came to; return the exit code, that of the worst run."""
    from orchestrator.sweep import to_json

    content = to_json(rows)
    if format == "json":
        click.echo(json.dumps(content, indent=2))
        return int(content["exit_code"])
    from orchestrator.tables import plain_table
    from orchestrator.text import show

    columns = ("node", "allocation", "where in the driver", "verdict", "what happened")
    cells = [
        (row.node, str(row.allocation), row.where or "-", row.verdict, ", ".join(row.rules) or row.error)
        for row in rows
    ]
    show(plain_table(columns, cells, numbers=("allocation",)))
    click.echo(f"\n{content['verdict']}: {len(rows)} runs, in each of which one allocation failed")
    return int(content["exit_code"])


def _with(forced: Forced, name: str, text: str | None) -> Forced:
    """Add one option; raises UnitError for a name or value that makes no sense."""
    if name == "low-resources":
        if text == SWEEP:
            return replace(forced, sweep=True)
        return replace(forced, force=forced.force | _low_resources(text))
    if name == "delay":
        delay = DELAY_NS if text is None else parse_duration(text)
        return replace(forced, force=forced.force | {"delay": delay})
    if name not in _PLAIN:
        raise UnitError(
            "there is no such thing to force", did_you_mean(name, _NAMES) or f"one of {', '.join(_NAMES)}"
        )
    if text is not None:
        raise UnitError("it takes no value", f"write {name}")
    part, change = _PLAIN[name]
    return replace(forced, **{part: getattr(forced, part) | change})


def _low_resources(text: str | None) -> dict[str, Any]:
    if text is None:
        return {"low_resources": LOW_RESOURCES}
    if text.startswith("nth:"):
        return {"fail_allocation": parse_count(text.removeprefix("nth:"))}
    return {"low_resources": parse_fraction(text)}


def execution_options(command: Command) -> Command:
    """Add what every command that carries runs out has: seed, mode, place of outputs, levels, policy of violations."""
    for option in reversed(_EXECUTION):
        command = option(command)
    return command


_EXECUTION = (
    click.option(
        "--seed", type=click.IntRange(min=0, max=2**63 - 1), help="Use another seed than the file's."
    ),
    click.option(
        "--mode",
        type=click.Choice(["processes", "inline"]),
        default="processes",
        show_default=True,
        help="A process per node; or all in this one on a virtual clock, exactly repeatable.",
    ),
    click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), help="Write report and outputs here."
    ),
    click.option(
        "--verify",
        "levels",
        metavar="[NODE=]LEVEL",
        multiple=True,
        callback=read_levels,
        help="How much of the contract to check, 0 to 4, in all nodes or in one; may be given several times.",
    ),
    click.option(
        "--on-violation",
        type=click.Choice(["stop", "report", "bug-check"]),
        help="At the first broken rule end the run, go on, or kill the node that broke it. Default: the file's.",
    ),
)
