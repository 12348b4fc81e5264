"""The three sides of a job, the same for every peer that can be driven from Python."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import zmq

from orchestrator.bench.peers.base import Hop, LowerEnd, UpperEnd
from orchestrator.bench.work import Generator, Load, Reader, Tally

BLOCK_MS = 20
LOOK_EVERY = 256


class Stopped(Exception):
    """The harness asked this side to end."""


class Idle:
    """Wait when there is nothing to do: yield `spin` times, then block until an end is readable.

    Ends that cannot be waited for are yielded to for ever. Every so often it looks at `control`, and raises
    `Stopped` when the harness has said so or is gone.
    """

    def __init__(self, control: Connection, spin: int, waitables: list[Any]) -> None:
        """Wait on `waitables` together; one None among them means yielding only."""
        self._control = control
        self._spin = spin
        self._poller: zmq.Poller | None = None
        if all(waitable is not None for waitable in waitables):
            self._poller = zmq.Poller()
            for waitable in waitables:
                self._poller.register(waitable, zmq.POLLIN)
        self._dry = 0

    def moved(self) -> None:
        """Take note that there was something to do."""
        self._dry = 0

    def wait(self) -> None:
        """Give the core away once, or block for at most `BLOCK_MS`."""
        self._dry += 1
        if self._poller is None or self._dry <= self._spin:
            if self._dry % LOOK_EVERY == 0:
                self._look()
            os.sched_yield()
        elif not self._poller.poll(BLOCK_MS):
            self._look()

    def _look(self) -> None:
        if self._control.poll(0):
            raise Stopped


def top(end: UpperEnd, load: Load, idle: Idle) -> tuple[float, Tally, Tally]:
    """Send a load through the window; return the seconds it took, what was sent and what was completed.

    The clock runs from the first packet to the last completion. After `load.seconds` nothing more is sent.
    """
    generator = Generator(load.message)
    messages = range(load.chain // load.message)
    in_flight, sent, done, total = 0, 0, 0, 0
    last, room = load.chains * load.chain, load.window - load.chain
    began = time.perf_counter()
    stop = began + load.seconds
    while done < last:
        while in_flight <= room and sent < last:
            for _ in messages:
                end.send(generator)
            in_flight += load.chain
            sent += load.chain
        arrived = end.completions()
        for ids in arrived:
            done += len(ids)
            in_flight -= len(ids)
            total += int(np.add.reduce(ids)) if len(ids) > 1 else int(ids[0])
        if not arrived:
            idle.wait()
            continue
        idle.moved()
        if time.perf_counter() > stop:
            last = sent
    return time.perf_counter() - began, generator.expected(), Tally(done, total, 0)


def relay(above: LowerEnd, below: UpperEnd, idle: Idle) -> None:
    """Pass chains down and completions up until stopped. It never returns otherwise."""
    while True:
        messages = above.receive()
        if messages:
            below.forward(messages)
        ids = below.completions()
        if ids:
            above.complete(ids)
        if messages or ids:
            idle.moved()
        else:
            idle.wait()


def bottom(end: LowerEnd, idle: Idle, reader: Reader) -> None:
    """Read and complete every chain until stopped; chains that came together are completed together."""
    while True:
        messages = end.receive()
        if messages:
            end.complete([end.read(messages, reader)])
            idle.moved()
        else:
            idle.wait()


def announce(control: Connection) -> None:
    """Say that this side is ready; where the harness has gone meanwhile, end without a word."""
    try:
        control.send("ready")
    except ConnectionError:
        raise SystemExit(0) from None


def run_top(hop: Hop, load: Load, spin: int, control: Connection) -> None:
    """Be the sender's process: say ready, wait for the word to go, report (seconds, sent, completed)."""
    end = hop.open_upper()
    announce(control)
    try:
        control.recv()
    except (EOFError, ConnectionError):
        return
    idle = Idle(control, spin, [end.waitable])
    with suppress(Stopped, EOFError, ConnectionError):
        control.send(top(end, load, idle))
        control.recv()


def run_relay(above: Hop, below: Hop, load: Load, spin: int, control: Connection) -> None:
    """Be the process between; end when the harness says so."""
    lower, upper = above.open_lower(), below.open_upper()
    announce(control)
    _until_stopped(lambda: relay(lower, upper, Idle(control, spin, [lower.waitable, upper.waitable])))


def run_bottom(hop: Hop, load: Load, spin: int, control: Connection) -> None:
    """Be the process below all; report its `Tally` when stopped."""
    end, reader = hop.open_lower(), Reader()
    announce(control)
    _until_stopped(lambda: bottom(end, Idle(control, spin, [end.waitable]), reader))
    with suppress(ConnectionError):
        control.send(reader.tally())


def _until_stopped(work: Callable[[], None]) -> None:
    with suppress(Stopped):
        work()
