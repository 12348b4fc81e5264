"""SimPy: the five-layer stack as a model in one process, which carries no payload and crosses nothing.

Three ways to write it, from the one that keeps most of a stack to the one that keeps least: layers that are processes
with an inbox, through which packets go one by one; the same with a whole chain as one item, whose packets cannot be
told apart any more; and packets that are processes, which wait once for each hop and know no layers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from orchestrator.bench.harness import GRACE_SECONDS, START_SECONDS, SideFailed, disagreement, sides
from orchestrator.bench.peers.base import package_cure
from orchestrator.bench.result import Result
from orchestrator.bench.work import Job, Load, Tally

LOOK_EVERY = 64
"""Items between two looks at the clock."""

Steps = Generator[Any, Any, None]
Outcome = tuple[float, Tally, Tally, Tally]


class SimpyContender:
    """Run one way of the model in a process of its own: `model` takes a load and returns what it did."""

    def __init__(self, name: str, model: Callable[[Load], Outcome]) -> None:
        """Name the variant."""
        self.name = name
        self._model = model

    def missing(self) -> str | None:
        """Say how to get it, None when it is there."""
        return package_cure("simpy")

    def supports(self, load: Load) -> bool:
        """Do the five layers only."""
        return load.job is Job.STACK

    def run(self, load: Load) -> Result:
        """Run the model until the load or its time is over."""
        with sides() as started:
            started.start("model", _side, self._model, load)
            try:
                seconds, sent, seen, completed = started.take(
                    "model", START_SECONDS + load.seconds + GRACE_SECONDS
                )
            except SideFailed as error:
                return Result(load.job, self.name, load.chain, fault=str(error))
        fault = disagreement(sent, seen, completed)
        return Result(load.job, self.name, load.chain, completed.packets, seconds, fault)


def _side(model: Callable[[Load], Outcome], load: Load, control: Connection) -> None:
    with suppress(ConnectionError):
        control.send(model(load))


class _Sums:
    """Counts items and sums their sequence numbers."""

    def __init__(self, packets_each: int) -> None:
        self._each = packets_each
        self.items = 0
        self._numbers = 0

    def add(self, number: int) -> None:
        """Count one item."""
        self.items += 1
        self._numbers += number

    def tally(self) -> Tally:
        """Return the packets of all items."""
        return Tally(self.items * self._each, self._numbers, 0)


class _Watch:
    """Says whether the load or its time is over."""

    def __init__(self, load: Load, items: int) -> None:
        self.began = time.perf_counter()
        self._stop = self.began + load.seconds
        self._items = items
        self._over = False

    def over(self, sent: int) -> bool:
        """Look at the clock from time to time."""
        if sent % LOOK_EVERY == 0 and time.perf_counter() > self._stop:
            self._over = True
        return self._over or sent >= self._items


def packets_through_layers(load: Load) -> Outcome:
    """Let packets go one by one through layers with an inbox each."""
    return _layers(load, 1)


def chains_through_layers(load: Load) -> Outcome:
    """Let chains go through the layers, each as one item."""
    return _layers(load, load.chain)


def _layers(load: Load, each: int) -> Outcome:
    import simpy

    environment = simpy.Environment()
    inboxes = [simpy.Store(environment) for _ in range(load.job.hops + 1)]
    sent, seen, completed = _Sums(each), _Sums(each), _Sums(each)
    watch = _Watch(load, max(1, load.packets // each))

    def sender() -> Steps:
        below, inbox = inboxes[1], inboxes[0]
        for _ in range(load.window // each):
            if not watch.over(sent.items):
                below.put((True, sent.items))
                sent.add(sent.items)
        while completed.items < sent.items:
            _, number = yield inbox.get()
            completed.add(number)
            if not watch.over(sent.items):
                below.put((True, sent.items))
                sent.add(sent.items)

    def relay(place: int) -> Steps:
        above, inbox, below = inboxes[place - 1], inboxes[place], inboxes[place + 1]
        while True:
            item = yield inbox.get()
            (below if item[0] else above).put(item)

    def bottom() -> Steps:
        above, inbox = inboxes[-2], inboxes[-1]
        while True:
            _, number = yield inbox.get()
            seen.add(number)
            above.put((False, number))

    for place in range(1, load.job.hops):
        environment.process(relay(place))
    environment.process(bottom())
    environment.run(until=environment.process(sender()))
    return time.perf_counter() - watch.began, sent.tally(), seen.tally(), completed.tally()


def packets_as_processes(load: Load) -> Outcome:
    """Let each place of the window be a process that waits once for each hop, down and up, and begins again."""
    import simpy

    environment = simpy.Environment()
    sent, seen, completed = _Sums(1), _Sums(1), _Sums(1)
    watch = _Watch(load, load.packets)
    hops = range(load.job.hops)

    def place() -> Steps:
        while not watch.over(sent.items):
            number = sent.items
            sent.add(number)
            for _ in hops:
                yield environment.timeout(0)
            seen.add(number)
            for _ in hops:
                yield environment.timeout(0)
            completed.add(number)

    for _ in range(load.window):
        environment.process(place())
    environment.run()
    return time.perf_counter() - watch.began, sent.tally(), seen.tally(), completed.tally()
