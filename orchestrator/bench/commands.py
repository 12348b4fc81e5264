"""`ndisim bench`: the benchmarks as commands. Data goes to stdout, progress and missing peers to stderr."""

from __future__ import annotations

import click

from orchestrator.bench.cost_commands import idle_command, launch_command, memory_command, round_trip_command
from orchestrator.bench.data_plane_command import data_plane
from orchestrator.bench.stress_command import stress


@click.group()
def bench() -> None:
    """Measure ndisim beside its peers on this machine."""


for command in (data_plane, stress, launch_command, memory_command, idle_command, round_trip_command):
    bench.add_command(command)
