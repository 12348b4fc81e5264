"""Many senders over one mux, and long runs: what `ndisim bench stress` measures of ndisim alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
import psutil

from orchestrator.bench.runs import RunUseless, pass_time, running
from orchestrator.drivers import Catalogue
from orchestrator.failures import RunError
from orchestrator.outcome import report_of
from orchestrator.report_model import Report
from orchestrator.run import Run
from orchestrator.stress.senders import Load, with_load
from orchestrator.stress.shapes import shape_topology
from orchestrator.topology.model import Topology
from shm.errors import SharedMemoryError

CHAIN = 32
SHORT_SECONDS = 10.0
LOOK_SECONDS = 1.0
TELL_SECONDS = 30.0
WARM_UP = 0.1
"""The part of a long run whose memory does not count: every page is touched once first."""
SECONDS_PER_HOUR = 3600
MIB = 1 << 20

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sending:
    """What `senders` got through together in one repetition; a `fault` says why the figures are void."""

    senders: int
    pps: float = 0.0
    jain: float = 0.0
    starved_s: float = 0.0
    fault: str | None = None


def over_one_mux(senders: int) -> Topology:
    """Return so many senders over one mux and one NIC, with calls of `CHAIN` packets."""
    return _loaded(f"mux:above={senders},below=1")


def five_layers() -> Topology:
    """Return a sender, three filters and a NIC, with calls of `CHAIN` packets."""
    return _loaded("linear:filters=3")


def _loaded(shape: str) -> Topology:
    catalogue = Catalogue()
    return with_load(shape_topology(shape, catalogue), Load(burst=CHAIN), catalogue)


def send_together(senders: int, seconds: float) -> Sending:
    """Let them send for `seconds`; what goes wrong becomes the `fault`."""
    try:
        report = _run(over_one_mux(senders), lambda run: pass_time(run, seconds))
    except (RunUseless, RunError, SharedMemoryError, OSError) as error:
        return Sending(senders, fault=str(error))
    fairness = report.fairness
    return Sending(senders, report.throughput_pps, fairness.jain or 0.0, fairness.starved_s or 0.0)


def _run(topology: Topology, work: Callable[[Run], None]) -> Report:
    with running(topology) as run:
        work(run)
    report = report_of(run)
    if report.verdict != "pass":
        raise RunUseless(report.error or f"the run ended with the verdict {report.verdict}")
    return report


def sender_row(found: Sequence[Sending], alone: Sequence[Sending]) -> dict[str, Any]:
    """Sum up repetitions with as many senders, beside those of one: medians of rates, the worst of what is fair."""
    rates = [one.pps for one in found]
    return {
        "senders": found[0].senders,
        "chain": CHAIN,
        "pps": round(median(rates)),
        "pps_min": round(min(rates)),
        "pps_max": round(max(rates)),
        "of_one": round(median(rates) / (median(one.pps for one in alone) or 1.0), 3),
        "jain": round(min(one.jain for one in found), 4),
        "starved_s": round(max(one.starved_s for one in found), 3),
        "repeats": len(found),
        "fault": next((one.fault for one in found if one.fault), None),
    }


def length_row(seconds: float, progress: Progress) -> dict[str, Any]:
    """Run five layers for `seconds`, and for 10 s before and after it: rates side by side, and how memory grew."""
    try:
        before, _ = _paced(SHORT_SECONDS, progress)
        rate, growth = _paced(seconds, progress)
        after, _ = _paced(SHORT_SECONDS, progress)
    except (RunUseless, RunError, SharedMemoryError, OSError) as error:
        return {"seconds": seconds, "fault": str(error)}
    short = mean((before, after))
    return {
        "seconds": seconds,
        "pps": round(rate),
        "pps_10s": round(short),
        "of_10s": round(rate / short, 3) if short else 0.0,
        "rss_mib": round(growth.last_mib, 1),
        "rss_slope_mib_per_h": round(growth.slope, 3),
        "fault": None,
    }


def _paced(seconds: float, progress: Progress) -> tuple[float, _Growth]:
    """Run five layers for `seconds`; return packets/s and how memory grew."""
    growth = _Growth()
    rate = _run(five_layers(), _watched(growth, seconds, progress)).throughput_pps
    progress(f"{seconds:g} s: {rate:,.0f} packets/s")
    return rate, growth


class _Growth:
    """The resident memory of all processes of a run, look by look: (seconds since the first, bytes)."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, int]] = []

    def look(self, run: Run, at: float) -> None:
        """Add up nodes and orchestrator."""
        pids = [*run.pids.values(), os.getpid()]
        self._looks.append((at, sum(psutil.Process(pid).memory_info().rss for pid in pids)))

    @property
    def last_mib(self) -> float:
        """Return the last sum, MiB."""
        return self._looks[-1][1] / MIB if self._looks else 0.0

    @property
    def slope(self) -> float:
        """Return the slope of the line through all looks after the warm-up, MiB an hour."""
        kept = self._looks[int(len(self._looks) * WARM_UP) :]
        if len(kept) < 2:
            return 0.0
        seconds, size = np.array(kept).T
        return float(np.polyfit(seconds, size, 1)[0]) * SECONDS_PER_HOUR / MIB


def _watched(growth: _Growth, length: float, progress: Progress) -> Callable[[Run], None]:
    def watch(run: Run) -> None:
        began, told = time.monotonic(), 0.0
        while (passed := time.monotonic() - began) < length:
            pass_time(run, min(LOOK_SECONDS, length - passed))
            growth.look(run, time.monotonic() - began)
            if passed - told >= TELL_SECONDS:
                told = passed
                progress(f"{passed:.0f} of {length:g} s, {growth.last_mib:,.0f} MiB")

    return watch
