"""Tell a run whose load generator was the bottleneck: its figures are those of the generator, not of the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nodes.stock.punctuality import TICK
from orchestrator.observe import Snapshot
from orchestrator.topology.threshold import TIMED, Threshold

LATE_SHARE = 0.01
"""The share of a node's planned packets that may leave late."""
LATE_FEW = 10
"""So many late packets make no run void, whatever share they are: one hiccup of the machine in a short run."""
SMALL_PART = 0.01
"""Senders of a smaller part of a run's packets do not make it void, however late they were."""


def generator_bottleneck(snapshot: Snapshot, thresholds: Sequence[Threshold] = ()) -> str | None:
    """Return why the figures of a run are void, None if they are not.

    They are when `late_sender` names a node. A run that is judged, and by counts alone, is not void: they do not depend
    on when a packet left.
    """
    if thresholds and not any(threshold.metric in TIMED for threshold in thresholds):
        return None
    return late_sender({node.name: node.counters for node in snapshot.nodes.values()})


def late_sender(nodes: Mapping[str, Mapping[str, int]]) -> str | None:
    """Return which of these nodes, by their counters, sent too many packets late, None if none did.

    That is more than `LATE_SHARE` of its planned packets, and more than `LATE_FEW`, later than a tick for want of
    processor; the node with the largest share is named. Such nodes that together sent less than `SMALL_PART` of the
    run's packets count for nothing: its figures are those of the others.
    """
    found = [
        (counters["late"] / counters["planned"], name, counters)
        for name, counters in nodes.items()
        if counters["late"] > max(LATE_SHARE * counters["planned"], LATE_FEW)
    ]
    sent = sum(counters["sent"] for counters in nodes.values())
    if not found or sum(counters["planned"] for _, _, counters in found) < SMALL_PART * sent:
        return None
    share, name, counters = max(found, key=lambda of: of[0])
    return (
        f"{name} was the bottleneck: {counters['late']:,} of its {counters['planned']:,} planned packets "
        f"({share:.0%}) left more than {TICK / 1e6:g} ms late for want of processor, the worst "
        f"{counters['worst_lag_us'] / 1000:,.1f} ms late; lower the rate, send more packets per call, or let fewer "
        "nodes share a processor"
    )
