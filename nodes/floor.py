"""The floor under every measured duration: how fine the clock is, and how late a sleeper wakes.

Measured with the node's own clock and bell, when all nodes are there and none has work: what is found then is the
machine's doing.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from nodes.clock import Clock
from nodes.metrics import Counter
from shm.board import Board

READINGS = 1000
TRIALS = 20
SLEEP = 200_000
"""How long each trial sleeps, ns."""
LONGEST = 15_000_000
"""No trial begins after this time, ns, however late the machine wakes sleepers."""


def measure_floor(clock: Clock, sleep: Callable[[int], bool], board: Board) -> None:
    """Note on the board the smallest step of the clock, and how late `sleep` returns (median and 90th percentile, ns).

    `sleep` blocks for a time in ns and returns whether it was woken before; that ends the trials.
    """
    begin = clock.now()
    readings = [clock.now() for _ in range(READINGS)]
    steps = [after - before for before, after in pairwise(readings) if after > before]
    board.counters[Counter.CLOCK_STEP_NS] = min(steps, default=0)
    delays: list[int] = []
    while len(delays) < TRIALS and clock.now() - begin < LONGEST:
        asleep = clock.now()
        if sleep(SLEEP):
            break
        delays.append(max(clock.now() - asleep - SLEEP, 1))
    if delays:
        delays.sort()
        board.counters[Counter.WAKE_P50_NS] = delays[len(delays) // 2]
        board.counters[Counter.WAKE_P90_NS] = delays[len(delays) * 9 // 10]
