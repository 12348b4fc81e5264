"""`ndisim bench stress`: many senders, two other simulators, and long runs, each beside what it is aimed at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from orchestrator.bench.aims import length_aims, peer_aims, sender_aims
from orchestrator.bench.contenders import chosen
from orchestrator.bench.data_plane import Plan, run_plan
from orchestrator.bench.output import format_option, listed, repeat_option, say, show
from orchestrator.bench.stress import CHAIN, length_row, send_together, sender_row
from orchestrator.bench.work import Job
from orchestrator.cli.options import read_duration

JOBS = ("senders", "stack", "pair", "length")
DEFAULT_JOBS = "senders,stack,pair"
PEERS = {
    "stack": ("ndisim", "ndisim-coalesce", "simpy", "simpy-chain", "simpy-packet"),
    "pair": ("ndisim", "ndisim-coalesce", "helics"),
}
MOST_PACKETS = 1 << 40
NS_PER_S = 1_000_000_000

Rows = list[dict[str, Any]]


def _jobs(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    """Parse a comma-separated list of jobs."""
    return listed(value, JOBS)


@click.command("stress")
@click.option(
    "--jobs",
    callback=_jobs,
    default=DEFAULT_JOBS,
    show_default=True,
    help="senders: many over one mux. stack: five layers beside SimPy. pair: two beside HELICS. length: long runs.",
)
@click.option("--senders", type=click.IntRange(2, 2048), default=64, show_default=True, help="Over one mux.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Length of each run with many senders.",
)
@click.option(
    "--long",
    "long_ns",
    callback=read_duration,
    metavar="DURATION",
    default="600s",
    show_default=True,
    help="Length of the long run of job length.",
)
@repeat_option(3)
@format_option
def stress(jobs: list[str], senders: int, seconds: float, long_ns: int, repeat: int, form: str) -> None:
    """Many senders over one mux, two other simulators, and long runs, beside what is aimed at.

    Ctrl-C gives the jobs that were done.
    """
    play: dict[str, Callable[[], Rows]] = {
        "senders": lambda: _many(senders, seconds, repeat),
        "stack": lambda: _beside(Job.STACK, repeat),
        "pair": lambda: _beside(Job.PAIR, repeat),
        "length": lambda: [length_row(long_ns / NS_PER_S, say)],
    }
    found: dict[str, Rows] = {}
    try:
        for job in jobs:
            found[job] = play[job]()
    finally:
        if found:
            _write(found, form)
    if any(row["fault"] for rows in found.values() for row in rows):
        raise SystemExit(1)


def _many(senders: int, seconds: float, repeat: int) -> Rows:
    """Let one and many senders take turns."""
    numbers = (1, senders)
    turns: dict[int, list[Any]] = {number: [] for number in numbers}
    for _ in range(repeat):
        for number in numbers:
            sending = send_together(number, seconds)
            turns[number].append(sending)
            say(f"{number} senders: {sending.fault or f'{sending.pps:,.0f} packets/s'}")
    return [sender_row(turns[number], turns[1]) for number in numbers]


def _beside(job: Job, repeat: int) -> Rows:
    """Measure ndisim and the peers of a job in turns; who is missing is said."""
    plan = Plan([job], [1, CHAIN], MOST_PACKETS, 1.0, repeat)
    return [row.as_json() for row in run_plan(plan, chosen(PEERS[job]))]


def _aims(found: dict[str, Rows]) -> Rows:
    compared = [*found.get("stack", []), *found.get("pair", [])]
    aims = [
        *sender_aims(found.get("senders", [])),
        *peer_aims(compared),
        *length_aims(found.get("length", [])),
    ]
    return [aim.as_json() for aim in aims]


def _write(found: dict[str, Rows], form: str) -> None:
    aims = _aims(found)
    if form == "json":
        click.echo(json.dumps({**found, "aims": aims}, indent=1))
        return
    for name, rows in found.items():
        show([_without_nulls(row, rows) for row in rows], form, name)
    show(aims, form, "aims")


def _without_nulls(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Leave out what is null in all rows: nobody wants to read that nothing went wrong."""
    return {key: value for key, value in row.items() if any(other.get(key) is not None for other in rows)}
