from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import pytest

from nodes.policy import Policy
from nodes.spec import NodeSpec
from orchestrator.drivers import Catalogue
from orchestrator.plan import compile_plan
from orchestrator.topology import Topology, parse_topology
from tests.orchestrator.topology.samples import problems

STACK = "name: s\nnodes: {top: {driver: traffic}, nic: {driver: miniport}}\nbindings: [top -> nic]\n"
POLICY = "policy: {delivery_irql: random, removal_order: vista}\n"


def specs_of(topology: Topology) -> tuple[NodeSpec, ...]:
    plan = compile_plan(
        topology, token=1, token_text="t", directory=Path("/nowhere"), output=None, secret=b""
    )
    return plan.nodes


def parse(text: str) -> Topology:
    return parse_topology(text, "t.yml", Catalogue(), Path())


def test_the_defaults_are_those_that_the_contract_proposes() -> None:
    assert asdict(Policy()) | {
        "delivery_irql": "passive",
        "filter_oid_irql": "passive",
        "lock_across_calls": "violation",
        "reset_hold": "by-version",
        "reset_status": "both",
        "removal_order": "windows-8",
        "removal_status": "any",
    } == asdict(Policy())


def test_every_switch_says_what_it_decides() -> None:
    assert [switch.name for switch in fields(Policy) if not switch.metadata.get("help")] == []


def test_a_topology_sets_switches_and_every_node_is_told() -> None:
    topology = parse(STACK + POLICY)
    assert topology.policy == Policy(delivery_irql="random", removal_order="vista")
    for spec in specs_of(topology):
        assert Policy(**NodeSpec.unpack(spec.pack()).policy) == topology.policy


def test_what_is_not_set_is_not_carried() -> None:
    assert [spec.policy for spec in specs_of(parse(STACK))] == [{}, {}]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("policy: {delivery: passive}", "unknown key"),
        ("policy: {delivery_irql: high}", "'high' is not one of passive, dispatch, random"),
        ("policy: dispatch", "is not a mapping"),
    ],
)
def test_a_switch_that_makes_no_sense_is_told(line: str, told: str) -> None:
    assert told in str(problems(f"{STACK}{line}\n"))
