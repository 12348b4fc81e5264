"""Captures on their way to a node: read and checked here, handed on in a form that a node loads with NumPy alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from nodes.options import InputFile
from orchestrator.captures import read_capture

if TYPE_CHECKING:
    from orchestrator.topology.model import NodeModel, Topology


def captures_of(options: object) -> Iterator[tuple[str, str]]:
    """Yield name and value of each option that names a capture to read."""
    if not dataclasses.is_dataclass(options):
        return
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        marks = getattr(hint, "__metadata__", ())
        if any(isinstance(mark, InputFile) and mark.kind == "capture" for mark in marks):
            yield name, getattr(options, name)


def prepare_captures(topology: Topology, directory: Path) -> Topology:
    """Return the topology with every capture replaced by a frames file in `directory`.

    Raises CaptureError, which names the packet and the offset of damage.
    """
    nodes = {name: _prepared(node, directory / f"capture-{name}") for name, node in topology.nodes.items()}
    if all(nodes[name] is node for name, node in topology.nodes.items()):
        return topology
    return topology.model_copy(update={"nodes": nodes})


def _prepared(node: NodeModel, stem: Path) -> NodeModel:
    changes = {}
    for option, file in captures_of(node.options):
        frames = stem.with_name(f"{stem.name}-{option}.npz")
        read_capture(Path(file)).save(frames)
        changes[option] = str(frames)
    if not changes:
        return node
    return node.model_copy(update={"options": dataclasses.replace(node.options, **changes)})
