"""Packets of several NBs are refused where a layer below takes one frame of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.registry import STOCK_DRIVERS
from orchestrator import Catalogue, Report, Topology, TopologyError, launch, parse_topology, report_of
from orchestrator.events import Reason
from orchestrator.stress.senders import Load, LoadMismatch, shared_window, sources, with_load

CATALOGUE = Catalogue((), {**STOCK_DRIVERS, "serial": "tests.nodes.ndis5.layers5:Serial"})
STACK = """\
name: several
nodes:
  bulk: {driver: traffic%s}
  mux:  {driver: mux}
  watch: {driver: pass-through}
  old:  {driver: serial}
  nic:  {driver: miniport}
bindings: [bulk -> mux -> watch -> old, mux -> nic]
"""
WAN = Path(__file__).parents[3] / "examples" / "wan-multilink.ndisim.yml"


def parse(text: str) -> Topology:
    return parse_topology(text, "several.yml", CATALOGUE, Path.cwd())


def test_a_driver_of_ndis_5_anywhere_below_refuses_them_with_place_and_cure() -> None:
    with pytest.raises(TopologyError) as caught:
        parse(STACK % ", buffers: 4")
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == ("nodes.bulk.buffers", 3)
    assert problem.message == "old is an NDIS 5 driver, and a packet of NDIS 5 is one frame"
    assert parse(STACK % ", buffers: 1").nodes["bulk"].options.buffers == 1


def test_a_load_of_such_packets_is_refused_too() -> None:
    with pytest.raises(LoadMismatch, match="--buffers: old is an NDIS 5 driver"):
        with_load(parse(STACK % ""), Load(buffers=2), CATALOGUE)


def test_senders_with_such_packets_share_the_same_number_of_frames_in_flight() -> None:
    assert [shared_window(16, buffers) for buffers in (1, 4, 256)] == [1024, 256, 32]
    text = (
        "name: plain\nnodes:\n  bulk: {driver: traffic}\n  nic: {driver: miniport}\nbindings: [bulk -> nic]\n"
    )
    topology = with_load(parse(text), Load(senders=16, buffers=4), CATALOGUE)
    found = [topology.nodes[name].options for name in sources(topology)]
    assert {(options.window, options.buffers) for options in found} == {(256, 4)}


def finished(text: str) -> Report:
    with launch(parse(text), mode="inline") as run:
        assert run.wait(60) is Reason.DONE
    return report_of(run)


def test_ndiswan_carries_every_frame_of_such_packets() -> None:
    text = WAN.read_text().replace("packets: 1000, size: 1000", "packets: 100, size: 400, buffers: 3")
    text = text.replace("completed == 1000, received == 1000", "completed == 100, received == 300")
    report = finished(text)
    assert report.verdict == "pass", report.thresholds
    assert (report.received.corrupt, report.received.out_of_order) == (0, 0)
