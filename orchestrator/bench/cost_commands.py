"""`ndisim bench launch`, `memory`, `idle` and `round-trip`: what a run costs apart from bulk traffic."""

from __future__ import annotations

from statistics import median

import click

from orchestrator.bench.costs import idle_row, launch_seconds, memory_row
from orchestrator.bench.output import format_option, repeat_option, say, show
from orchestrator.bench.round_trip import ROUND_TRIP_PEERS, Ping, summary
from orchestrator.bench.topologies import silent

MOST_NODES = 500
LONGEST_GAP_NS = 1_000_000_000


def _counts(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Parse a comma-separated list of node counts."""
    if not all(part.isdigit() and 2 <= int(part) <= MOST_NODES for part in value.split(",")):
        raise click.BadParameter(f"{value!r} is not a list of numbers of nodes from 2 to {MOST_NODES}")
    return [int(part) for part in value.split(",")]


@click.command("launch")
@click.option("--nodes", callback=_counts, default="5,20,50", show_default=True)
@repeat_option(5)
@format_option
def launch_command(nodes: list[int], repeat: int, form: str) -> None:
    """Seconds from launch until all nodes run, the start of the fork server included and not."""
    rows = []
    for count in nodes:
        topology = silent(count)
        times: dict[str, list[float]] = {"included": [], "excluded": []}
        for _ in range(repeat):
            for fork_server, taken in times.items():
                taken.append(launch_seconds(topology, warm=fork_server == "excluded"))
                say(f"{count} nodes, fork server {fork_server}: {taken[-1]:.3f} s")
        rows += [
            {
                "nodes": count,
                "fork_server": fork_server,
                "seconds": median(taken),
                "seconds_min": min(taken),
                "seconds_max": max(taken),
                "repeats": repeat,
            }
            for fork_server, taken in times.items()
        ]
    show(rows, form, "seconds from launch to all nodes running")


@click.command("memory")
@click.option("--nodes", callback=_counts, default="5,20,50", show_default=True)
@format_option
def memory_command(nodes: list[int], form: str) -> None:
    """Memory that a node adds: proportional set size of all node processes, and per node."""
    rows = []
    for count in nodes:
        rows.append(memory_row(count))
        say(f"{count} nodes: {rows[-1]['node_mib']:.2f} MiB each")
    show(rows, form, "memory (PSS) of a silent topology")


@click.command("idle")
@click.option("--nodes", type=click.IntRange(min=2, max=MOST_NODES), default=20, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True)
@repeat_option(3)
@format_option
def idle_command(nodes: int, seconds: float, repeat: int, form: str) -> None:
    """Processor time of a running but silent topology, in percent of one core."""
    say(f"{nodes} nodes at rest, {repeat} times {seconds:g} s")
    show([idle_row(nodes, seconds, repeat)], form, "percent of one core, at rest")


def _gaps(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Parse a comma-separated list of rests in ms into ns."""
    try:
        gaps = [round(float(part) * 1e6) for part in value.split(",")]
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{value!r} is not a list of milliseconds such as 0,1") from None
    if not all(0 <= gap <= LONGEST_GAP_NS for gap in gaps):
        raise click.BadParameter("a rest lasts from 0 to 1000 ms")
    return gaps


@click.command("round-trip")
@click.option("--hops", type=click.IntRange(min=1, max=50), default=3, show_default=True)
@click.option("--packets", type=click.IntRange(min=1), default=500, show_default=True, help="A round.")
@click.option(
    "--gaps",
    callback=_gaps,
    default="0,1",
    show_default=True,
    help="Rests before each packet, ms: 0 sends it when the one before is back, 1 lets all caches cool.",
)
@repeat_option(7)
@format_option
def round_trip_command(hops: int, packets: int, gaps: list[int], repeat: int, form: str) -> None:
    """Microseconds of one packet down a stack at rest and back, beside a bare ZeroMQ ping over as many hops."""
    rows = []
    for ping in (Ping(hops, packets, gap) for gap in gaps):
        rounds: dict[str, list[list[int]]] = {peer: [] for peer in ROUND_TRIP_PEERS}
        for _ in range(repeat):
            for peer, measure in ROUND_TRIP_PEERS.items():
                rounds[peer].append(measure(ping))
                say(f"gap {ping.gap / 1e6:g} ms, {peer}: median {median(rounds[peer][-1]) / 1000:.1f} us")
        rows += summary(ping, rounds)
    show(rows, form, f"round trip over {hops} hops, us")
