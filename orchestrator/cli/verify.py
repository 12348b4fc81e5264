"""`ndisim verify`: certify drivers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from orchestrator.cli.options import format_option

if TYPE_CHECKING:
    from orchestrator.verify import Certificate, Job, Subject
    from orchestrator.verify.certificate import DriverPart, JobPart


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; the fields are its options."""

    options: tuple[str, ...]
    job: tuple[str, ...]
    seed: int
    level: int
    junit: Path | None
    quiet: bool
    format: Literal["text", "json"]


@click.command()
@click.argument("driver")
@click.option(
    "--options", multiple=True, metavar="KEY=VALUE", help="An option of the driver, as in a topology."
)
@click.option("--job", multiple=True, metavar="NAME", help="Play only this job; may be given several times.")
@click.option("--list", "list_jobs", is_flag=True, help="List the jobs for this driver and play none.")
@click.option("--seed", type=click.IntRange(min=0, max=2**63 - 1), default=1, show_default=True)
@click.option("--level", type=click.IntRange(1, 4), default=4, show_default=True, help="How much is checked.")
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML to this file."
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
@format_option("text", "json")
@click.pass_context
def verify(ctx: click.Context, /, driver: str, list_jobs: bool, **options: Any) -> None:
    """Put DRIVER alone between checked neighbours and play jobs that a wrong driver fails.

    DRIVER is a name that `ndisim drivers` lists, FILE.py for all drivers in a file, or FILE.py:Class. Exit codes: 0
    certified, 98 the contract was violated or packets do not add up, 1 a job failed otherwise.
    """
    wishes = Wishes(**options)
    from orchestrator.verify import find_subjects, jobs_for

    chosen = [
        (subject, _choose(wishes.job, jobs_for(subject))) for subject in find_subjects(driver, wishes.options)
    ]
    unknown = set(wishes.job) - {job.name for _, jobs in chosen for job in jobs}
    if unknown:
        raise click.UsageError(f"no job {', '.join(sorted(unknown))} for {driver}; `--list` shows them")
    if list_jobs:
        _list(chosen, wishes.format)
        return
    certificate = _certify(chosen, wishes)
    if wishes.junit is not None:
        from orchestrator.verify.junit import write_junit

        write_junit(certificate, wishes.junit)
    _print(certificate, wishes.format)
    ctx.exit(certificate.exit_code)


def _choose(names: tuple[str, ...], jobs: list[Job]) -> list[Job]:
    return [job for job in jobs if not names or job.name in names]


def _certify(chosen: list[tuple[Subject, list[Job]]], wishes: Wishes) -> Certificate:
    from orchestrator.verify.certificate import Certificate, worst

    drivers = [_play_all(subject, jobs, wishes) for subject, jobs in chosen if jobs]
    return Certificate(
        level=wishes.level,
        seed=wishes.seed,
        verdict=worst([driver.verdict for driver in drivers]),
        drivers=drivers,
    )


def _play_all(subject: Subject, jobs: list[Job], wishes: Wishes) -> DriverPart:
    from orchestrator.processes import warm
    from orchestrator.verify import play
    from orchestrator.verify.certificate import DriverPart, worst

    parts: list[JobPart] = []
    with ExitStack() as stack:
        server = None
        if any(job.mode == "processes" for job in jobs):
            server = warm()  # it imports while the first jobs are played
            stack.callback(server.close)
        for job in jobs:
            of_processes = server if job.mode == "processes" else None
            part = play(job, subject, level=wishes.level, seed=wishes.seed, warm=of_processes)
            parts.append(part)
            if not wishes.quiet:
                told = f"{part.result}, {part.packets:,} packets, {part.duration_s:.1f} s"
                click.echo(f"ndisim: {subject.name}: {job.name}: {told}", err=True)
    return DriverPart(
        driver=subject.name,
        kind=subject.kind,
        generation=subject.generation,
        medium=subject.medium,
        options=dict(subject.options),
        verdict=worst([part.result for part in parts]),
        jobs=parts,
    )


def _list(chosen: list[tuple[Subject, list[Job]]], format: str) -> None:
    rows = [
        {"driver": subject.name, "job": job.name, "mode": job.mode, "what": job.what}
        for subject, jobs in chosen
        for job in jobs
    ]
    if format == "json":
        import json

        click.echo(json.dumps(rows, indent=2))
        return
    from orchestrator.tables import plain_table
    from orchestrator.text import show

    columns = ("driver", "job", "mode", "what")
    show(plain_table(columns, ([row[column] for column in columns] for row in rows)))


def _print(certificate: Certificate, format: str) -> None:
    if format == "json":
        click.echo(certificate.to_json())
        return
    from orchestrator.text import show
    from orchestrator.verify.text import render

    show(render(certificate))
