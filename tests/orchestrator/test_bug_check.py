"""The policy ``bug-check``: who breaks a rule is killed, and nobody else is harmed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from nodes.chain import NblChain
from nodes.driver import Driver
from nodes.ndis import Binding, Filter
from nodes.registry import STOCK_DRIVERS
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.receiver import Receiver
from orchestrator import Catalogue, Report, Run, launch, parse_topology, report_of
from orchestrator.script import Limits

SECOND = 1_000_000_000
Mode = Literal["inline", "processes"]
MODES = pytest.mark.parametrize("mode", ["inline", "processes"])
AFTER = 1500
"""Packets that a driver lets pass before it breaks a rule."""


PATIENT = Limits(start=60 * SECOND, pause=60 * SECOND, settle=60 * SECOND, end=20 * SECOND)


class Slips:
    """Counts packets, and says once that it is time."""

    seen = 0

    def slips(self, chain: NblChain) -> bool:
        before, self.seen = self.seen, self.seen + len(chain)
        return before < AFTER <= self.seen


class BadFilter(Filter, Slips):
    """Sends a chain down twice (N6-SEND-03)."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists(chain, flags)
        if self.slips(chain):
            self.module.send_net_buffer_lists(chain, flags)


class BadNic(StockMiniport, Slips):
    """Touches a packet that it has completed (N6-SEND-14)."""

    def _left(self, chain: NblChain) -> None:
        super()._left(chain)
        if self.slips(chain):
            chain.status = Status.SUCCESS


class BadMux(Mux, Slips):
    """Touches a packet that it has completed (N6-SEND-14)."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        if self.slips(chain):
            chain.status = Status.SUCCESS


class BadSink(Receiver, Slips):
    """Returns received packets twice (N6-RX-04)."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().receive_net_buffer_lists(binding, chain, flags)
        if self.slips(chain):
            binding.return_net_buffer_lists(chain[:1])


BAD: dict[str, type[Driver]] = {
    "filter": BadFilter,
    "nic": BadNic,
    "mux": BadMux,
    "sink": BadSink,
    "pass": Filter,
}


def bug_checked(text: str, mode: Mode, seconds: float = 60.0) -> tuple[Run, Report]:
    own = {f"bad-{name}": f"{driver.__module__}:{driver.__name__}" for name, driver in BAD.items()}
    topology = parse_topology(
        f"name: bad\n{text}", "bad", Catalogue((), {**STOCK_DRIVERS, **own}), Path.cwd()
    )
    with launch(topology, mode=mode, violation_policy="bug-check", limits=PATIENT) as run:
        run.wait(seconds)
    return run, report_of(run)


TWO_STACKS = """
nodes:
  bulk0: {driver: traffic, packets: 5000, size: 256}
  bulk1: {driver: traffic, packets: 5000, size: 256}
  guard: {driver: %s}
  mux:   {driver: %s}
  nic0:  {driver: %s}
  nic1:  {driver: miniport}
  sink:  {driver: %s}
  other: {driver: traffic, packets: 5000, size: 256}
  nic2:  {driver: miniport}
bindings: [bulk0 -> guard -> mux, bulk1 -> mux, mux -> nic0, sink -> nic1, other -> nic2]
wires: [{between: [nic0, nic1]}]
"""
GOOD = {"guard": "bad-pass", "mux": "mux", "nic0": "miniport", "sink": "receiver"}


@MODES
@pytest.mark.parametrize(
    ("culprit", "driver"),
    [("guard", "bad-filter"), ("mux", "bad-mux"), ("nic0", "bad-nic"), ("sink", "bad-sink")],
)
def test_a_wrong_driver_dies_under_load_and_the_others_finish(culprit: str, driver: str, mode: Mode) -> None:
    run, report = bug_checked(TWO_STACKS % tuple({**GOOD, culprit: driver}.values()), mode)
    assert report.error is None
    assert {violation.node for violation in report.violations} == {culprit}
    assert report.verdict == "violations"
    assert {name: node.state for name, node in report.nodes.items()} == {
        name: "Bugchecked" if name == culprit else "Halted" for name in report.nodes
    }
    assert run.warnings == []
    of = report.conservation
    assert (of.accepted, of.completed, of.in_flight, of.lost, of.duplicated) == (
        15000,
        15000,
        0,
        0,
        of.duplicated,
    )
    assert report.nodes["other"].counters["completed"] == 5000
    assert report.received.corrupt == 0
