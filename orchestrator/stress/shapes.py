"""Topologies without a file: ``mux:above=64,below=2`` is a name and a few numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.stress.senders import shared_window
from orchestrator.topology.problems import Problem, TopologyError
from orchestrator.topology.quoting import did_you_mean, quoted

if TYPE_CHECKING:
    from orchestrator.drivers import Catalogue
    from orchestrator.topology.model import Topology

_SHAPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(:[^/]*)?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_WAN_SPEED = "100Mbps"
_WAN_WINDOW = 64
_WAN_DIAL = "100ms"
"""Lines come up this much later where packets are sent: what arrives before the far line is up would be lost."""
_RECEIVE_DEPTH = 2048
"""Half of it are indications: as many as the NIC below has receive buffers, so that none is dropped."""


@dataclass(frozen=True)
class Parameter:
    """A number that a shape can be given, with its bounds."""

    default: int
    low: int
    high: int
    help: str


@dataclass(frozen=True)
class Shape:
    """A kind of topology: what it looks like, its parameters by name, and what draws it."""

    summary: str
    parameters: Mapping[str, Parameter]
    draw: Callable[..., Draft]


@dataclass
class Draft:
    """The sections of a topology file while a shape is being drawn."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    bindings: list[str | dict[str, Any]] = field(default_factory=list)
    wires: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, driver: str, **options: Any) -> str:
        """Add a node and return its name."""
        self.nodes[name] = {"driver": driver, **options}
        return name

    def bind(self, *names: str) -> None:
        """Bind nodes that stand one above the other."""
        self.bindings += [f"{upper} -> {lower}" for upper, lower in pairwise(names)]

    def wire(self, one: str, other: str) -> None:
        """Join two miniports."""
        self.wires.append({"between": [one, other]})


def is_shape(target: Path) -> bool:
    """Tell whether what a user named is meant as a shape; a file that exists comes first."""
    text = str(target)
    name, colon, _ = text.partition(":")
    return bool(_SHAPE.fullmatch(text)) and (bool(colon) or name in SHAPES) and not target.exists()


def shape_topology(text: str, catalogue: Catalogue) -> Topology:
    """Return the topology of ``NAME[:KEY=NUMBER,...]``; TopologyError says what is wrong with it, and the cure."""
    from orchestrator.topology.reader import parse_topology

    name, _, settings = text.partition(":")
    shape = SHAPES.get(name)
    if shape is None:
        raise TopologyError(text, [Problem(0, 0, "", f"there is no shape {quoted(name)}", _other(name))])
    problems: list[Problem] = []
    values = {key: parameter.default for key, parameter in shape.parameters.items()}
    for part in filter(None, settings.split(",")):
        key, _, value = (piece.strip() for piece in part.partition("="))
        problem = _problem(shape, name, key, value)
        if problem is None:
            values[key] = int(value)
        else:
            problems.append(problem)
    if problems:
        raise TopologyError(text, problems)
    draft = shape.draw(**values)
    content = {"name": name, "nodes": draft.nodes, "bindings": draft.bindings, "wires": draft.wires}
    return parse_topology(json.dumps(content), text, catalogue, Path.cwd())


def _other(name: str) -> str:
    return f"{did_you_mean(name, SHAPES)}; shapes are {', '.join(SHAPES)}"


def _problem(shape: Shape, name: str, key: str, value: str) -> Problem | None:
    parameter = shape.parameters.get(key)
    if parameter is None:
        return Problem(0, 0, name, f"it has no parameter {quoted(key)}", did_you_mean(key, shape.parameters))
    bounds = f"from {parameter.low} to {parameter.high}, e.g. {key}={parameter.default or parameter.low}"
    if not _NUMBER.fullmatch(value):
        return Problem(0, 0, f"{name}.{key}", f"{quoted(value)} is not a whole number", f"write one {bounds}")
    if not parameter.low <= int(value) <= parameter.high:
        return Problem(0, 0, f"{name}.{key}", f"{value} is out of bounds", f"write one {bounds}")
    return None


def _nic(draft: Draft, name: str) -> str:
    """Add a NIC without a line rate, so that the stack is what limits it."""
    return draft.add(name, "miniport", link="0")


def _far_end(draft: Draft, nic: str, number: int) -> None:
    far, sink = _nic(draft, f"far-nic-{number}"), draft.add(f"far-sink-{number}", "receiver")
    draft.bind(sink, far)
    draft.wire(nic, far)


def _filters(draft: Draft, count: int) -> Iterator[str]:
    return (draft.add(f"filter-{number}", "pass-through") for number in range(1, count + 1))


def _linear(filters: int, receivers: int) -> Draft:
    draft = Draft()
    nic = "nic-1"
    draft.bind(draft.add("sender-1", "traffic"), *_filters(draft, filters), nic)
    _nic(draft, nic)
    if receivers:
        _far_end(draft, nic, 1)
    return draft


def _mux(above: int, below: int, receivers: int) -> Draft:
    draft = Draft()
    for number in range(1, above + 1):
        draft.bind(draft.add(f"sender-{number}", "traffic", window=shared_window(above)), "mux")
    draft.add("mux", "mux")
    for number in range(1, below + 1):
        nic = _nic(draft, f"nic-{number}")
        draft.bind("mux", nic)
        if receivers:
            _far_end(draft, nic, number)
    return draft


def _mesh(stacks: int) -> Draft:
    draft = Draft()
    nics = []
    for number in range(1, stacks + 1):
        filter_, nic = draft.add(f"filter-{number}", "pass-through"), _nic(draft, f"nic-{number}")
        draft.bind(draft.add(f"sender-{number}", "traffic", window=shared_window(stacks)), filter_, nic)
        sink = draft.add(f"sink-{number}", "receiver")
        draft.bindings.append({"upper": sink, "lower": filter_, "depth": _RECEIVE_DEPTH})
        nics.append(nic)
    for one, other in zip(nics[::2], nics[1::2], strict=False):
        draft.wire(one, other)
    if stacks % 2:
        _far_end(draft, nics[-1], stacks)
    return draft


def _wan(links: int) -> Draft:
    draft = Draft()
    _add_wan(draft, "sender-1", links)
    return draft


def _add_wan(draft: Draft, sender: str, links: int) -> None:
    draft.bind(draft.add(sender, "traffic"), draft.add("wan-a", "ndiswan", links=links))
    draft.bind(draft.add("sink-wan", "receiver"), draft.add("wan-b", "ndiswan"))
    line: dict[str, Any] = {"speed": _WAN_SPEED, "max_transmit": _WAN_WINDOW}
    for number in range(1, links + 1):
        near = draft.add(f"link-a{number}", "wan-miniport", **line, dial=_WAN_DIAL)
        far = draft.add(f"link-b{number}", "wan-miniport", **line)
        draft.bind("wan-a", near)
        draft.bind("wan-b", far)
        draft.wire(near, far)


def _mixed(filters: int, links: int) -> Draft:
    draft = _linear(filters, 1)
    _add_wan(draft, "sender-2", links)
    return draft


_RECEIVERS = Parameter(0, 0, 1, "1: each NIC is wired to one with a receiver above it")

SHAPES: dict[str, Shape] = {
    "linear": Shape(
        "a sender, filters, a NIC",
        {"filters": Parameter(1, 0, 64, "filters between sender and NIC"), "receivers": _RECEIVERS},
        _linear,
    ),
    "mux": Shape(
        "senders above a mux above NICs",
        {
            "above": Parameter(8, 1, 1024, "senders"),
            "below": Parameter(1, 1, 64, "NICs"),
            "receivers": _RECEIVERS,
        },
        _mux,
    ),
    "mesh": Shape(
        "stacks of sender, receiver, filter and NIC, wired in pairs",
        {"stacks": Parameter(2, 1, 256, "stacks; the odd one is wired to a receiver")},
        _mesh,
    ),
    "wan": Shape(
        "a sender above NDISWAN, whose links lead to another one with a receiver",
        {"links": Parameter(3, 1, 16, "links of the bundle")},
        _wan,
    ),
    "mixed": Shape(
        "linear with a receiver, and wan, side by side",
        {"filters": Parameter(1, 0, 64, "as in linear"), "links": Parameter(2, 1, 16, "as in wan")},
        _mixed,
    ),
}
"""What can be named instead of a file."""
