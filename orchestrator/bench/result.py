"""One row of a benchmark: what a peer did in one repetition, or in all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """Hold one measured repetition: `packets` in `seconds`; a `fault` says why the figure is void."""

    job: str
    peer: str
    chain: int
    packets: int = 0
    seconds: float = 0.0
    fault: str | None = None

    @property
    def pps(self) -> float:
        """Give packets per second; 0.0 when void."""
        return 0.0 if self.fault or self.seconds <= 0 else self.packets / self.seconds


@dataclass(frozen=True, slots=True)
class Row:
    """Hold the repetitions of one job, peer and chain; `pps` is their median."""

    job: str
    peer: str
    chain: int
    pps: float
    pps_min: float
    pps_max: float
    repeats: int
    packets: int
    fault: str | None

    @classmethod
    def of(cls, results: list[Result]) -> Row:
        """Sum up results of one job, peer and chain; one void repetition voids the row, with its reason."""
        rates = [result.pps for result in results]
        fault = next((result.fault for result in results if result.fault), None)
        first = results[0]
        low, middle, high = (0.0, 0.0, 0.0) if fault else (min(rates), median(rates), max(rates))
        packets = sum(result.packets for result in results)
        return cls(first.job, first.peer, first.chain, middle, low, high, len(results), packets, fault)

    def as_json(self) -> dict[str, Any]:
        """Give the row as plain JSON values, rates in whole packets per second."""
        values = asdict(self)
        for key in ("pps", "pps_min", "pps_max"):
            values[key] = round(values[key])
        return values
