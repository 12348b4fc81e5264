"""In which order a stack is paused, restarted, spliced and taken apart: scripts, without nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.spec import NodeSpec
from orchestrator.drivers import Catalogue
from orchestrator.events import Replied
from orchestrator.operations import Stack, Stage, Verb
from orchestrator.plan import compile_plan
from orchestrator.procedure import FIRST_REQUEST, Operation, Procedure
from orchestrator.topology import parse_topology

TEXT = """\
name: stack
nodes:
  bulk: {driver: traffic}
  sink: {driver: receiver}
  high: {driver: pass-through}
  low: {driver: pass-through}
  nic: {driver: miniport}
  mux: {driver: mux}
  spare: {driver: miniport}
bindings: [bulk -> mux, mux -> high -> low -> nic, sink -> low, mux -> spare]
"""


def specs() -> tuple[NodeSpec, ...]:
    topology = parse_topology(TEXT, "t.yml", Catalogue(), Path())
    plan = compile_plan(
        topology, token=1, token_text="t", directory=Path("/nowhere"), output=None, secret=b""
    )
    return plan.nodes


NODES = {spec.name: spec.node for spec in specs()}
NAMES = {node: name for name, node in NODES.items()}
EDGES = {
    end.edge: f"{spec.name} -> {end.peer_name}"
    for spec in specs()
    for end in spec.edges
    if end.side == "upper"
}


def told(stages: list[Stage]) -> list[list[str]]:
    """Return stages as text: node or binding, and what it is told."""
    return [
        [
            f"{EDGES.get(ask.arguments.get('edge', 0), NAMES[ask.node])}: {ask.arguments.get('event', ask.command)}"
            for ask in stage
        ]
        for stage in stages
    ]


def script(verb: Verb, node: str, lower: str = "", stack: Stack | None = None) -> list[list[str]]:
    stack = stack or Stack(specs())
    edge = stack.edge(NODES[node], NODES[lower]) if lower else 0
    return told(stack.script(verb, NODES[node], edge))


PAUSE_ABOVE = [
    ["mux -> high: pause_binding", "sink -> low: pause_binding"],
    ["high: pause"],
    ["low: pause"],
]
RESTART_ABOVE = [
    ["low: restart"],
    ["high: restart"],
    ["mux -> high: restart_binding", "sink -> low: restart_binding"],
]


@pytest.mark.rule("N6-PNP-08")
def test_a_stack_is_paused_from_its_top_and_restarted_from_its_bottom() -> None:
    assert script("pause", "nic") == [*PAUSE_ABOVE, ["nic: pause"]]
    assert script("restart", "nic") == [["nic: restart"], *RESTART_ABOVE]


@pytest.mark.rule("N6-PNP-08")
def test_a_protocol_stands_on_top_and_an_intermediate_driver_below_those_above_it() -> None:
    assert script("pause", "bulk") == [["bulk: pause"]]
    assert script("restart", "bulk") == [["bulk: restart"]]
    assert script("pause", "mux") == [["bulk -> mux: pause_binding"], ["mux: pause"]]


def test_what_is_paused_is_not_paused_again() -> None:
    stack = Stack(specs())
    for stage in stack.script("pause", NODES["high"]):
        for ask in stage:
            stack.note(ask)
    assert script("pause", "nic", stack=stack) == [
        ["sink -> low: pause_binding"],
        ["low: pause"],
        ["nic: pause"],
    ]


@pytest.mark.rule("N6-UNB-04")
def test_a_surprise_removal_asks_upwards_tells_the_miniport_and_goes_down_from_the_top() -> None:
    assert script("remove", "nic") == [
        ["nic: unplug"],
        ["low: query-remove-device"],
        ["high: query-remove-device"],
        ["mux -> high: query-remove-device", "sink -> low: query-remove-device"],
        ["nic: surprise-removed"],
        *PAUSE_ABOVE,
        ["nic: pause"],
        ["mux -> high: unbind", "sink -> low: unbind"],
        ["high: halt"],
        ["low: halt"],
        ["nic: halt"],
    ]


@pytest.mark.rule("N6-UNB-04")
def test_vista_tells_the_miniport_first_and_asks_nobody() -> None:
    stages = script("remove", "nic", stack=Stack(specs(), "vista"))
    assert stages[:3] == [["nic: unplug"], ["nic: surprise-removed"], PAUSE_ABOVE[0]]
    assert not any("query" in text for stage in stages for text in stage)


@pytest.mark.rule("N6-UNB-02")
def test_a_binding_is_paused_before_it_is_undone() -> None:
    assert script("unbind", "mux", "high") == [["mux -> high: pause_binding"], ["mux -> high: unbind"]]


def test_a_filter_is_spliced_out_and_in_while_its_stack_is_paused() -> None:
    tops = PAUSE_ABOVE[0]
    assert script("detach", "low") == [
        tops,
        ["high: pause"],
        ["low: pause"],
        ["nic: pause"],
        ["low: detach"],
        ["nic: restart"],
        ["high: restart"],
        RESTART_ABOVE[2],
    ]
    stack = Stack(specs())
    stack.halted.add(NODES["low"])
    assert script("attach", "low", stack=stack) == [
        tops,
        ["high: pause"],
        ["nic: pause"],
        ["low: initialize"],
        ["nic: restart"],
        ["low: restart"],
        ["high: restart"],
        RESTART_ABOVE[2],
    ]


def done(stack: Stack, verb: Verb, node: str, lower: str = "") -> list[list[str]]:
    """Carry out a script as if all nodes did as they are told; return it as text."""
    stages = stack.script(verb, NODES[node], stack.edge(NODES[node], NODES[lower]) if lower else 0)
    for stage in stages:
        for ask in stage:
            stack.note(ask)
    return told(stages)


@pytest.mark.rule("N6-PNP-08", "N6-UNB-02")
def test_a_disabled_adapter_goes_down_from_the_top_and_comes_back_from_the_bottom() -> None:
    stack = Stack(specs())
    assert done(stack, "disable", "nic") == [
        ["low: query-remove-device"],
        ["high: query-remove-device"],
        ["mux -> high: query-remove-device", "sink -> low: query-remove-device"],
        *PAUSE_ABOVE,
        ["nic: pause"],
        ["mux -> high: unbind", "sink -> low: unbind"],
        ["high: halt"],
        ["low: halt"],
        ["nic: halt"],
    ]
    assert stack.down(NODES["nic"])
    assert done(stack, "disable", "nic") == []
    assert done(stack, "enable", "nic") == [
        ["nic: initialize"],
        ["low: initialize"],
        ["high: initialize"],
        ["mux -> high: bind", "sink -> low: bind"],
        ["nic: restart"],
        *RESTART_ABOVE,
    ]
    assert not (stack.halted | stack.paused | stack.idle | stack.unbound)
    assert done(stack, "enable", "nic") == []


def test_of_a_disabled_protocol_only_the_bindings_go() -> None:
    stack = Stack(specs())
    assert done(stack, "disable", "sink") == [["sink -> low: pause_binding"], ["sink -> low: unbind"]]
    assert done(stack, "pause", "nic")[0] == ["mux -> high: pause_binding"]
    done(stack, "restart", "nic")
    assert done(stack, "enable", "sink") == [["sink -> low: bind"], ["sink -> low: restart_binding"]]


def test_what_is_down_for_itself_does_not_come_back_with_its_adapter() -> None:
    stack = Stack(specs())
    done(stack, "disable", "sink")
    done(stack, "detach", "low")
    done(stack, "unbind", "mux", "high")
    done(stack, "remove", "nic")
    assert done(stack, "enable", "sink") == []
    assert done(stack, "bind", "mux", "high") == []
    assert done(stack, "attach", "low") == []
    stack.detached.add(NODES["low"])
    assert done(stack, "enable", "nic") == [
        ["nic: initialize"],
        ["high: initialize"],
        ["mux -> high: bind", "sink -> low: bind"],
        ["nic: restart"],
        ["high: restart"],
        ["mux -> high: restart_binding", "sink -> low: restart_binding"],
    ]


def test_an_intermediate_driver_comes_back_without_the_adapters_that_are_down() -> None:
    stack = Stack(specs())
    done(stack, "disable", "mux")
    assert done(stack, "disable", "spare")[-2:] == [["spare: pause"], ["spare: halt"]]
    assert done(stack, "enable", "mux") == [
        ["mux: initialize"],
        ["mux -> spare: unbind"],
        ["bulk -> mux: bind"],
        ["mux: restart"],
        ["bulk -> mux: restart_binding"],
    ]
    assert done(stack, "enable", "spare")[1] == ["mux -> spare: bind"]


def test_what_a_user_has_paused_stays_paused_on_an_adapter_that_comes_back() -> None:
    stack = Stack(specs())
    done(stack, "pause", "sink")
    done(stack, "disable", "nic")
    assert done(stack, "enable", "nic")[-1] == ["mux -> high: restart_binding"]


def test_a_disabled_filter_is_a_detached_one() -> None:
    stack = Stack(specs())
    assert done(stack, "disable", "low") == script("detach", "low")
    assert done(stack, "disable", "low") == []
    assert ["low: initialize"] in done(stack, "enable", "low")


class Nodes:
    """Nodes that note what they are asked; `refuse` is the command that they refuse."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, str]] = []
        self.ended: list[Operation] = []
        self.begun: list[Operation] = []
        self.refuse = ""
        self.procedure = Procedure(
            Stack(specs()), NAMES, self.ask, lambda after: None, 5_000_000_000, self.told
        )

    def told(self, operation: Operation) -> None:
        (self.ended if operation.ended else self.begun).append(operation)

    def ask(self, node: int, request: int, command: str, arguments: dict[str, Any]) -> None:
        self.asked.append((node, request, command))

    def answer_all(self) -> None:
        """Answer everything until nothing more is asked."""
        while self.asked:
            node, request, command = self.asked.pop(0)
            ok = command != self.refuse
            self.procedure.answered(Replied(node, request, ok, None, "" if ok else "no"))


@pytest.mark.rule("N6-PNP-06")
def test_an_operation_waits_for_the_one_before_it() -> None:
    nodes = Nodes()
    first, second = Operation("pause", NODES["bulk"], "bulk"), Operation("restart", NODES["bulk"], "bulk")
    nodes.procedure.begin(first)
    nodes.procedure.begin(second)
    assert [command for _, _, command in nodes.asked] == ["pause"]
    assert nodes.begun == [first]
    nodes.answer_all()
    assert nodes.begun == nodes.ended == [first, second]
    assert (first.error, second.error, nodes.procedure.busy) == (None, None, False)


def test_a_refusal_ends_an_operation_with_its_reason() -> None:
    nodes = Nodes()
    nodes.refuse = "restart"
    operation = Operation("restart", NODES["nic"], "nic")
    nodes.procedure.begin(operation)
    nodes.answer_all()
    assert str(operation.error) == "restart of nic: node nic refused to restart: no"


def test_an_overdue_stage_names_who_has_not_answered() -> None:
    nodes = Nodes()
    operation = Operation("pause", NODES["nic"], "nic")
    nodes.procedure.begin(operation)
    nodes.procedure.timed_out()
    told_late = "pause of nic: no answer in 5 s from mux (pause_binding), sink (pause_binding)"
    assert (str(operation.error), operation.ended) == (told_late, True)
    assert nodes.procedure.answered(Replied(1, FIRST_REQUEST + 1))
    assert not nodes.procedure.answered(Replied(1, 7))


def test_an_operation_leaves_the_dead_out_and_does_not_wait_for_their_answers() -> None:
    nodes = Nodes()
    operation = Operation("pause", NODES["nic"], "nic")
    nodes.procedure.begin(operation)
    nodes.procedure.died(NODES["high"])
    nodes.procedure.died(NODES["mux"])
    assert [node for node, _, _ in nodes.asked] == [NODES["mux"], NODES["sink"]]
    nodes.asked.pop(0)
    node, request, _ = nodes.asked.pop(0)
    nodes.procedure.answered(Replied(node, request))
    assert [(node, command) for node, _, command in nodes.asked] == [(NODES["low"], "pause")]
    nodes.procedure.died(NODES["low"])
    nodes.procedure.died(NODES["nic"])
    assert (nodes.ended, operation.error) == ([operation], None)
