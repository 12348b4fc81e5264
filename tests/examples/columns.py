"""The columns of a report that every run of an example must repeat: counts, never times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator import Report
from orchestrator.report_model import EdgePart, NodePart

_COUNTERS = (
    *("sent", "completed", "received", "wire_sent", "wire_lost", "missing", "foreign", "violations"),
    *("oids", "oids_answered", "oids_failed", "status_indications"),
)


def deterministic_columns(report: Report) -> dict[str, Any]:
    """Return what does not depend on timing, nor on whether nodes are processes or inline."""
    return {
        "name": report.run.name,
        "seed": report.run.seed,
        "verdict": report.verdict,
        "ended": report.ended,
        "error": report.error,
        "conservation": _line(report.conservation.model_dump()),
        "statuses": _line(report.statuses),
        "received": _line(report.received.model_dump()),
        "thresholds": {of.condition: of.passed for of in report.thresholds},
        "nodes": {name: _node(node) for name, node in report.nodes.items()},
        "edges": {f"{edge.upper} -> {edge.lower}": _edge(edge) for edge in report.edges},
        "wires": {wire.node: f"{wire.frames} frames, {wire.lost} lost" for wire in report.wires},
        "violations": report.violation_count,
    }


def columns_after_removal(report: Report) -> dict[str, Any]:
    """Return what does not depend on how much a NIC had sent when it was pulled out."""
    columns = deterministic_columns(report)
    through_nics = {name for name, node in report.nodes.items() if node.kind == "miniport"}
    columns["nodes"] = {
        name: report.nodes[name].state if name in through_nics else told
        for name, told in columns["nodes"].items()
    }
    columns["received"] = report.received.frames  # those sent again may overtake others
    return {key: value for key, value in columns.items() if key not in ("edges", "wires")}


def _line(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _node(node: NodePart) -> str:
    counts = {name: node.counters[name] for name in _COUNTERS if node.counters[name]}
    return f"{node.driver} ({node.kind}), {node.state}: {_line(counts) or 'nothing'}"


def _edge(edge: EdgePart) -> str:
    down, up = f"{edge.completed} of {edge.sent} completed", f"{edge.returned} of {edge.indicated} returned"
    return f"{edge.kind}: {down}, {up}"
