"""Describe a run as data: a topology file becomes a validated `Topology`, or every problem at once.

Nothing here starts a process or touches shared memory. Importing the package itself is cheap: pydantic and
ruamel.yaml load with the first name that needs them, so a command that reads no topology does not pay for
them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.topology.dump import dump_topology
    from orchestrator.topology.graph import to_dot, to_mermaid
    from orchestrator.topology.model import BindingModel, EventModel, NodeModel, Topology, WireModel
    from orchestrator.topology.problems import Problem, TopologyError
    from orchestrator.topology.reader import load_topology, parse_topology
    from orchestrator.topology.schema import topology_schema
    from orchestrator.topology.threshold import Threshold

__all__ = [
    "BindingModel",
    "EventModel",
    "NodeModel",
    "Problem",
    "Threshold",
    "Topology",
    "TopologyError",
    "WireModel",
    "dump_topology",
    "load_topology",
    "parse_topology",
    "to_dot",
    "to_mermaid",
    "topology_schema",
]

_HOMES = {
    "BindingModel": "model",
    "EventModel": "model",
    "NodeModel": "model",
    "Problem": "problems",
    "Threshold": "threshold",
    "Topology": "model",
    "TopologyError": "problems",
    "WireModel": "model",
    "dump_topology": "dump",
    "load_topology": "reader",
    "parse_topology": "reader",
    "to_dot": "graph",
    "to_mermaid": "graph",
    "topology_schema": "schema",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use; `AttributeError` for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
