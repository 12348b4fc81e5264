"""`ndisim run`: launch a topology, watch it, report."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from orchestrator.cli.forcing import Forced, Levels, print_sweep, read_forced, read_levels, with_verification
from orchestrator.cli.options import FILE, drivers_option, format_option, read_duration

if TYPE_CHECKING:
    from orchestrator.report_model import Report
    from orchestrator.topology import Topology

DEFAULT_NS = 10_000_000_000
REPORT_JSON = "report.json"
REPORT_TEXT = "report.txt"


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
@click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), help="Use another seed than the file's.")
@click.option(
    "--mode",
    type=click.Choice(["processes", "inline"]),
    default="processes",
    show_default=True,
    help="A process per node; or all in this one on a virtual clock, exactly repeatable.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write report and outputs here."
)
@click.option(
    "--verify",
    "levels",
    metavar="[NODE=]LEVEL",
    multiple=True,
    callback=read_levels,
    help="How much of the contract to check, 0 to 4, in all nodes or in one; may be given several times.",
)
@click.option(
    "--on-violation",
    type=click.Choice(["stop", "report", "bug-check"]),
    help="At the first broken rule end the run, go on, or kill the node that broke it. Default: the file's.",
)
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

    Ctrl-C stops the run in order and still prints the report; the exit code is that of the verdict.
    """
    wishes = Wishes(limit_ns=options.pop("for"), **options)
    if wishes.forced.sweep:
        ctx.exit(_sweep(wishes))
    report = _execute(wishes)
    _print(report, wishes.format)
    ctx.exit(report.exit_code)


def _execute(wishes: Wishes) -> Report:
    with ExitStack() as stack:
        server = None
        if wishes.mode == "processes":
            from orchestrator.processes import warm

            server = warm()  # first of all: it imports while this process reads the topology
            stack.callback(server.close)
        topology, output = _read(wishes)

        from orchestrator.live import progress_for
        from orchestrator.outcome import look, report_of
        from orchestrator.run import launch

        with launch(
            topology, mode=wishes.mode, output=output, violation_policy=wishes.on_violation, warm=server
        ) as started:
            planned = wishes.planned_ns
            with progress_for(planned, quiet=wishes.quiet) as progress:
                progress.update(look(started))
                started.wait(
                    None if planned is None else planned / 1e9, on_tick=lambda now: progress.update(look(now))
                )
            started.stop()
        for warning in started.warnings:
            click.echo(f"ndisim: {warning}", err=True)
        if started.error is not None:
            click.echo(f"ndisim: {str(started.error).partition(chr(10))[0]}", err=True)
        report = report_of(started)
        if output is not None:
            _write(report, wishes.file, output)
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
    from orchestrator.cli.inputs import check_captures, output_directory, override
    from orchestrator.drivers import Catalogue
    from orchestrator.topology import load_topology

    catalogue = Catalogue(wishes.drivers)
    topology = load_topology(wishes.file, catalogue)
    check_captures(topology, catalogue, str(wishes.file))
    topology = override(topology, seed=wishes.seed, packets=wishes.packets)
    topology = with_verification(topology, wishes.levels, wishes.forced)
    return topology, output_directory(topology, catalogue, wishes.out)


def _write(report: Report, file: Path, output: Path) -> None:
    from orchestrator.text import to_text

    shutil.copyfile(file, output / file.name)
    (output / REPORT_JSON).write_text(report.to_json() + "\n")
    (output / REPORT_TEXT).write_text(to_text(report))
    click.echo(f"ndisim: report and outputs are in {output}", err=True)


def _print(report: Report, format: str) -> None:
    if format == "json":
        click.echo(report.to_json())
        return
    from orchestrator.text import render, show

    show(render(report))
