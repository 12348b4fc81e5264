from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.drivers import Catalogue
from orchestrator.topology import TopologyError, parse_topology
from tests.orchestrator.topology.samples import problems

NODES = """\
name: links
nodes:
  top: {driver: traffic}
  alt: {driver: receiver}
  fil: {driver: filter}
  mux: {driver: mux}
  mix: {driver: mux}
  nic: {driver: nic}
  nac: {driver: nic}
bindings:
"""
SOUND = ["top -> fil -> mux -> nic", "alt -> mix -> nac"]


def found(bindings: list[str], wires: list[str] | None = None) -> list[str]:
    """Return path and message of each problem."""
    text = NODES + ("".join(f"  - {entry}\n" for entry in bindings) or "  []\n")
    text += "wires:\n" + "".join(f"  - {entry}\n" for entry in wires) if wires else ""
    return [line.split(": ", 1)[1] for line in problems(text)]


def test_a_sound_stack_has_no_problem() -> None:
    assert found(SOUND, ["{between: [nic, nac]}"]) == []


@pytest.mark.parametrize(
    ("bindings", "problem"),
    [
        (["mux -> mix", "mix -> mux"], "bindings[3]: the bindings form a cycle: mux -> mix -> mux"),
        (["mix -> mix"], "bindings[2]: the bindings form a cycle: mix -> mix"),
        (
            ["nic -> nac"],
            "bindings[2]: nic is a miniport, it is bound above nothing (join two miniports by a wire)",
        ),
        (["alt -> top"], "bindings[2]: top is a protocol, nothing is bound above it"),
        (["mux -> alt"], "bindings[2]: alt is a protocol, nothing is bound above it (write alt -> mux)"),
        (["mux -> nic"], "bindings[2]: mux -> nic is bound twice"),
        (["mux -> nik"], "bindings[2]: there is no node 'nik' (did you mean nic?)"),
        (["fil -> nac"], "nodes.fil: a filter has exactly one node below it, this one has 2"),
        (["mux"], "bindings[2]: 'mux' is not a binding (write upper -> lower, e.g. mux -> nic0)"),
        (["mux -> -> nac"], "bindings[2]: 'mux -> -> nac' is not a binding"),
        (["mux -> NAC"], "bindings[2].lower: 'NAC' is not a name"),
        (
            ["[mux, nac]"],
            "bindings[2]: a mapping is wanted here (keys: upper, lower, coalesce, depth, weight)",
        ),
        (["{upper: mux}"], "bindings[2].lower: the key 'lower' is missing"),
        (["{upper: mux, lower: nac, depth: 100}"], "bindings[2].depth: 100 is not a power of two"),
        (["{upper: mux, lower: nac, depth: 8}"], "bindings[2].depth: '8' is out of bounds (at least 16)"),
        (
            ["{upper: mux, lower: nac, depth: 131072}"],
            "bindings[2].depth: '131072' is out of bounds (at most 65536)",
        ),
        (["{upper: mux, lower: nac, deep: 16}"], "bindings[2].deep: unknown key (did you mean depth?)"),
    ],
)
def test_a_binding_that_makes_no_stack_is_a_problem(bindings: list[str], problem: str) -> None:
    assert any(line.startswith(problem) for line in found([*SOUND, *bindings]))


def test_every_cycle_is_named() -> None:
    lines = found([*SOUND, "mux -> mix -> mux", "fil -> fil"])
    hint = "(a packet would go round for ever; remove one of these bindings)"
    assert [line for line in lines if "cycle" in line] == [
        f"bindings[2]: the bindings form a cycle: mux -> mix -> mux {hint}",
        f"bindings[3]: the bindings form a cycle: fil -> fil {hint}",
    ]


def test_a_long_cycle_is_shortened() -> None:
    names = [f"m{index}" for index in range(50)]
    text = "name: ring\nnodes:\n" + "".join(f"  {name}: {{driver: mux}}\n" for name in names)
    (line,) = problems(f"{text}bindings: [{' -> '.join([*names, names[0]])}]")
    assert "... 39 more ..." in line


def test_every_unbound_node_is_named() -> None:
    below, above = "it is bound above nothing", "nothing is bound above it"
    assert [line.partition(" (")[0] for line in found([])] == [
        f"nodes.top: the protocol is unbound: {below}",
        f"nodes.alt: the protocol is unbound: {below}",
        f"nodes.fil: the filter is unbound: {below}",
        f"nodes.fil: the filter is unbound: {above}",
        f"nodes.mux: the intermediate is unbound: {below}",
        f"nodes.mux: the intermediate is unbound: {above}",
        f"nodes.mix: the intermediate is unbound: {below}",
        f"nodes.mix: the intermediate is unbound: {above}",
        f"nodes.nic: the miniport is unbound: {above}",
        f"nodes.nac: the miniport is unbound: {above}",
    ]


def test_an_unbound_node_comes_with_the_binding_to_add() -> None:
    assert found(SOUND[:1])[0].endswith("(add e.g. 'alt -> some-miniport' to bindings)")


@pytest.mark.parametrize(
    ("wires", "problem"),
    [
        (["{between: [nic, nic]}"], "wires[0].between: the wire joins nic to itself (name two miniports)"),
        (
            ["{between: [nic, mux]}"],
            "wires[0].between[1]: mux is of kind intermediate, a wire joins miniports",
        ),
        (["{between: [nic, nak]}"], "wires[0].between[1]: there is no node 'nak' (did you mean nac?)"),
        (
            ["{between: [nic, nac]}", "{between: [nac, nic]}"],
            "wires[1].between[0]: nac has a wire already, to nic",
        ),
        (["{between: [nic]}"], "wires[0].between: exactly two are wanted here"),
        (["{between: [nic, nac, nic]}"], "wires[0].between: exactly two are wanted here"),
        (["{latency: 5us}"], "wires[0].between: the key 'between' is missing"),
        (["{between: [nic, nac], loss: 2}"], "wires[0].loss: '2' is more than the whole"),
        (["{between: [nic, nac], latency: 5}"], "wires[0].latency: '5' has no unit (write e.g. 5us)"),
        (["nic - nac"], "wires[0]: a mapping is wanted here (keys: between, latency, bandwidth, loss)"),
    ],
)
def test_a_wire_that_cannot_be_laid_is_a_problem(wires: list[str], problem: str) -> None:
    lines = found(SOUND, wires)
    assert lines
    assert lines[0].startswith(problem)


WAN = """
name: wan
nodes:
  top:  {driver: receiver}
  tap:  {driver: pass-through}
  wan:  {driver: ndiswan}
  also: {driver: ndiswan}
  line: {driver: wan-miniport}
  nic:  {driver: miniport}
bindings:
"""


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        (
            ["top -> wan -> tap -> line"],
            [
                "wan sends over WAN miniports only, tap is none"
                " (bind wan-miniport nodes below it; put a filter above it)",
                "line is a WAN miniport, tap cannot be bound above it"
                " (only an ndiswan is bound above a WAN miniport; put a filter above the ndiswan)",
            ],
        ),
        (["top -> wan -> line", "top -> line"], ["line is a WAN miniport, top cannot be bound above it"]),
        (["top -> wan -> nic"], ["wan sends over WAN miniports only, nic is none"]),
        (
            ["top -> wan -> line", "top -> also -> line"],
            ["line has one driver above it, and that is wan"],
        ),
    ],
)
def test_only_an_ndiswan_stands_above_a_wan_miniport(bindings: list[str], expected: list[str]) -> None:
    with pytest.raises(TopologyError) as caught:
        parse_topology(WAN + "".join(f"  - {line}\n" for line in bindings), "t.yml", Catalogue(), Path("/"))
    told = [problem.to_text("t.yml") for problem in caught.value.problems]
    for part in expected:
        assert any(part in line for line in told), told
