"""Who had the machine's processors while a run went on: its nodes, or others, and how long nodes waited for one.

A node counts with the thread that dispatches, as the kernel tells in ``/proc/PID/schedstat``: ns that it ran, and ns
that it was ready to run and did not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
_IDLE = ("idle", "iowait", "guest", "guest_nice")
"""Times of a processor in which it does nothing, or which the kernel counts under another name as well."""


@dataclass(frozen=True)
class Share:
    """What part of the time a node ran, and what part it was ready to run and waited for a processor."""

    running: float
    waiting: float

    @property
    def busy(self) -> float:
        """Return the part of the time in which it had something to do."""
        return self.running + self.waiting


@dataclass(frozen=True)
class ProcessorUse:
    """Who used how many of the `count` processors on average, over `seconds`.

    `nodes` are by node number, without those that died; `others` is everything but nodes and orchestrator.
    """

    seconds: float
    count: int
    nodes: Mapping[int, Share]
    others: float

    @property
    def running(self) -> float:
        """Return how many processors the nodes used together."""
        return sum(share.running for share in self.nodes.values())

    @property
    def waiting(self) -> float:
        """Return how many nodes waited for a processor on average."""
        return sum(share.waiting for share in self.nodes.values())


@dataclass(frozen=True)
class _Look:
    """Times in seconds: the clock, what the processors have worked, this process, and (ran, waited) of each node."""

    at: float
    worked: float
    own: float
    nodes: Mapping[int, tuple[float, float]]


class Processors:
    """Looks at the processes of `pids` (by node number) when a run begins and when it ends.

    Without any, as in mode inline, it sees nothing.
    """

    def __init__(self, pids: Mapping[int, int], proc: Path = PROC) -> None:
        self._pids = pids
        self._proc = proc
        self._allowed = sorted(os.sched_getaffinity(0))
        self._first: _Look | None = None
        self._last: _Look | None = None

    def begin(self) -> None:
        """Let the time begin that counts."""
        self._first = self._look()

    def end(self) -> None:
        """Let it end, while the processes are still there."""
        self._last = self._look()

    def use(self) -> ProcessorUse | None:
        """Return what was found, None where there was nothing to look at or the kernel does not tell."""
        first, last = self._first, self._last
        if first is None or last is None or last.at <= first.at or not last.nodes:
            return None
        seconds = last.at - first.at
        nodes = {
            node: Share(
                *((now - before) / seconds for now, before in zip(found, first.nodes[node], strict=True))
            )
            for node, found in last.nodes.items()
            if node in first.nodes
        }
        worked = (last.worked - first.worked - last.own + first.own) / seconds
        others = worked - sum(share.running for share in nodes.values())
        count = len(self._allowed)
        return ProcessorUse(seconds, count, nodes, min(max(others, 0.0), count))  # the kernel counts by ticks

    def _look(self) -> _Look:
        times = psutil.cpu_times(percpu=True)
        worked = sum(
            value
            for number in self._allowed
            if number < len(times)
            for name, value in times[number]._asdict().items()
            if name not in _IDLE
        )
        found = {
            node: (times[0] / 1e9, times[1] / 1e9)
            for node, pid in self._pids.items()
            if (times := times_of(pid, self._proc)) is not None
        }
        return _Look(time.monotonic(), worked, time.process_time(), found)


def times_of(pid: int, proc: Path = PROC) -> tuple[int, int] | None:
    """Return how long a process ran and how long it waited for a processor, ns.

    None for one that has gone, or a kernel that does not tell.
    """
    try:
        ran, waited, _ = (proc / str(pid) / "schedstat").read_text().split()
        return int(ran), int(waited)
    except (OSError, ValueError):
        return None
