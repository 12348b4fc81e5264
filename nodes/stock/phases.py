"""How fast to send and for how long: the language of the option `phases`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

ENDLESS = 1 << 62
"""A duration in ns, or a number of packets, that no run reaches."""
FASTEST = 1_000_000_000
"""Packets per second at most: one for each ns."""
MOST_PHASES = 1000

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h)"
_PHASE = re.compile(
    r"(?:([a-z][a-z0-9_-]{0,31})=)?"
    + _DURATION
    + r"@(?:(max)|([0-9]{1,10})(?:\.\.([0-9]{1,10}))?|([0-9]{1,7})x"
    + _DURATION
    + ")"
)
_EXAMPLE = "write e.g. 2s@10000, peak=5s@10000..80000, 1s@0, 1s@64x10ms, 3s@max"


@dataclass(frozen=True)
class Phase:
    """One phase of `duration` ns.

    Open: from `first` to `last` packets per second, or, where `every` is set, `burst` packets at once each `every` ns.
    `closed`: as many as the window lets through. `name` is what a user calls it, or its number, counted from 1.
    """

    duration: int
    first: int = 0
    last: int = 0
    burst: int = 0
    every: int = 0
    closed: bool = False
    name: str = ""

    @property
    def packets(self) -> float:
        """Return how many packets an open phase plans; a part of one is left to the phase after it."""
        if self.every:
            return -(-self.duration // self.every) * self.burst
        return (self.first + self.last) / 2 * self.duration / 1e9


def parse_phases(text: str) -> tuple[Phase, ...]:
    """Read ``DURATION@RATE, NAME=DURATION@RATE, ...``, none for an empty text.

    RATE is packets per second (``10000``), a ramp (``10000..80000``), bursts (``64x10ms``: 64 packets every 10 ms) or
    ``max``, the closed model. Raises ValueError, with what to write instead, for anything else.
    """
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > MOST_PHASES:
        raise ValueError(
            f"{len(parts)} phases, at most {MOST_PHASES} are possible; let ramps take the place of steps"
        )
    phases = tuple(_parse(part, number) for number, part in enumerate(parts, start=1))
    named = Counter(phase.name for phase in phases)
    twice = next((name for name, count in named.items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"two phases are called {twice!r}; give one of them another name")
    return phases


def _parse(text: str, number: int) -> Phase:
    match = _PHASE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a phase; {_EXAMPLE}")
    name, amount, unit, closed, first, last, burst, gap, gap_unit = match.groups()
    duration, name = _nanoseconds(amount, unit), name or str(number)
    if closed:
        return Phase(duration, closed=True, name=name)
    if burst:
        every = _nanoseconds(gap, gap_unit)
        if int(burst) * _UNITS["s"] > FASTEST * every:
            raise ValueError(f"{text!r} is faster than {FASTEST:,} packets per second; {_EXAMPLE}")
        return Phase(duration, burst=int(burst), every=every, name=name)
    rates = int(first), int(last or first)
    if max(rates) > FASTEST:
        raise ValueError(f"{text!r} is faster than {FASTEST:,} packets per second; {_EXAMPLE}")
    return Phase(duration, *rates, name=name)


def _nanoseconds(amount: str, unit: str) -> int:
    duration = Decimal(amount) * _UNITS[unit]
    if not duration or duration % 1:
        raise ValueError(f"'{amount}{unit}' is not a whole number of ns above 0; {_EXAMPLE}")
    return int(duration)
