"""`ndisim stress`: many senders over a stack, watched, judged."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.forcing import Forced, Levels, execution_options, read_forced, with_verification
from orchestrator.cli.options import FILE, drivers_option, format_option, read_conditions, read_duration

if TYPE_CHECKING:
    from orchestrator.cli.execution import Mode, OnViolation, Setting
    from orchestrator.drivers import Catalogue
    from orchestrator.processes import ForkServer
    from orchestrator.report_model import Report
    from orchestrator.stress.senders import Load
    from orchestrator.stress.sweep import Sweep
    from orchestrator.topology import Topology
    from orchestrator.topology.threshold import Threshold

DEFAULT_NS = 10_000_000_000
_JOBS = ("1c-perf-send", "2c-send-recv", "2c-stress", "connectivity")


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; the fields are its options, times in ns."""

    target: Path | None
    job: str | None
    load: Load
    limit_ns: int | None
    conditions: tuple[Threshold, ...]
    seed: int | None
    mode: Mode
    out: Path | None
    junit: Path | None
    levels: Levels
    forced: Forced
    on_violation: OnViolation | None
    quiet: bool
    drivers: tuple[Path, ...]
    format: str


@click.command()
@click.argument("target", metavar="FILE|SHAPE", type=FILE, required=False)
@click.option("--job", type=click.Choice(_JOBS), help="Play a named job, on its own shape if none is named.")
@click.option("--list", "listing", is_flag=True, help="List shapes and jobs, and run nothing.")
@click.option(
    "--senders",
    type=click.IntRange(1, 2048),
    help="So many sender processes in place of the topology's own sources, spread over what was below those.",
)
@click.option(
    "--for",
    metavar="DURATION",
    callback=read_duration,
    help="How long to send (5s, 200ms; virtual in mode inline). Default: as long as --phases, else 10s, in a sweep "
    "1s for each run.",
)
@click.option(
    "--rate", type=click.IntRange(min=1), help="Packets/s of all senders together, whatever comes back."
)
@click.option(
    "--phases", metavar="TEXT", help="Rates of all senders together, e.g. 2s@10000, peak=5s@80000, 3s@max."
)
@click.option(
    "--arrivals",
    type=click.Choice(["even", "poisson"]),
    help="Gaps between planned packets: even, or by chance.",
)
@click.option(
    "--window", type=click.IntRange(min=1), help="Packets that each sender may have in flight at most."
)
@click.option("--size", metavar="BYTES", help="Frame sizes: 1500, 64..1500 or imix.")
@click.option(
    "--burst", "--chain", type=click.IntRange(min=1), help="Packets that a sender hands down in a call."
)
@click.option(
    "--buffers", type=click.IntRange(1, 256), help="NBs of each packet (NBL), a frame in each. Default: 1."
)
@click.option("--packets", type=click.IntRange(min=1), help="Packets after which each sender is done.")
@click.option(
    "--pass",
    "conditions",
    metavar="CONDITION",
    multiple=True,
    callback=read_conditions,
    help="A condition as under `pass:` in a file, such as 'latency.p99 < 50ms'; may be given several times.",
)
@execution_options
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML to this file."
)
@click.option(
    "--force",
    "forced",
    metavar="NAME[=VALUE]",
    multiple=True,
    callback=read_forced,
    help="Make happen what is rare, as in `ndisim run`; may be given several times.",
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@drivers_option
@format_option("text", "json")
@click.pass_context
def stress(ctx: click.Context, /, listing: bool, **options: Any) -> None:
    """Load a stack with many senders, watch it, and say whether it held.

    Beside the topology's conditions no packet may be lost or come back twice, and no rule be broken. Ctrl-C gives the
    report so far; the exit code is that of the verdict.
    """
    if listing:
        _list(options["format"])
        return
    wishes = _wishes(options)
    if wishes.target is None and wishes.job is None:
        raise click.UsageError("name a topology file, a shape or a --job; `ndisim stress --list` shows them")
    if wishes.forced.sweep:
        raise click.UsageError("--force low-resources=sweep is for `ndisim run --mode inline`")
    if wishes.job == "1c-perf-send":
        ctx.exit(_perf_send(wishes))
    report = _execute(wishes)
    from orchestrator.cli.execution import print_report

    _write_junit({wishes.job or report.run.name: report}, wishes.junit)
    print_report(report, wishes.format)
    ctx.exit(report.exit_code)


def _wishes(options: dict[str, Any]) -> Wishes:
    from orchestrator.stress.senders import Load

    names = ("senders", "rate", "window", "size", "burst", "packets", "phases", "arrivals", "buffers")
    return Wishes(
        load=Load(**{name: options.pop(name) for name in names}), limit_ns=options.pop("for"), **options
    )


def _execute(wishes: Wishes) -> Report:
    from orchestrator.cli.execution import carry_out, warmed, write_report
    from orchestrator.stress.jobs import JOBS, judged
    from orchestrator.stress.judgement import starvation, timed, unevenness

    job = JOBS.get(wishes.job or "")
    with warmed(wishes.mode) as server:
        catalogue, topology = _read(wishes, job.shape if job else "")
        planned = wishes.limit_ns or wishes.load.duration_ns or (job.planned_ns if job else DEFAULT_NS)
        topology = _loaded(topology, wishes, planned, catalogue)
        setting = _setting(wishes, planned, topology, catalogue)
        if job is not None:
            setting = replace(setting, settle_ns=job.settle_ns)
        report = timed(carry_out(topology, setting, server))
    if job is not None:
        report = judged(report, job.check)
    if wishes.job != "2c-stress":
        even = wishes.load.senders is not None or job is not None
        for warning in (unevenness(report) if even else None, starvation(report)):
            if warning is not None:
                click.echo(f"ndisim: {warning}", err=True)
    if wishes.out is not None:
        write_report(report, topology, wishes.out.resolve())
    return report


def _read(wishes: Wishes, shape: str) -> tuple[Catalogue, Topology]:
    from orchestrator.cli.inputs import override, read_topology
    from orchestrator.drivers import Catalogue

    catalogue = Catalogue(wishes.drivers)
    topology = read_topology(wishes.target or Path(shape), catalogue)
    return catalogue, override(topology, seed=wishes.seed, packets=None)


def _loaded(topology: Topology, wishes: Wishes, planned_ns: int, catalogue: Catalogue) -> Topology:
    """Return the topology as it is run: with its load, what happens meanwhile, and what it is judged by."""
    from orchestrator.stress.jobs import JOBS, Wish
    from orchestrator.stress.judgement import with_conditions
    from orchestrator.stress.senders import forgotten, with_load
    from orchestrator.topology.phases import check_phases

    left_out = forgotten(topology, wishes.load)
    for condition in left_out:
        click.echo(f"ndisim: not judged, the senders that it counts are replaced: {condition}", err=True)
    job = JOBS.get(wishes.job or "")
    if job is not None:
        topology = job.prepare(topology, Wish(wishes.load, planned_ns, topology.seed), catalogue)
    else:
        topology = with_load(topology, wishes.load, catalogue)
    topology = with_verification(topology, wishes.levels, wishes.forced)
    topology = with_conditions(topology, wishes.conditions, left_out)
    check_phases(topology)
    return topology


def _setting(wishes: Wishes, planned_ns: int, topology: Topology, catalogue: Catalogue) -> Setting:
    from orchestrator.cli.execution import Setting
    from orchestrator.cli.inputs import output_directory

    output = output_directory(topology, catalogue, wishes.out)
    return Setting(wishes.mode, planned_ns, output, wishes.on_violation, wishes.quiet, dashboard=True)


def _perf_send(wishes: Wishes) -> int:
    """Play the sweep, a run for each cell; return its exit code."""
    from orchestrator.cli.execution import warmed
    from orchestrator.stress import sweep

    planned = wishes.limit_ns or wishes.load.duration_ns or sweep.CELL_NS
    target = str(wishes.target or sweep.SHAPE)
    cells, reports = [], {}
    wanted = list(sweep.loads(wishes.load))
    with warmed(wishes.mode) as server:
        for number, load in enumerate(wanted, start=1):
            name = (
                f"{load.senders} senders, {load.buffers} NBs/NBL, {load.burst} NBLs/call, {load.size} bytes"
            )
            report = _cell(replace(wishes, load=load), planned, sweep.SHAPE, server)
            cells.append(sweep.cell(load, report))
            reports[name] = report
            if not wishes.quiet:
                line = f"{number} of {len(wanted)}  {name}: {report.throughput_pps:,.0f} packets/s"
                click.echo(line, err=True)
            if report.ended == "interrupted":
                break
    found = sweep.Sweep(
        target=target,
        seconds_per_cell=planned / 1e9,
        complete=len(cells) == len(wanted),
        verdict=sweep.worst(cells),
        cells=cells,
    )
    _write_sweep(found, wishes)
    _write_junit(reports, wishes.junit)
    return found.exit_code


def _cell(wishes: Wishes, planned_ns: int, shape: str, server: ForkServer | None) -> Report:
    from orchestrator.cli.execution import Setting, carry_out
    from orchestrator.stress.judgement import timed

    catalogue, topology = _read(wishes, shape)
    topology = _loaded(topology, wishes, planned_ns, catalogue)
    setting = Setting(wishes.mode, planned_ns, None, wishes.on_violation, quiet=True)
    return timed(carry_out(topology, setting, server))


def _write_sweep(found: Sweep, wishes: Wishes) -> None:
    """Print a sweep, and write it to the output directory if there is one."""
    from orchestrator.stress.sweep import render
    from orchestrator.text import plain, show

    content = found.model_dump_json(indent=2)
    if wishes.out is not None:
        wishes.out.mkdir(parents=True, exist_ok=True)
        (wishes.out / "sweep.json").write_text(f"{content}\n")
        (wishes.out / "sweep.txt").write_text(plain(render(found)))
    if wishes.format == "json":
        click.echo(content)
    else:
        show(render(found))


def _write_junit(reports: dict[str, Report], path: Path | None) -> None:
    if path is not None:
        from orchestrator.stress.junit import write_junit

        write_junit(reports, path)


def _list(format: str) -> None:
    """Print the shapes with their parameters, and the jobs."""
    from orchestrator.stress import sweep
    from orchestrator.stress.jobs import JOBS
    from orchestrator.stress.shapes import SHAPES

    jobs = {sweep.NAME: (sweep.SUMMARY, sweep.SHAPE)} | {
        name: (job.summary, job.shape) for name, job in JOBS.items()
    }
    if format == "json":
        shapes = {
            name: {
                "summary": shape.summary,
                "parameters": {key: vars(parameter) for key, parameter in shape.parameters.items()},
            }
            for name, shape in SHAPES.items()
        }
        listed = {name: {"summary": summary, "shape": shape} for name, (summary, shape) in jobs.items()}
        click.echo(json.dumps({"shapes": shapes, "jobs": listed}, indent=2))
        return
    click.echo("Shapes, to be named as SHAPE:PARAMETER=NUMBER,...\n")
    for name, shape in SHAPES.items():
        click.echo(f"  {name:<13} {shape.summary}")
        for key, of in shape.parameters.items():
            click.echo(f"    {key:<11} {of.help} ({of.low} to {of.high}, default {of.default})")
    click.echo("\nJobs, for --job\n")
    for name, (summary, default) in jobs.items():
        click.echo(f"  {name:<13} {summary} (default shape {default})")
