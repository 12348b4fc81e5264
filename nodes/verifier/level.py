"""How much of the contract is checked: the levels of `!ndiskd`'s tracking, for a run or for one node."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """What a node's verifier does; each level does what those below it do, and more."""

    OFF = 0
    """Accesses are not looked at and nothing is reported; what comes back twice is still refused, and counted."""
    OWNER = 1
    """Every crossing and access is checked: owner, status, state, IRQL, locks."""
    LEAKS = 2
    """Leaks at halt are reported with the place of their allocation; views end at hand-over; order is looked at."""
    HISTORY = 3
    """Flight recorders are 16 times as long, hand-overs note their place, whole rows of bytes end at hand-over."""
    STACKS = 4
    """Places are the driver's whole call stacks."""


DEFAULT_LEVEL = Level.LEAKS
HISTORY_EVENTS = 16
"""How many times as many events a flight recorder keeps from level HISTORY on."""
STACK_DEPTH = 16
"""How many lines of driver code are noted for a place at level STACKS."""
