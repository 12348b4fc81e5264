"""One run as a command carries it out: launched, watched, reported, and written to its output directory."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from orchestrator.cli.app import ARGUMENTS

if TYPE_CHECKING:
    from orchestrator.live import Progress
    from orchestrator.processes import ForkServer
    from orchestrator.report_model import Report
    from orchestrator.run import Run
    from orchestrator.topology import Topology

Mode = Literal["processes", "inline"]
OnViolation = Literal["stop", "report", "bug-check"]


@dataclass(frozen=True)
class Setting:
    """How a run is carried out: for `planned_ns` at most (None: no limit), with outputs in `output` (None: none).

    `settle_ns` is how long it goes on once the sources are done, for what is on its way to receivers. `dashboard`
    shows edges and who is slow, instead of all nodes, where there is a terminal.
    """

    mode: Mode = "processes"
    planned_ns: int | None = None
    output: Path | None = None
    on_violation: OnViolation | None = None
    quiet: bool = False
    settle_ns: int = 0
    dashboard: bool = False


@contextmanager
def warmed(mode: Mode) -> Iterator[ForkServer | None]:
    """Let a fork server import while the block reads its input; None in mode inline, which needs none."""
    if mode == "inline":
        yield None
        return
    from orchestrator.processes import warm

    server = warm()
    try:
        yield server
    finally:
        server.close()


def carry_out(topology: Topology, setting: Setting, server: ForkServer | None = None) -> Report:
    """Run a topology with progress on stderr and return its report; `server` forks its nodes."""
    from orchestrator.events import Reason
    from orchestrator.outcome import look, report_of
    from orchestrator.run import launch

    planned = setting.planned_ns
    with launch(
        topology,
        mode=setting.mode,
        output=setting.output,
        violation_policy=setting.on_violation,
        warm=server,
    ) as started:
        with _progress(started, setting) as progress:
            progress.update(look(started))
            reason = started.wait(
                None if planned is None else planned / 1e9, on_tick=lambda now: progress.update(look(now))
            )
            if setting.settle_ns and reason is Reason.DONE:
                ended = started.wait(setting.settle_ns / 1e9, until_done=False)
                started.reason = reason if ended is Reason.TIME else ended
        started.stop()
    if setting.output is not None:
        from orchestrator.hdr import write_histograms

        write_histograms(look(started), (started.ended - started.started) / 1e9, setting.output)
    for warning in started.warnings:
        click.echo(f"ndisim: {warning}", err=True)
    if started.error is not None:
        click.echo(f"ndisim: {str(started.error).partition(chr(10))[0]}", err=True)
    return _with_command(report_of(started))


def _with_command(report: Report) -> Report:
    """Return the report with the command line that it comes from, if any, and the options that the environment gave."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or report.setup is None:
        return report
    prefix = f"{ctx.auto_envvar_prefix}_"
    found = sorted((key, value) for key, value in os.environ.items() if key.startswith(prefix))
    given = [f"{key}={shlex.quote(value)}" for key, value in found]
    command = " ".join([*given, shlex.join(["ndisim", *ctx.meta[ARGUMENTS]])])
    return report.model_copy(update={"setup": report.setup.model_copy(update={"command": command})})


def _progress(run: Run, setting: Setting) -> Progress:
    if setting.dashboard:
        from orchestrator.stress.dashboard import dashboard_for

        return dashboard_for(run, setting.planned_ns, quiet=setting.quiet)
    from orchestrator.live import progress_for

    return progress_for(setting.planned_ns, quiet=setting.quiet)


def write_report(report: Report, topology: Topology, output: Path, file: Path | None = None) -> None:
    """Write report and topology to `output`: a copy of `file`, or the topology where it comes from no file."""
    from orchestrator.page import to_html
    from orchestrator.report_file import REPORT_JSON, REPORT_PAGE, REPORT_TEXT
    from orchestrator.text import to_text
    from orchestrator.topology import dump_topology

    if file is not None and file.is_file():
        shutil.copyfile(file, output / file.name)
    else:
        (output / f"{topology.name}.ndisim.yml").write_text(dump_topology(topology))
    (output / REPORT_JSON).write_text(report.to_json() + "\n")
    (output / REPORT_TEXT).write_text(to_text(report))
    (output / REPORT_PAGE).write_text(to_html(report), "utf-8")
    click.echo(f"ndisim: report and outputs are in {output}", err=True)


def print_report(report: Report, format: str) -> None:
    """Write a report to stdout."""
    if format == "json":
        click.echo(report.to_json())
        return
    from orchestrator.text import render, show

    show(render(report))
