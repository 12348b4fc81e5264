"""The slowest packets of a run: which they were, and which layer kept them."""

from __future__ import annotations

from typing import Literal

import pytest

from orchestrator.outcome import report_of
from orchestrator.slowest import SlowPacket, slowest_packets
from orchestrator.text import to_text
from tests.orchestrator.page.reports import quickstart
from tests.orchestrator.synthetic import FakeRun
from tests.orchestrator.test_faults import PACKETS, launched


def test_packets_come_slowest_first_with_the_layers_that_held_them_in_between() -> None:
    run = FakeRun()
    run.note("top", None, (7, 1_000, 5_000), (8, 2_000, 9_000))
    run.note("nic", 0, (7, 500, 900), (7, 1_100, 4_900), (8, 1_900, 8_000))
    assert slowest_packets(run.observe()) == [
        SlowPacket("top", handle=9, packet_id=8, took=7_000, completed=9_000, held=()),
        SlowPacket("top", handle=8, packet_id=7, took=4_000, completed=5_000, held=(("nic", 3_800),)),
    ]


def test_a_run_that_sent_nothing_has_none() -> None:
    assert slowest_packets(FakeRun().observe()) == []


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_packets_that_a_layer_keeps_are_the_slowest_and_the_layer_is_named(
    mode: Literal["processes", "inline"],
) -> None:
    fault = "{name: late, on: mux -> nic0, delay: 60ms, share: 1%}"
    with launched(mode, fault) as run:
        run.wait(30)
    report = report_of(run)
    assert report.conservation.completed == PACKETS
    slowest = report.slowest[0]
    assert slowest.node == "bulk"
    assert (slowest.took or 0) >= 60_000
    assert slowest.took is not None
    assert slowest.took <= (report.latency_us.max or 0)
    assert slowest.held[0].node == "mux"
    assert 60_000 <= (slowest.held[0].held or 0) <= slowest.took
    assert (slowest.at or 0) >= 60_000


def test_the_text_tells_the_three_slowest() -> None:
    text = to_text(quickstart())
    first = "slowest       10ms: 0x2000000000000 of bulk, back at 1s; held by mux 9ms, nic0 8ms\n"
    assert first in text
    assert "slowest       10ms: 0x2000000000002 of bulk, back at 1s\n" in text
