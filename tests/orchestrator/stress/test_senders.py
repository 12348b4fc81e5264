"""Senders take the place of a topology's own sources, and send what and as fast as they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.drivers import Catalogue
from orchestrator.stress.senders import Load, LoadMismatch, forgotten, shared_window, sources, with_load
from orchestrator.stress.shapes import shape_topology
from orchestrator.topology import Topology, parse_topology

TWO_TOPS = """
name: two-tops
nodes:
  bulk:  {driver: traffic, packets: 100}
  storm: {driver: oid-storm}
  more:  {driver: traffic}
  mux:   {driver: mux}
  nic0:  {driver: miniport}
  nic1:  {driver: miniport}
  sink:  {driver: receiver}
bindings:
  - {upper: bulk, lower: mux, depth: 4096, weight: 4}
  - storm -> mux
  - mux -> nic0
  - more -> nic1
  - sink -> nic1
verify: {level: 2, nodes: {bulk: 4, mux: 3}, force: {pending: true, nodes: [more, mux]}}
pass: [completed == 100, lost == 0, statuses.SUCCESS == 100, latency.p99 < 1s, in_flight == 0]
"""


def read(text: str) -> Topology:
    return parse_topology(text, "file", Catalogue(), Path.cwd())


def loaded(topology: Topology, load: Load) -> Topology:
    return with_load(topology, load, Catalogue())


def above(topology: Topology, lower: str) -> list[str]:
    return [binding.upper for binding in topology.bindings if binding.lower == lower]


def test_senders_are_spread_over_what_was_below_the_sources_and_take_over_their_bindings() -> None:
    topology = loaded(read(TWO_TOPS), Load(senders=5))
    assert sources(topology) == [f"sender-{number}" for number in range(1, 6)]
    assert above(topology, "mux") == ["sender-1", "sender-3", "sender-5", "storm"]
    assert above(topology, "nic1") == ["sender-2", "sender-4", "sink"]
    first = topology.bindings[0]
    assert (first.upper, first.depth, first.weight) == ("sender-1", 4096, 4)


def test_levels_and_what_is_forced_follow_the_nodes_that_are_left() -> None:
    topology = loaded(read(TWO_TOPS), Load(senders=2))
    assert dict(topology.levels) == {"mux": 3}
    assert topology.force.nodes == ("mux", "sender-1", "sender-2")


def test_conditions_that_count_what_replaced_senders_sent_are_told_apart() -> None:
    topology = read(TWO_TOPS)
    assert [str(one) for one in forgotten(topology, Load(senders=2))] == [
        "completed == 100",
        "statuses.SUCCESS == 100",
    ]
    assert forgotten(topology, Load(rate=500)) == []
    text = TWO_TOPS.replace("packets: 100", 'phases: "1s@5, peak=1s@9"')
    text = text.replace("lost == 0", "phases.peak.latency.p99 < 1s, lost == 0")
    told = [str(one) for one in forgotten(read(text), Load(senders=2))]
    assert told[1:2] == ["phases.peak.latency.p99 < 1s"], "the phases go with the senders"
    assert len(forgotten(read(text), Load(senders=2, phases="peak=1s@7"))) == 2


def test_a_rate_is_that_of_all_senders_together() -> None:
    topology = loaded(shape_topology("mux:above=3", Catalogue()), Load(rate=1000, burst=8, size="imix"))
    options = [topology.nodes[name].options for name in sources(topology)]
    assert [of.rate for of in options] == [334, 333, 333]
    assert {(of.burst, of.size) for of in options} == {(8, "imix")}


def test_phases_are_those_of_all_senders_together_and_take_the_place_of_a_rate() -> None:
    topology = loaded(read(TWO_TOPS), Load(senders=3, rate=30))
    load = Load(phases="2s@100, 1.5s@10..80, 1s@2x10ms, 3s@max", arrivals="poisson")
    topology = loaded(topology, load)
    options = [topology.nodes[name].options for name in sources(topology)]
    assert [of.phases for of in options] == [
        "2s@34, 1.5s@4..27, 1s@1x10ms, 3s@max",
        "2s@33, 1.5s@3..27, 1s@1x10ms, 3s@max",
        "2s@33, 1.5s@3..26, 1s@0, 3s@max",
    ]
    assert {(of.rate, of.arrivals) for of in options} == {(0, "poisson")}
    assert load.duration_ns == 7_500_000_000


def test_many_senders_share_a_bounded_number_of_packets_in_flight() -> None:
    assert [shared_window(count) for count in (1, 16, 64, 300, 2000)] == [1024, 1024, 256, 54, 32]
    topology = loaded(shape_topology("linear", Catalogue()), Load(senders=64))
    assert {topology.nodes[name].options.window for name in sources(topology)} == {256}


@pytest.mark.parametrize(
    ("text", "load", "message"),
    [
        ("", Load(senders=2, rate=1), "--rate 1 is less than a packet/s for each of 2 senders"),
        ("", Load(size="huge"), "--size: "),
        ("", Load(rate=100, phases="1s@10"), "leave one of them out"),
        ("", Load(phases="1s"), "--phases: '1s' is not a phase"),
        ("", Load(arrivals="poisson"), "--arrivals: poisson arrivals need a rate or phases"),
        ("events: [{at: 1ms, pause: bulk}]", Load(senders=2), "bulk is replaced, but an event"),
    ],
)
def test_a_load_that_does_not_go_with_the_topology_is_refused(text: str, load: Load, message: str) -> None:
    with pytest.raises(LoadMismatch, match=message):
        loaded(read(f"{TWO_TOPS}{text}\n"), load)


def test_an_option_that_no_sender_has_is_refused_with_the_cure() -> None:
    text = "name: asked\nnodes: {storm: {driver: oid-storm}, nic: {driver: miniport}}\nbindings: [storm -> nic]\n"
    with pytest.raises(LoadMismatch, match="give --senders to replace them"):
        loaded(read(text), Load(burst=8))
