"""Say what set the pace of a run: the machine, the load generator, or one layer of the stack.

In a closed loop nobody is late: a generator or a machine that is too slow just makes everything slower. Who was busy
all the time set the pace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.machine_model import BottleneckPart, MachinePart, ProcessorPart
from orchestrator.processors import ProcessorUse, Share
from orchestrator.report_model import Report
from orchestrator.topology.threshold import LATENCIES, RATE, TIMED, Threshold

SHORTEST_S = 0.2
"""Runs shorter than this are not judged: the kernel counts by ticks of some ms."""
BUSY = 0.9
"""From this part of its time on a node counts as busy all the time, and a machine as used up."""
WAITING = 0.25
"""Nodes that wait for this part of the time in which they have something to do are short of processors."""
TAKEN = 0.25
"""A machine of which others use this part is not the run's own."""
_DIGITS = 4


def with_pace(
    report: Report, use: ProcessorUse | None, names: Mapping[int, str], thresholds: Sequence[Threshold]
) -> Report:
    """Return the report with what its nodes had of the processors and what set the pace.

    `names` are by node number, `thresholds` those that the report has the outcomes of, in their order. A run that
    failed nothing but timed conditions becomes void where these say more of the generator, or of what else the machine
    did, than of the stack. Without `use`, as in mode inline, the report stays as it is.
    """
    if use is None:
        return report
    shares = {names[node]: share for node, share in use.nodes.items()}
    found = _bottleneck(report, use, shares)
    excuse = _excuse(report, use, found, thresholds)
    return report.model_copy(
        update={
            "nodes": {
                name: node.model_copy(update={"processor": _processor(shares.get(name))})
                for name, node in report.nodes.items()
            },
            "machine": MachinePart(
                processors=use.count,
                running=round(use.running, _DIGITS),
                waiting=round(use.waiting, _DIGITS),
                others=round(use.others, _DIGITS),
            ),
            "bottleneck": found,
            **({} if excuse is None else {"verdict": "void", "error": excuse}),
        }
    )


def _bottleneck(report: Report, use: ProcessorUse, shares: Mapping[str, Share]) -> BottleneckPart | None:
    if use.seconds < SHORTEST_S or not shares:
        return None
    wanted = use.running + use.waiting
    if use.running + use.others >= BUSY * use.count and use.waiting >= WAITING * wanted:
        text = (
            f"{wanted:.1f} nodes on average had something to do, and waited for a processor "
            f"{use.waiting / wanted:.0%} of it"
        )
        return BottleneckPart(kind="machine", node=None, text=text)
    name = max(shares, key=lambda name: shares[name].busy)
    if shares[name].busy < BUSY:
        return None
    text = f"{name} was busy {min(shares[name].busy, 1):.0%} of the time, longer than any other node"
    return BottleneckPart(
        kind="generator" if _in_closed_loop(report, name) else "layer", node=name, text=text
    )


def _in_closed_loop(report: Report, name: str) -> bool:
    """Return whether a node sends as much as comes back, rather than by a plan, whose lateness is counted."""
    node = report.nodes[name]
    return node.kind == "protocol" and node.counters["sent"] > node.counters["planned"]


def _excuse(
    report: Report, use: ProcessorUse, found: BottleneckPart | None, thresholds: Sequence[Threshold]
) -> str | None:
    """Return why conditions that failed say nothing of the stack, None where they do or none failed."""
    if report.verdict != "thresholds" or found is None:
        return None
    failed = {
        threshold.metric
        for threshold, outcome in zip(thresholds, report.thresholds, strict=True)
        if not outcome.passed
    }
    if found.kind == "machine" and use.others >= TAKEN * use.count and failed <= TIMED:
        return (
            f"the machine was busy otherwise: others used {use.others:.1f} of its {use.count} processors; "
            f"{found.text}; run where nothing else does"
        )
    if found.kind == "generator" and failed <= {RATE, *LATENCIES}:
        return (
            f"the load generator was the bottleneck: {found.text}; send more packets per call, or let more senders "
            "share the work"
        )
    return None


def _processor(share: Share | None) -> ProcessorPart | None:
    if share is None:
        return None
    return ProcessorPart(running=round(share.running, _DIGITS), waiting=round(share.waiting, _DIGITS))
