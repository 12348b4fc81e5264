from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.crossings.port import NOTICE_SHARE
from nodes.spec import EdgeSpec, NodeSpec
from orchestrator import plan as plans
from orchestrator.plan import Plan, PlanTooLarge, compile_plan
from orchestrator.topology.model import BindingModel, Topology, WireModel
from shm.arena import Arena
from shm.board import Board
from shm.handle import MAX_SLOTS
from shm.ring import COLUMNS
from tests.orchestrator.stacks import node

DEPTHS = st.integers(4, 10).map(lambda power: 1 << power)


def plan_of(topology: Topology) -> Plan:
    return compile_plan(
        topology, token=3, token_text="abc", directory=Path("/run/x"), output=Path("/out"), secret=b"s"
    )


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Draw some stacks over miniports, each upper node with one to all of the miniports below it."""
    floors = [f"nic{number}" for number in range(draw(st.integers(1, 3)))]
    uppers = [f"up{number}" for number in range(draw(st.integers(1, 4)))]
    bindings = [
        BindingModel(upper=upper, lower=lower, depth=draw(DEPTHS))
        for upper in uppers
        for lower in draw(st.lists(st.sampled_from(floors), min_size=1, unique=True))
    ]
    wires = [WireModel(a=a, b=b) for a, b in itertools.pairwise(floors)]
    pools = st.integers(1, 100)
    return Topology(
        name="drawn",
        nodes={name: node("Bottom" if name in floors else "Source", draw(pools)) for name in floors + uppers},
        bindings=tuple(bindings),
        wires=tuple(wires),
    )


def spans(plan: Plan) -> list[tuple[int, int]]:
    """Return start and stop of everything that lies in the rings segment, in bytes."""
    found = set()
    for spec in plan.nodes:
        found.add((spec.arm * 8, spec.arm * 8 + 64))
        for edge in spec.edges:
            for ring in (edge.produce, edge.consume):
                found.add((ring.columns, ring.columns + COLUMNS * 8 * ring.capacity))
                found |= {(ring.tail * 8, ring.tail * 8 + 64), (ring.head * 8, ring.head * 8 + 64)}
    return sorted(found)


def ends(plan: Plan) -> dict[int, dict[str, tuple[NodeSpec, EdgeSpec]]]:
    found: dict[int, dict[str, tuple[NodeSpec, EdgeSpec]]] = {}
    for spec in plan.nodes:
        for edge in spec.edges:
            found.setdefault(edge.edge, {})[edge.side] = (spec, edge)
    return found


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_nothing_in_the_rings_segment_overlaps_or_sticks_out(topology: Topology) -> None:
    plan = plan_of(topology)
    laid = spans(plan)
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(laid))
    assert laid[-1][1] <= plan.segments[plan.nodes[0].segments["rings"]]
    assert all(start % 64 == 0 for start, _ in laid)


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_what_one_end_of_an_edge_produces_the_other_consumes(topology: Topology) -> None:
    plan = plan_of(topology)
    edges = ends(plan)
    assert len(edges) == len(topology.bindings) + 2 * len(topology.wires)
    for sides in edges.values():
        (upper_node, upper), (lower_node, lower) = sides["upper"], sides["lower"]
        assert (upper.produce, upper.consume) == (lower.consume, lower.produce)
        assert (upper.peer, lower.peer) == (lower_node.node, upper_node.node)
        assert (upper.peer_arm, upper.peer_bell) == (lower_node.arm, lower_node.bell)
        assert (lower.peer_arm, lower.peer_bell) == (upper_node.arm, upper_node.bell)


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_everything_that_may_be_out_at_once_fits_with_room_for_notices(topology: Topology) -> None:
    for sides in ends(plan_of(topology)).values():
        upper, lower = sides["upper"][1], sides["lower"][1]
        for ring in (upper.produce, upper.consume):
            assert ring.capacity & (ring.capacity - 1) == 0
            assert upper.credits + lower.credits + ring.capacity // NOTICE_SHARE <= ring.capacity


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_inbound_cursors_of_a_node_are_rows_in_the_order_of_its_edges(topology: Topology) -> None:
    for spec in plan_of(topology).nodes:
        assert [edge.consume.tail * 8 for edge in spec.edges] == [
            spec.tails + 64 * row for row in range(len(spec.edges))
        ]


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_pools_are_disjoint_and_leave_slot_0_alone(topology: Topology) -> None:
    plan = plan_of(topology)
    taken = 1
    for spec in plan.nodes:
        assert spec.pool_base == taken
        taken += spec.pool_size + spec.messages
    assert {spec.slots for spec in plan.nodes} == {taken}
    assert plan.segments[plan.nodes[0].segments["packets"]] == Arena.layout(taken).size


def three_floors() -> Topology:
    return Topology(
        name="three",
        nodes={
            "source": node("Source", 10),
            "through": node("Through", 0),
            "nic": node("Bottom", 5),
            "other": node("Bottom", 5),
        },
        bindings=(BindingModel(upper="source", lower="through"), BindingModel(upper="through", lower="nic")),
        wires=(WireModel(a="nic", b="other", latency=9),),
        seed=11,
    )


def test_layers_are_ordered_from_the_bottom() -> None:
    plan = plan_of(three_floors())
    assert [[plan.names[number] for number in level] for level in plan.levels] == [
        ["nic", "other"],
        ["through"],
        ["source"],
    ]
    assert [plan.names[number] for number in plan.sources] == ["source"]


def test_segments_carry_user_token_and_part_in_their_names() -> None:
    plan = plan_of(three_floors())
    start = f"/ndisim-{os.getuid()}-abc-"
    assert set(plan.segments) == {
        start + part for part in ("rings", "packets", "board-1", "board-2", "board-3", "board-4")
    }
    for spec in plan.nodes:
        assert plan.segments[spec.segments["board"]] == Board.layout(len(spec.edges), spec.events).size
        assert (spec.token, spec.seed, spec.secret, spec.output) == (3, 11, b"s", "/out")


def test_a_wire_is_two_edges_with_the_same_options() -> None:
    wires = [edge for spec in plan_of(three_floors()).nodes for edge in spec.edges if edge.kind == "wire"]
    assert len(wires) == 4
    assert len({edge.edge for edge in wires}) == 2
    assert {edge.options["latency"] for edge in wires} == {9}


def test_the_same_topology_has_the_same_plan() -> None:
    assert plan_of(three_floors()) == plan_of(three_floors())
    packed = [NodeSpec.unpack(spec.pack()) for spec in plan_of(three_floors()).nodes]
    assert packed == list(plan_of(three_floors()).nodes)
    assert replace(packed[0], seed=1) != packed[0]


def test_more_packets_than_handles_can_name_are_refused() -> None:
    topology = Topology(
        name="large",
        nodes={"source": node("Source", MAX_SLOTS), "nic": node("Bottom", 1)},
        bindings=(BindingModel(upper="source", lower="nic"),),
    )
    with pytest.raises(PlanTooLarge, match="a run has at most 268,435,456"):
        plan_of(topology)


def test_a_class_that_is_no_driver_is_refused() -> None:
    stranger = node("Source").model_copy(update={"reference": "orchestrator.plan:Plan"})
    topology = Topology(
        name="strange",
        nodes={"source": stranger, "nic": node("Bottom")},
        bindings=(BindingModel(upper="source", lower="nic"),),
    )
    with pytest.raises(TypeError, match="is not a driver"):
        plan_of(topology)


def test_a_plan_creates_nothing() -> None:
    before = set(Path("/dev/shm").glob("ndisim-*-abc-*"))
    plan_of(three_floors())
    assert set(Path("/dev/shm").glob("ndisim-*-abc-*")) == before
    assert plans.RING_FACTOR == 2
