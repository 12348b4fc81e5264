"""Run one job of one peer in fresh processes, in bounded time; a figure counts when the sums agree."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from orchestrator.bench.peers.base import Hop, Peer
from orchestrator.bench.result import Result
from orchestrator.bench.roles import run_bottom, run_relay, run_top
from orchestrator.bench.work import Load, Tally

START_SECONDS = 20.0
GRACE_SECONDS = 10.0
REAP_SECONDS = 2.0


class SideFailed(RuntimeError):
    """A side of a job ended or fell silent before it reported. The message names the side."""


@dataclass(slots=True)
class Sides:
    """Hold the processes of one job and the pipe to each, by the name of the side."""

    processes: dict[str, SpawnProcess] = field(default_factory=dict)
    controls: dict[str, Connection] = field(default_factory=dict)

    def start(self, name: str, target: Callable[..., None], *args: Any) -> None:
        """Start `target(*args, control)` in a process of its own."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=target, args=(*args, theirs), name=f"ndisim-bench-{name}", daemon=True
        )
        with _deaf_to_interrupts():
            process.start()
        theirs.close()
        self.processes[name], self.controls[name] = process, ours

    def take(self, name: str, seconds: float) -> Any:
        """Wait for a side's next word. Raises `SideFailed` when a side breaks first or time runs out."""
        control, deadline = self.controls[name], time.monotonic() + seconds
        watched = {process.sentinel: side for side, process in self.processes.items()}
        while not control.poll(0):
            ready = wait([control, *watched], timeout=max(0.0, deadline - time.monotonic()))
            if not ready:
                raise SideFailed(f"the {name} process said nothing for {seconds:g} s")
            for sentinel in [item for item in ready if isinstance(item, int)]:
                self._check(watched.pop(sentinel))
        try:
            return control.recv()
        except (EOFError, ConnectionResetError):
            self._check(name)
            raise SideFailed(f"the {name} process ended before it reported") from None

    def _check(self, side: str) -> None:
        process = self.processes[side]
        process.join(REAP_SECONDS)
        if process.exitcode != 0:
            raise SideFailed(f"the {side} process ended with exit code {process.exitcode}")

    def end(self) -> None:
        """Leave no process: terminate, wait, kill, reap. Closes the pipes."""
        for control in self.controls.values():
            control.close()
        for process in self.processes.values():
            process.join(REAP_SECONDS)
            for stop in (process.terminate, process.kill):
                if process.is_alive():
                    stop()
                    process.join(REAP_SECONDS)
            process.close()


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes started in the block never get SIGINT: Ctrl-C is for the harness, which then ends them.

    A mask is inherited. It holds off no SIGINT that another thread of this process takes, so one that comes meanwhile
    is noted, and raised again afterwards. The tracker of `multiprocessing` unblocks SIGINT when it starts, so it is
    started before.
    """
    resource_tracker.ensure_running()
    came: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def sides() -> Iterator[Sides]:
    """Give an empty set of sides, and end whatever was started in it, by whatever path the block is left."""
    started = Sides()
    try:
        yield started
    finally:
        started.end()


def measure(peer: Peer, name: str, load: Load) -> Result:
    """Run `load` once over `peer`; what goes wrong becomes the `fault`. No process outlives the call."""
    with tempfile.TemporaryDirectory(prefix="ndisim-bench-") as directory, sides() as started:
        try:
            return _measure(peer, name, load, Path(directory), started)
        except (SideFailed, OSError) as error:
            return Result(load.job, name, load.chain, fault=str(error))


def _measure(peer: Peer, name: str, load: Load, directory: Path, started: Sides) -> Result:
    hops = peer.hops(load, directory)
    _start(started, hops, load, peer.spin)
    for side in started.controls:
        started.take(side, START_SECONDS)
    started.controls["top"].send("go")
    seconds, sent, completed = started.take("top", load.seconds + GRACE_SECONDS)
    for control in started.controls.values():
        control.send("stop")
    seen = started.take("bottom", GRACE_SECONDS)
    fault = disagreement(sent, seen, completed)
    return Result(load.job, name, load.chain, completed.packets, seconds, fault)


def _start(started: Sides, hops: list[Hop], load: Load, spin: int) -> None:
    """Start from the bottom, as layers bind to what is below them."""
    started.start("bottom", run_bottom, hops[-1], load, spin)
    for place, (above, below) in enumerate(pairwise(hops), start=1):
        started.start(f"relay-{place}", run_relay, above, below, load, spin)
    started.start("top", run_top, hops[0], load, spin)


def disagreement(sent: Tally, seen: Tally, completed: Tally) -> str | None:
    """Compare what was sent with what the bottom read and what came back; None when all agree."""
    if seen.packets != sent.packets or completed.packets != sent.packets:
        return f"sent {sent.packets} packets, read {seen.packets}, completed {completed.packets}"
    if seen.sequences != sent.sequences or completed.sequences != sent.sequences:
        return "a sequence number was lost, repeated or changed on the way"
    if seen.headers != sent.headers:
        return "a header was changed on the way"
    return None
