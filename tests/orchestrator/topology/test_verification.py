from __future__ import annotations

import json
from pathlib import Path

import pytest

from nodes.verifier.force import Force
from orchestrator.drivers import Catalogue
from orchestrator.plan import compile_plan
from orchestrator.topology import parse_topology, topology_schema
from tests.orchestrator.topology.samples import GOOD_CATALOGUE, STACK, parse, problems

ALL = """\
verify:
  level: 3
  nodes: {mux: 4}
  on_violation: report
  force: {low_resources: 6%, fail_allocation: 3, pending: true, completion_order: random, delay: 200us, nodes: [mux]}
"""


def test_the_section_may_be_a_level_alone() -> None:
    topology = parse(STACK + "verify: 3\n")
    assert (topology.level, topology.levels, topology.on_violation) == (3, {}, "stop")
    assert topology.force == Force()


def test_the_section_may_name_nodes_and_what_is_forced_on_them() -> None:
    topology = parse(STACK + ALL)
    assert (topology.level, topology.levels, topology.on_violation) == (3, {"mux": 4}, "report")
    assert topology.force == Force(0.06, 3, True, "random", 200_000, ("mux",))


def test_a_node_is_told_its_own_level_and_what_is_forced_on_it() -> None:
    text = STACK.replace("driver: nic", "driver: miniport") + ALL
    topology = parse_topology(text, "t.yml", Catalogue(), Path("/"))
    plan = compile_plan(topology, token=1, token_text="t", directory=Path("/d"), output=None, secret=b"")
    assert {spec.name: spec.level for spec in plan.nodes} == {"bulk": 3, "mux": 4, "nic0": 3}
    forced = {"low_resources": 0.06, "fail_allocation": 3, "pending": True}
    forced |= {"completion_order": "random", "delay": 200_000}
    assert {spec.name: spec.force for spec in plan.nodes} == {"bulk": {}, "mux": forced, "nic0": {}}


def test_what_is_forced_without_names_is_forced_on_every_node() -> None:
    assert Force(delay=5).on("anyone").pack() == {"delay": 5}
    assert Force(delay=5, nodes=("mux",)).on("nic").pack() == {}


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("verify: 5", "7:9: verify: '5' is out of bounds (at most 4)"),
        ("verify: [1]", "7:9: verify: a whole number is wanted here (not a list)"),
        ("verify: {levle: 2}", "7:10: verify.levle: unknown key (did you mean level?)"),
        ("verify: {level: -1}", "7:17: verify.level: '-1' is out of bounds (at least 0)"),
        ("verify: {nodes: {mix: 2}}", "7:18: verify.nodes.mix: there is no node 'mix' (did you mean mux?)"),
        ("verify: {nodes: {mux: 9}}", "7:23: verify.nodes.mux: '9' is out of bounds (at most 4)"),
        ("verify: {on_violation: die}", "7:24: verify.on_violation: 'die' is not allowed here"
         " (write 'stop', 'report' or 'bug-check')"),
        ("verify: {force: {dely: 1ms}}", "7:18: verify.force.dely: unknown key (did you mean delay?)"),
        ("verify: {force: {delay: 1}}", "7:25: verify.force.delay: '1' has no unit (write e.g. 5us)"),
        ("verify: {force: {pending: maybe}}", "7:27: verify.force.pending: 'maybe' is not true or false"),
        ("verify: {force: {nodes: [mix]}}",
         "7:26: verify.force.nodes[0]: there is no node 'mix' (did you mean mux?)"),
        ("verify: {force: random}", "7:17: verify.force: 'random' is not a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_section_is_told_at_its_place(section: str, problem: str) -> None:
    assert problems(STACK + section + "\n") == [problem]


def test_the_schema_allows_a_level_and_a_mapping() -> None:
    level, mapping = topology_schema(GOOD_CATALOGUE)["properties"]["verify"]["anyOf"]
    assert level == {"type": "integer", "minimum": 0, "maximum": 4}
    assert list(mapping["properties"]) == ["level", "nodes", "on_violation", "force"]
    force = mapping["properties"]["force"]
    assert list(force["properties"]) == list(Force.__dataclass_fields__)
    assert force["additionalProperties"] is False
    assert "$ref" not in json.dumps(mapping)
