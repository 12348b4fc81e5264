"""Write the durations of a run for the tools of HdrHistogram, merged over its processes.

A bucket of a node lies over whole slots of an HdrHistogram of two digits, and only one of those is ever used: so each
bucket can be told again from the log, with its count. In the ``.hgrm`` files the same is a table of percentiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter
from numpy.typing import NDArray

from orchestrator.observe import NodeView, Snapshot
from orchestrator.percentiles import added
from shm.histogram import bucket_bounds

U64 = NDArray[np.uint64]

FOLDER = "hgrm"
LOG = "histograms.hlog"
DIGITS = 2
"""128 slots or more to the octave, where nodes have 32 buckets."""
_NANOSECONDS = 1.0


def to_hdr(buckets: U64) -> HdrHistogram:
    """Return an HdrHistogram (ns) of u64[BUCKETS] counts, each bucket recorded at its middle."""
    low, high = bucket_bounds()
    used = np.flatnonzero(buckets)
    histogram = HdrHistogram(1, max(2, int(high[used].max(initial=2))), DIGITS)
    for bucket in used.tolist():
        histogram.record_value(max(1, int((low[bucket] + high[bucket]) / 2)), int(buckets[bucket]))
    return histogram


def histograms_of(snapshot: Snapshot) -> dict[str, U64]:
    """Return by name every set of durations in which there is one (u64[BUCKETS], ns).

    ``latency``, ``planned`` and ``one-way`` are over all nodes, ``latency.NODE`` and ``planned.NODE`` of what a node
    sent, ``one-way.NODE`` of what one received, ``held.NODE`` from a request's arrival there to its reply.
    ``edge.UPPER.LOWER.down`` is how long the lower node took to complete sends that came by this edge, ``.up`` the
    upper one to return what was indicated.
    """
    nodes = list(snapshot.nodes.values())
    found = {
        "latency": added(of.latency for of in nodes),
        "planned": added(of.planned for of in nodes),
        "one-way": added(of.one_way for of in nodes),
    }
    for node in nodes:
        found[f"latency.{node.name}"] = node.latency
        found[f"planned.{node.name}"] = node.planned
        found[f"one-way.{node.name}"] = node.one_way
        found[f"held.{node.name}"] = node.held
        found |= _ports(node)
    return {name: buckets for name, buckets in found.items() if buckets.any()}


def write_histograms(snapshot: Snapshot, seconds: float, directory: Path) -> None:
    """Write ``hgrm/NAME.hgrm`` for every set of durations, and all of them with their names as tags into one log.

    Values are in ns; the log's only interval are the `seconds` of the run. Files of an earlier run in `directory` are
    replaced.
    """
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.hgrm"):
        old.unlink()
    with (directory / LOG).open("w") as file:
        log = HistogramLogWriter(file)
        log.output_log_format_version()
        log.output_legend()
        for name, buckets in histograms_of(snapshot).items():
            histogram = to_hdr(buckets)
            file.write(f"Tag={name},")
            log.output_interval_histogram(histogram, 0, seconds, _NANOSECONDS)
            with (folder / f"{name}.hgrm").open("wb") as table:
                histogram.output_percentile_distribution(table, _NANOSECONDS)


def _ports(node: NodeView) -> Iterator[tuple[str, U64]]:
    for port in node.ports:
        if port.side == "lower":
            yield f"edge.{port.peer}.{node.name}.down", port.held
        else:
            yield f"edge.{node.name}.{port.peer}.up", port.held
