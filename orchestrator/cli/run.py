"""`ndisim run`: launch a topology, watch it, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from orchestrator.cli.forcing import (
    Forced,
    Levels,
    execution_options,
    print_sweep,
    read_forced,
    with_verification,
)
from orchestrator.cli.options import FILE, drivers_option, format_option, read_duration

if TYPE_CHECKING:
    from orchestrator.report_model import Report
    from orchestrator.topology import Topology

DEFAULT_NS = 10_000_000_000


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; the fields are its options, times in ns."""

    file: Path
    limit_ns: int | None
    packets: int | None
    seed: int | None
    mode: Literal["processes", "inline"]
    out: Path | None
    levels: Levels
    forced: Forced
    on_violation: Literal["stop", "report", "bug-check"] | None
    quiet: bool
    drivers: tuple[Path, ...]
    format: Literal["text", "json"]

    @property
    def planned_ns(self) -> int | None:
        """Return how long the run may last: as asked, without end for counted packets, else the default."""
        if self.limit_ns is not None:
            return self.limit_ns
        return None if self.packets is not None else DEFAULT_NS


@click.command()
@click.argument("file", type=FILE)
@click.option(
    "--for",
    metavar="DURATION",
    callback=read_duration,
    help="Stop after this time (5s, 200ms; virtual in mode inline), or earlier when all sources are done. "
    "Default: 10s, or no limit with --packets.",
)
@click.option("--packets", type=click.IntRange(min=1), help="Set the option `packets` of every source.")
@execution_options
@click.option(
    "--force",
    "forced",
    metavar="NAME[=VALUE]",
    multiple=True,
    callback=read_forced,
    help="Make happen what is rare; may be given several times: low-resources[=6%|=nth:N|=sweep], pending, "
    "completion-order, early-completion, random-irql, delay[=1ms].",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@drivers_option
@format_option("text", "json")
@click.pass_context
def run(ctx: click.Context, /, **options: Any) -> None:
    """Run the topology in FILE until its sources are done or the time is up, then print the report.

    FILE may also be a shape, such as mux:above=64,below=2.
    Ctrl-C stops the run in order and still prints the report; the exit code is that of the verdict.
    """
    wishes = Wishes(limit_ns=options.pop("for"), **options)
    if wishes.forced.sweep:
        ctx.exit(_sweep(wishes))
    report = _execute(wishes)
    from orchestrator.cli.execution import print_report

    print_report(report, wishes.format)
    ctx.exit(report.exit_code)


def _execute(wishes: Wishes) -> Report:
    from orchestrator.cli.execution import Setting, carry_out, warmed, write_report

    with warmed(wishes.mode) as server:
        topology, output = _read(wishes)
        setting = Setting(wishes.mode, wishes.planned_ns, output, wishes.on_violation, wishes.quiet)
        report = carry_out(topology, setting, server)
    if output is not None:
        write_report(report, topology, output, wishes.file)
    return report


def _sweep(wishes: Wishes) -> int:
    """Run once for every allocation there is, print what each failure came to; return the exit code."""
    if wishes.mode != "inline":
        raise click.UsageError("--force low-resources=sweep: give --mode inline, it has to repeat exactly")
    topology, output = _read(wishes)

    from orchestrator.sweep import LIMIT, SECONDS, sweep

    if wishes.on_violation is not None:
        topology = topology.model_copy(update={"on_violation": wishes.on_violation})
    seconds = SECONDS if wishes.limit_ns is None else wishes.limit_ns / 1e9
    return print_sweep(sweep(topology, LIMIT, seconds=seconds, output=output), wishes.format)


def _read(wishes: Wishes) -> tuple[Topology, Path | None]:
    from orchestrator.cli.inputs import output_directory, override, read_topology
    from orchestrator.drivers import Catalogue

    catalogue = Catalogue(wishes.drivers)
    topology = read_topology(wishes.file, catalogue)
    topology = override(topology, seed=wishes.seed, packets=wishes.packets)
    topology = with_verification(topology, wishes.levels, wishes.forced)
    return topology, output_directory(topology, catalogue, wishes.out)
