from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes.clock import VirtualClock
from nodes.hosting.build import Trace, attach_segments, build_node
from nodes.hosting.loader import DriverNotFound
from nodes.ndis import Miniport
from nodes.node import Node
from nodes.options import Count
from nodes.spec import NodeSpec
from orchestrator.plan import Plan, compile_plan
from orchestrator.topology.model import BindingModel, NodeModel, Topology
from shm.errors import SegmentForeign, SegmentMissing
from shm.segment import Segment
from tests.layers import Floor, Teller


@dataclass(frozen=True)
class ManyOptions:
    """Options of every plain kind."""

    size: Count = 7
    name: str = "x"
    ratio: float = 0.5


class Optioned(Miniport):
    """A bottom with options."""

    Options = ManyOptions


class NoDriver:
    """Not a driver."""


class Failing(Miniport):
    """A bottom that cannot be made."""

    def __init__(self, node: Node, options: Any) -> None:
        raise LookupError("no such device")


def plan_of(bottom: type[Miniport] = Floor, token: int = 5, text: str = "local") -> Plan:
    def model(driver: Any) -> NodeModel:
        reference = f"{driver.__module__}:{driver.__qualname__}"
        return NodeModel(driver="d", reference=reference, kind=driver.kind, options=driver.Options())

    topology = Topology(
        name="pair",
        nodes={"top": model(Teller), "nic": model(bottom)},
        bindings=(BindingModel(upper="top", lower="nic"),),
    )
    return compile_plan(
        topology, token=token, token_text=text, directory=Path("/nowhere"), output=None, secret=b""
    )


def build(spec: NodeSpec, plan: Plan, trace: Trace | None = None) -> Node:
    segments = {name: Segment.local(name, size) for name, size in plan.segments.items()}
    parts = {part: segments[name] for part, name in spec.segments.items()}
    return build_node(spec, parts, VirtualClock(), trace=trace)


def test_a_node_is_halted_and_quiet_with_its_driver_made() -> None:
    plan = plan_of()
    node = build(plan.nodes[0], plan)
    assert type(node.driver) is Teller
    assert (node.lifecycle.state.name, len(node.ports), node.pool.free_count) == ("HALTED", 1, 4096)
    assert node.poll() == 0


def test_a_driver_gets_its_options() -> None:
    plan = plan_of(Optioned)
    spec = replace(plan.nodes[1], options={"size": 3, "name": "y", "ratio": 1.5})
    assert build(NodeSpec.unpack(spec.pack()), plan).driver.options == ManyOptions(3, "y", 1.5)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"driver": f"{__name__}:NoDriver"}, DriverNotFound, "is not a driver"),
        ({"driver": f"{__name__}:Failing", "options": {}}, LookupError, "no such device"),
        ({"options": {"colour": 1}}, TypeError, "colour"),
    ],
)
def test_a_node_that_cannot_be_made_says_why(
    change: dict[str, Any], error: type[Exception], text: str
) -> None:
    plan = plan_of()
    with pytest.raises(error, match=text):
        build(replace(plan.nodes[1], **change), plan)


def test_a_trace_gets_every_vector_that_the_flight_recorder_gets() -> None:
    plan = plan_of()
    heard: list[tuple[int, int, list[int], int]] = []
    node = build(
        plan.nodes[0],
        plan,
        lambda node, time, handles, meta: heard.append((node, time, handles.tolist(), int(meta))),
    )
    for command in ("initialize", "restart"):
        node.command(command, {}, lambda answer: None)
    assert isinstance(node.driver, Teller)
    handles = node.driver.send(2)
    node.poll()
    times, recorded, meta = node.board.events()
    assert [(1, int(times[0]), handles, int(meta[0]))] == heard
    assert recorded.tolist() == handles


def test_segments_of_a_run_are_attached_by_name_and_token(token: str) -> None:
    plan = plan_of(text=token)
    spec = plan.nodes[0]
    with pytest.raises(SegmentMissing):
        attach_segments(spec)
    made = [Segment.create(name, size, spec.token) for name, size in plan.segments.items()]
    try:
        parts = attach_segments(spec)
        assert {part: segment.name for part, segment in parts.items()} == spec.segments
        node = build_node(spec, parts, VirtualClock())
        slots = np.flatnonzero(node.arena.handle[spec.pool_base : spec.pool_base + spec.pool_size])
        assert len(slots) == 0
        with pytest.raises(SegmentForeign, match="token"):
            attach_segments(replace(spec, token=6))
    finally:
        for segment in made:
            segment.unlink()
