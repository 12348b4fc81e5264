"""A phase is named by faults and conditions; one that is none, or several, is told with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.stock.phases import parse_phases
from orchestrator import Catalogue, Topology, TopologyError, parse_topology
from orchestrator.topology import dump_topology
from orchestrator.topology.phases import NoSuchPhase, check_phases, sources_in, spans

PLANS = {
    "bulk": parse_phases("1s@10, peak=2s@100, 1s@0"),
    "voice": parse_phases("1s@5, peak=2s@7, 2s@0"),
    "late": parse_phases("5s@1, dawn=1s@9"),
    "mux": (),
}
STACK = """\
name: phased
nodes:
  bulk: {driver: traffic, phases: "1s@10, peak=2s@100"}
  voice: {driver: traffic, phases: "2s@10, 2s@max"}
  mux: {driver: mux}
  nic: {driver: miniport}
bindings: [bulk -> mux -> nic, voice -> mux]
"""


def parse(text: str) -> Topology:
    return parse_topology(text, "phased.yml", Catalogue(()), Path.cwd())


def told(text: str) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        parse(text)
    return [problem.to_text("t").partition(": ")[2] for problem in caught.value.problems]


def test_a_phase_is_of_all_sources_that_plan_it_for_the_same_time() -> None:
    assert sources_in(PLANS, "peak") == {"bulk": 1, "voice": 1}
    assert sources_in(PLANS, "bulk/peak") == {"bulk": 1}
    assert sources_in(PLANS, "late/1") == {"late": 0}
    assert spans(PLANS["bulk"])[1] == (10**9, 3 * 10**9)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("peek", "no source has a phase 'peek' (did you mean peak?)"),
        ("bulk/dawn", "bulk has no phase 'dawn' (known: 1, 3, peak)"),
        ("bolk/peak", "there is no node 'bolk' (did you mean bulk?)"),
        ("mux/peak", 'mux has no phases (write e.g. phases: "2s@1000, peak=1s@8000")'),
        ("3", "phase '3' is at another time in voice than in bulk (write bulk/3 or voice/3)"),
    ],
)
def test_what_is_no_phase_or_several_is_told_with_the_cure(reference: str, message: str) -> None:
    with pytest.raises(NoSuchPhase) as caught:
        sources_in(PLANS, reference)
    assert str(caught.value) == message


def test_where_nothing_sends_by_phases_there_is_none() -> None:
    with pytest.raises(NoSuchPhase, match="no source of this topology has phases"):
        sources_in({"mux": ()}, "peak")


def test_a_fault_goes_with_a_phase() -> None:
    text = STACK + "faults: [{name: a, on: mux -> nic, hold: 5%, during: peak, for: 10ms}]\n"
    [fault] = parse(text).faults
    assert (fault.during, fault.at, fault.lasts) == ("peak", 0, 10_000_000)
    assert parse(dump_topology(parse(text))).faults == (fault,)
    [fault] = parse(STACK + "faults: [{name: a, on: nic, stop: 1ms, during: 2}]").faults
    assert fault.during == "2", "a phase may be named by its number"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "faults: [{name: a, on: nic, stop: 1ms, during: peek}]",
            "faults[0].during: no source has a phase 'peek' (did you mean peak?)",
        ),
        (
            "faults: [{name: a, on: nic, stop: 1ms, during: peak, at: 1s}]",
            "faults[0].at: during says when it begins (leave at out, or during)",
        ),
        (
            'faults: [{name: a, on: nic, stop: 1ms, during: "1"}]',
            "faults[0].during: phase '1' is at another time in voice than in bulk (write bulk/1 or voice/1)",
        ),
        (
            "pass: [lost == 0, phases.peek.sent > 5]",
            "pass[1]: no source has a phase 'peek' (did you mean peak?)",
        ),
    ],
)
def test_a_phase_that_is_none_is_told_at_its_place(section: str, message: str) -> None:
    [found] = told(f"{STACK}{section}\n")
    assert found.startswith(message)


def test_phases_that_could_not_be_read_are_the_only_mistake() -> None:
    found = told(STACK.replace("peak=2s@100", "peak=2s@x") + "pass: [phases.peak.sent > 5]\n")
    assert len(found) == 1
    assert found[0].startswith("nodes.bulk.phases: 'peak=2s@x' is not a phase")


def test_what_names_a_phase_that_another_load_took_away_is_named() -> None:
    topology = parse(STACK + "faults: [{name: a, on: nic, stop: 1ms, during: peak}]\n")
    check_phases(topology)
    nodes = {name: node for name, node in topology.nodes.items() if name != "bulk"}
    with pytest.raises(NoSuchPhase, match="fault a: no source has a phase 'peak'"):
        check_phases(topology.model_copy(update={"nodes": nodes}))
