"""What `ndisim bench stress` is aimed at, and how near the rows that were measured come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OWN = "ndisim"


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim: `measured` is at least `wanted`, or at most where `at_most` says so."""

    what: str
    wanted: float
    measured: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Return whether it was reached."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def as_json(self) -> dict[str, Any]:
        """Give the aim as plain values, in the order of the table's columns."""
        bound = "at most" if self.at_most else "at least"
        return {
            "aim": self.what,
            "wanted": f"{bound} {self.wanted:g}",
            "measured": round(self.measured, 3),
            "met": "yes" if self.met else "no",
        }


@dataclass(frozen=True, slots=True)
class Versus:
    """How many times a peer's rate ndisim is to reach in a job, both at chains of `chain`."""

    job: str
    chain: int
    peer: str
    factor: float


PEERS = (
    Versus("stack", 32, "simpy", 30.0),
    Versus("stack", 1, "simpy", 2.0),
    Versus("pair", 32, "helics", 20.0),
)
OF_ONE, JAIN, STARVED_S = 0.6, 0.95, 1.0
OF_SHORT, SLOPE_MIB_PER_H = 0.9, 1.0


def sender_aims(rows: Iterable[Mapping[str, Any]]) -> Iterator[Aim]:
    """Judge rows of many senders; of one sender there is nothing to judge."""
    for row in rows:
        if row["senders"] > 1 and not row["fault"]:
            many = f"{row['senders']} senders over one mux"
            yield Aim(f"{many}: packets/s, of those of one sender", OF_ONE, row["of_one"])
            yield Aim(f"{many}: Jain's index", JAIN, row["jain"])
            yield Aim(f"{many}: longest wait of one, s", STARVED_S, row["starved_s"], at_most=True)


def peer_aims(rows: Sequence[Mapping[str, Any]]) -> Iterator[Aim]:
    """Judge each row of ndisim by that of the peer in the same job; a peer that is missing is not judged."""
    rates = {(row["job"], row["chain"], row["peer"]): row["pps"] for row in rows if not row["fault"]}
    for versus in PEERS:
        theirs = rates.get((versus.job, versus.chain, versus.peer))
        for (job, chain, peer), rate in rates.items() if theirs else ():
            if (job, chain) == (versus.job, versus.chain) and peer.startswith(OWN):
                what = f"{peer} in job {job}, chains of {chain}: packets/s, of those of {versus.peer}"
                yield Aim(what, versus.factor, rate / theirs)


def length_aims(rows: Iterable[Mapping[str, Any]]) -> Iterator[Aim]:
    """Judge rows of long runs."""
    for row in rows:
        if not row["fault"]:
            long = f"{row['seconds']:g} s of five layers"
            yield Aim(f"{long}: packets/s, of those in 10 s", OF_SHORT, row["of_10s"])
            yield Aim(
                f"{long}: growth of memory, MiB/h", SLOPE_MIB_PER_H, row["rss_slope_mib_per_h"], at_most=True
            )
