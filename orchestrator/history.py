"""The life of one packet, put together from the flight recorders of all nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nodes.crossings.crossing import STATUS_SHIFT, Event, Op
from nodes.spec import NodeSpec
from nodes.status import status_name
from shm.board import Board

_EVENT_MASK = 0xFF
_OP_SHIFT = 8
_EDGE_SHIFT = 16


def packet_history(specs: Sequence[NodeSpec], boards: Mapping[str, Board], handle: int) -> list[str]:
    """Return what the recorders still hold about a packet, a line per event, oldest first.

    Times are relative to the first of them. Empty for handle 0 or when newer events have taken the place.
    """
    found: list[tuple[int, str, int]] = []
    for spec in specs:
        if handle and spec.name in boards:
            times, arguments, meta = boards[spec.name].events()
            rows = np.flatnonzero(arguments == np.uint64(handle))
            found += [(int(times[row]), spec.name, int(meta[row])) for row in rows.tolist()]
    found.sort(key=lambda event: event[0])
    ends = _edge_names(specs)
    return [
        f"+{(time - found[0][0]) / 1000:.1f}us {node} {_describe(meta, ends)}" for time, node, meta in found
    ]


def with_history(
    violation: dict[str, Any], specs: Sequence[NodeSpec], boards: Mapping[str, Board]
) -> dict[str, Any]:
    """Return a violation with what happened to its packet so far: newer events may take the place of these."""
    return violation | {"history": packet_history(specs, boards, int(violation.get("handle", 0)))}


def _describe(meta: int, ends: Mapping[int, str]) -> str:
    edge = meta >> _EDGE_SHIFT & 0xFFFF
    status = meta >> STATUS_SHIFT
    act = f"{_name(Event, meta & _EVENT_MASK)} {_name(Op, meta >> _OP_SHIFT & 0xFF)}"
    text = f"{act} on {ends.get(edge, f'edge {edge}')}"
    return f"{text} with {status_name(status)}" if status else text


def _name(words: type[Event] | type[Op], number: int) -> str:
    try:
        return words(number).name.lower().replace("_", " ")
    except ValueError:
        return f"#{number}"


def _edge_names(specs: Sequence[NodeSpec]) -> dict[int, str]:
    return {
        edge.edge: f"{spec.name} -> {edge.peer_name}"
        for spec in specs
        for edge in spec.edges
        if edge.side == "upper"
    }
