"""A catalogue and short ways to read topologies, for the topology tests."""

from __future__ import annotations

from pathlib import Path

from orchestrator.drivers import Catalogue
from orchestrator.topology import Topology, TopologyError, parse_topology

_FILE = Path(__file__).parent / "sample_drivers.py"
_CLASSES = {
    "traffic": "Traffic",
    "replay": "Replay",
    "receiver": "Receiver",
    "filter": "Filter",
    "mux": "Mux",
    "nic": "Nic",
    "no-kind": "NoKind",
    "no-options": "NoOptionsAtAll",
    "greedy": "Greedy",
    "odd": "Odd",
}
CATALOGUE = Catalogue(stock={name: f"{_FILE}:{cls}" for name, cls in _CLASSES.items()})
GOOD_CATALOGUE = Catalogue(stock={name: f"{_FILE}:{cls}" for name, cls in list(_CLASSES.items())[:6]})

STACK = """\
name: stack
nodes:
  bulk: {driver: traffic}
  mux: {driver: mux}
  nic0: {driver: nic}
bindings: [bulk -> mux -> nic0]
"""


def parse(text: str, base: Path = Path("/")) -> Topology:
    """Read a topology from text."""
    return parse_topology(text, "t.yml", CATALOGUE, base)


def problems(text: str, base: Path = Path("/")) -> list[str]:
    """Return the problems of a text as ``line:column: path: message (hint)``; empty if there are none."""
    try:
        parse(text, base)
    except TopologyError as error:
        return [problem.to_text("t.yml").removeprefix("t.yml:") for problem in error.problems]
    return []
