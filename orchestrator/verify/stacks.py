"""Small stacks of checked neighbours around one driver, by its kind; the driver's node is always called `driver`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.topology import Topology, TopologyError, parse_topology
from orchestrator.verify.subject import NotVerifiable, Subject

DRIVER = "driver"
Node = dict[str, Any]


@dataclass
class Stack:
    """A topology in the making: nodes by name, bindings and wires; `adapter` is the miniport that things happen to.

    `lower` is the neighbour below the driver, empty when there is none.
    """

    nodes: dict[str, Node]
    bindings: list[str]
    wires: list[dict[str, Any]] = field(default_factory=list)
    adapter: str = DRIVER
    lower: str = ""

    def topology(self, subject: Subject, name: str, **sections: Any) -> Topology:
        """Return the stack as a topology; NotVerifiable when the driver's options are refused."""
        document = {
            "name": name,
            "nodes": self.nodes,
            "bindings": self.bindings,
            "wires": self.wires,
            **sections,
        }
        try:
            return parse_topology(json.dumps(document), subject.name, subject.catalogue, Path.cwd())
        except TopologyError as error:
            told = "; ".join(
                f"{problem.path.rpartition('.')[2]}: {problem.message}" for problem in error.problems
            )
            raise NotVerifiable(f"{subject.name} refuses its options: {told}") from None


def stack_for(subject: Subject, source: Node, *, nic: str = "verify-nic", asker: Node | None = None) -> Stack:
    """Return a stack in which packets go both ways through the driver.

    `source` is the node that sends, `nic` the miniport at the bottom of NDIS 6 stacks, `asker` one more protocol
    above the driver.
    """
    keeper: Node = {"driver": "verify-keeper"}
    if subject.wan:
        stack = _wan(subject, source, keeper)
    elif subject.kind == "protocol":
        stack = _under_protocol(subject, source, nic)
    elif subject.kind == "miniport":
        stack = _above_miniport(subject, source, keeper)
    else:
        stack = _around(subject, source, keeper, nic)
    if asker is not None:
        stack.nodes["asker"] = asker
        stack.bindings.append(f"asker -> {DRIVER}")
    return stack


def _under_protocol(subject: Subject, source: Node, nic: str) -> Stack:
    if subject.generation == 5:
        nodes = {DRIVER: subject.node(), "nic": {"driver": "verify-nic5"}}
        return Stack(nodes, [f"{DRIVER} -> nic"], adapter="nic", lower="nic")
    nodes = {DRIVER: subject.node(), "source": source, "nic": {"driver": nic}}
    return Stack(nodes, [f"{DRIVER} -> nic", "source -> nic"], adapter="nic", lower="nic")


def _around(subject: Subject, source: Node, keeper: Node, nic: str) -> Stack:
    nodes = {"source": source, "keeper": keeper, DRIVER: subject.node(), "nic": {"driver": nic}}
    bindings = [f"source -> {DRIVER}", f"keeper -> {DRIVER}", f"{DRIVER} -> nic"]
    if subject.kind == "intermediate":
        nodes["nic2"] = {"driver": nic}
        bindings.append(f"{DRIVER} -> nic2")
    return Stack(nodes, bindings, adapter="nic", lower="nic")


def _above_miniport(subject: Subject, source: Node, keeper: Node) -> Stack:
    nodes = {"source": source, "keeper": keeper, DRIVER: subject.node()}
    bindings = [f"source -> {DRIVER}", f"keeper -> {DRIVER}"]
    if subject.generation == 5:
        nodes["source5"] = {"driver": "verify-source5"}
        bindings.append(f"source5 -> {DRIVER}")
    if not subject.wired:
        return Stack(nodes, bindings)
    nodes |= {"far": {"driver": "miniport"}, "far-source": source, "far-keeper": keeper}
    bindings += ["far-source -> far", "far-keeper -> far"]
    return Stack(nodes, bindings, [{"between": [DRIVER, "far"], "latency": "5us"}])


def _wan(subject: Subject, source: Node, keeper: Node) -> Stack:
    """Return two ends of a bundle: one link with the driver at its end, or two links under the driver."""
    ends = {"source": source, "keeper": keeper, "far-source": source, "far-keeper": keeper}
    link: Node = {"driver": "wan-miniport", "speed": "100Mbps", "complete": "random", "max_transmit": 64}
    wire = {"latency": "20us"}
    if subject.kind == "miniport":
        wan: Node = {"driver": "ndiswan"}
        nodes = {**ends, "wan": wan, "far-wan": wan, DRIVER: subject.node(), "far": link}
        bindings = ["source -> wan", "keeper -> wan", f"wan -> {DRIVER}"]
        bindings += ["far-source -> far-wan", "far-keeper -> far-wan", "far-wan -> far"]
        wires = [{"between": [DRIVER, "far"], **wire}] if subject.wired else []
        return Stack(nodes, bindings, wires)
    nodes = {**ends, DRIVER: subject.node(), "far-wan": subject.node()}
    bindings = [
        f"source -> {DRIVER}",
        f"keeper -> {DRIVER}",
        "far-source -> far-wan",
        "far-keeper -> far-wan",
    ]
    wires = []
    for number in range(2):
        nodes |= {f"link{number}": link, f"far{number}": link}
        bindings += [f"{DRIVER} -> link{number}", f"far-wan -> far{number}"]
        wires.append({"between": [f"link{number}", f"far{number}"], **wire})
    return Stack(nodes, bindings, wires, adapter="link0", lower="link0")
