"""When a stressed stack has passed, and what is to be said about it beside the verdict."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.bottleneck import late_sender
from orchestrator.report_model import Report
from orchestrator.topology.model import Topology
from orchestrator.topology.threshold import Threshold, parse_threshold

ALWAYS = ("lost == 0", "duplicated == 0", "leaked == 0", "violations == 0")
"""What every stressed stack has to hold, whatever else is asked."""
EVEN = 0.95
"""Jain's index from which on senders that all want the same are said to share evenly."""
PATIENCE_S = 1.0
"""How long a sender may go without a completion before it is said to be starved."""


def with_conditions(
    topology: Topology, extra: Iterable[Threshold] = (), without: Iterable[Threshold] = ()
) -> Topology:
    """Return the topology with these conditions and `ALWAYS` beside its own, each once, but for `without`."""
    left_out = set(without)
    wanted = [
        *(one for one in topology.thresholds if one not in left_out),
        *extra,
        *(parse_threshold(text) for text in ALWAYS),
    ]
    return topology.model_copy(update={"thresholds": tuple(dict.fromkeys(wanted))})


def timed(report: Report) -> Report:
    """Return the report, void where senders were late by themselves: a stress test is about when packets left.

    A plain run that is judged by counts alone is not void for that.
    """
    late = late_sender({name: node.counters for name, node in report.nodes.items()})
    if late is None or report.verdict not in ("pass", "thresholds"):
        return report
    return report.model_copy(update={"verdict": "void", "error": late})


def unevenness(report: Report) -> str | None:
    """Return a warning when senders that all want the same got on unevenly, None when they did not."""
    of = report.fairness
    if of.jain is None or of.jain >= EVEN or of.slowest is None or of.fastest is None:
        return None
    return (
        f"the {of.count} senders shared unevenly (Jain index {of.jain:.2f}, even is {EVEN} and more): "
        f"{of.slowest.name} got {of.slowest.packets:,} packets through, {of.fastest.name} {of.fastest.packets:,}; "
        "see the `weight` of their bindings and how the driver below takes turns"
    )


def starvation(report: Report) -> str | None:
    """Return a warning when a sender, or a flow of one, was left waiting too long, None when none was."""
    of = report.fairness
    waits = [one for one in (of, of.flows) if one is not None and (one.starved_s or 0) > PATIENCE_S]
    if not waits:
        return None
    worst = max(waits, key=lambda one: one.starved_s or 0)
    got = "completion" if worst is of else "turn"
    return (
        f"{worst.starved} was starved: it got no {got} for {worst.starved_s:.2f} s though it had packets in flight or "
        "wanted to send; see what was held meanwhile, and how the driver below takes turns"
    )
