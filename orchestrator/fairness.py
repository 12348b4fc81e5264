"""How evenly senders got on: Jain's index over the packets of each, who had least and most, and who waited longest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.observe import NodeView, Snapshot
from orchestrator.report_model import EvennessPart, FairnessPart, SharePart

_DIGITS = 6


def fairness_of(snapshot: Snapshot) -> FairnessPart:
    """Return the fairness over the nodes that send, and over their flows where a node has several.

    A sender is a protocol that has sent, or that has flows to send and was not let. A node is judged by its completed
    packets, a flow by those handed down: after an orderly stop all of them have completed.
    """
    senders = [node for node in snapshot.nodes.values() if _sends(node)]
    flows = {name: packets for node in senders for name, packets in _flows(node).items()}
    waits = {node.name: node.counters["starved_us"] for node in senders}
    flow_waits = dict(_flow_wait(node) for node in senders)
    return FairnessPart(
        **_evenness({node.name: node.counters["completed"] for node in senders}, waits),
        flows=EvennessPart(**_evenness(flows, flow_waits)) if len(flows) > len(senders) else None,
    )


def evenness_metrics(fairness: FairnessPart) -> dict[str, float]:
    """Return the metrics that conditions may name, those that were measured; times in ns."""
    found = {
        f"{name}.{key}": value
        for name, of in (("fairness", fairness), ("fairness.flows", fairness.flows or fairness))
        for key, value in (
            ("jain", of.jain),
            ("starved", None if of.starved_s is None else of.starved_s * 1e9),
        )
    }
    return {name: value for name, value in found.items() if value is not None}


def _sends(node: NodeView) -> bool:
    return node.kind == "protocol" and bool(node.counters["sent"] or node.flows)


def _flows(node: NodeView) -> dict[str, int]:
    if len(node.flows) < 2:
        return {node.name: node.counters["sent"]}
    return {f"{node.name}/{place}": packets for place, packets in enumerate(node.flows)}


def _flow_wait(node: NodeView) -> tuple[str, int]:
    """Return the flow of a node that waited longest, and how long, us; a node with one flow waits as that."""
    if len(node.flows) < 2:
        return node.name, node.counters["starved_us"]
    return f"{node.name}/{node.counters['flow_starved']}", node.counters["flow_starved_us"]


def _evenness(shares: Mapping[str, int], waits: Mapping[str, int]) -> dict[str, Any]:
    """Return the fields of an `EvennessPart`; of equals, the first one named is the slowest, fastest or most starved.

    `waits` are in us, 0 where not measured.
    """
    total, squares = sum(shares.values()), sum(packets**2 for packets in shares.values())
    starved = max(waits, key=lambda name: waits[name], default="")
    waited = {"starved": starved, "starved_s": waits[starved] / 1e6} if waits.get(starved) else {}
    if not total:
        return {"jain": None, "slowest": None, "fastest": None, "count": len(shares), **waited}
    slowest, fastest = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
    return {
        "jain": round(total**2 / (len(shares) * squares), _DIGITS),
        "slowest": SharePart(name=slowest, packets=shares[slowest]),
        "fastest": SharePart(name=fastest, packets=shares[fastest]),
        "count": len(shares),
        **waited,
    }
