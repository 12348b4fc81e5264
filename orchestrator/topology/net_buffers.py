"""Packets of several NBs and layers that know one frame of a packet only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nodes.hosting.loader import load_driver
from orchestrator.topology.model import BindingModel, NodeModel

CURE = "leave its option buffers at 1"


def one_frame_layers(
    nodes: Mapping[str, NodeModel | None], bindings: Iterable[BindingModel]
) -> Iterator[tuple[str, str]]:
    """Yield each sender of packets of several NBs with what is wrong: an NDIS 5 driver below takes one frame of each.

    Nodes that are None have problems of their own.
    """
    below: dict[str, list[str]] = {}
    for binding in bindings:
        below.setdefault(binding.upper, []).append(binding.lower)
    for name, node in nodes.items():
        if node is None or node.kind != "protocol" or getattr(node.options, "buffers", 1) == 1:
            continue
        for lower in _reached(name, below):
            layer = nodes.get(lower)
            if layer is not None and getattr(load_driver(layer.reference), "generation", 6) == 5:
                yield name, f"{lower} is an NDIS 5 driver, and a packet of NDIS 5 is one frame"


def _reached(name: str, below: Mapping[str, list[str]]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(below.get(name, ()))
    while waiting:
        lower = waiting.pop()
        if lower not in seen:
            seen.add(lower)
            yield lower
            waiting += below.get(lower, ())
