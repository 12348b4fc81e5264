"""What a run costs before any packet moves: time to start, memory, processor time at rest."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from orchestrator.bench.runs import RunUseless, pass_time, running
from orchestrator.bench.topologies import silent
from orchestrator.plan import compile_plan
from orchestrator.processes import ForkServer
from orchestrator.run import Run
from orchestrator.topology.model import Topology

MIB = 1 << 20
ANSWER_NS = 10_000_000_000


def launch_seconds(topology: Topology, *, warm: bool) -> float:
    """Return the time from `launch` until all nodes run, in a run of its own.

    With `warm`, a fork server that has imported everything is there already; else its start is included.
    """
    server = ready_server(topology) if warm else None
    try:
        began = time.perf_counter()
        with running(topology, warm=server):
            return time.perf_counter() - began
    finally:
        if server is not None:
            server.close()


def ready_server(topology: Topology) -> ForkServer:
    """Return a fork server that has imported what `topology` needs and has forked once.

    The child it forks finds no run to belong to and ends at once. Raises RunUseless without an answer in time.
    """
    server = ForkServer()
    try:
        server.preload({node.reference for node in topology.nodes.values()})
        with tempfile.TemporaryDirectory(prefix="ndisim-bench-") as nowhere:
            plan = compile_plan(
                topology, token=0, token_text="bench", directory=Path(nowhere), output=None, secret=b""
            )
            server.fork(plan.nodes[0])
            for answer in ("forked", "exited"):
                _expect(server, answer)
    except BaseException:
        server.close()
        raise
    return server


def _expect(server: ForkServer, answer: str) -> None:
    received = server.receive(ANSWER_NS)
    if received is None or answer not in received[0]:
        raise RunUseless(f"the fork server answered {received and received[0]}, not {answer!r}")
    for descriptor in received[1]:
        os.close(descriptor)


def memory_row(count: int) -> dict[str, Any]:
    """Return the proportional memory (PSS) of a silent topology of `count` nodes, just after its start."""
    with running(silent(count)) as run:
        nodes = pss(run.pids.values())
        server = pss(_servers(run))
    return {
        "nodes": count,
        "total_mib": nodes / MIB,
        "node_mib": nodes / count / MIB,
        "fork_server_mib": server / MIB,
    }


def pss(pids: Iterable[int]) -> int:
    """Return the sum of the processes' PSS in bytes: shared pages count in parts, one for each sharer."""
    return sum(int(psutil.Process(pid).memory_full_info().pss) for pid in pids)


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time in ns: of all nodes, of the orchestrator (this process), of the fork server."""

    nodes: int
    orchestrator: int
    fork_server: int

    @classmethod
    def of(cls, run: Run) -> Usage:
        """Look at a run's processes."""
        return cls(
            sum(map(processor_ns, run.pids.values())),
            processor_ns(os.getpid()),
            sum(map(processor_ns, _servers(run))),
        )


def idle_row(count: int, seconds: float, repeat: int) -> dict[str, Any]:
    """Return what part of one core a silent topology of `count` nodes uses, in percent, over `seconds`.

    Each figure is the median of `repeat` stretches; the first begins when the nodes have come to rest.
    """
    shares: list[tuple[float, float, float]] = []
    with running(silent(count)) as run:
        pass_time(run, 1.0)
        for _ in range(repeat):
            shares.append(_share(run, seconds))
    nodes, orchestrator, server = (median(column) for column in zip(*shares, strict=True))
    return {
        "nodes": count,
        "seconds": seconds,
        "nodes_percent": nodes,
        "orchestrator_percent": orchestrator,
        "fork_server_percent": server,
        "total_percent": nodes + orchestrator + server,
    }


def _share(run: Run, seconds: float) -> tuple[float, float, float]:
    before, began = Usage.of(run), time.monotonic_ns()
    pass_time(run, seconds)
    after, elapsed = Usage.of(run), time.monotonic_ns() - began
    return (
        100 * (after.nodes - before.nodes) / elapsed,
        100 * (after.orchestrator - before.orchestrator) / elapsed,
        100 * (after.fork_server - before.fork_server) / elapsed,
    )


def processor_ns(pid: int) -> int:
    """Return the processor time of a process with all its threads, ns.

    The kernel's clock of a process counts in ns; `/proc/PID/stat` counts in 10 ms, too coarse for rest.
    """
    return time.clock_gettime_ns(~pid << 3 | 2)


def _servers(run: Run) -> list[int]:
    """Find the run's fork server: the parent of its nodes."""
    return sorted({psutil.Process(pid).ppid() for pid in run.pids.values()})
