"""Describe, launch, watch and report a topology of driver nodes.

The room's rule: describe as data, then execute; no process outlives the block that started it. May import `nodes`
and `shm`. Importing the package is cheap: what a public name needs is loaded with its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.drivers import Catalogue
    from orchestrator.failures import RunError
    from orchestrator.outcome import look, report_of
    from orchestrator.report_model import Report
    from orchestrator.run import Run, launch
    from orchestrator.topology import Topology, TopologyError, load_topology, parse_topology

__all__ = [
    "Catalogue",
    "Report",
    "Run",
    "RunError",
    "Topology",
    "TopologyError",
    "launch",
    "load_topology",
    "look",
    "parse_topology",
    "report_of",
]

_HOMES = {
    "Catalogue": "drivers",
    "Report": "report_model",
    "Run": "run",
    "RunError": "failures",
    "Topology": "topology",
    "TopologyError": "topology",
    "launch": "run",
    "load_topology": "topology",
    "look": "outcome",
    "parse_topology": "topology",
    "report_of": "outcome",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use; `AttributeError` for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
