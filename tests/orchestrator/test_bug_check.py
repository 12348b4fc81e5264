"""The policy ``bug-check``: who breaks a rule is killed, and nobody else is harmed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from nodes.crossings.crossing import ReceiveFlags
from nodes.driver import Driver
from nodes.ndis import Binding, Filter, Miniport, Protocol
from nodes.packets.chain import NblChain
from nodes.registry import STOCK_DRIVERS
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.receiver import Receiver
from nodes.stock.traffic import Traffic
from nodes.stock.wan_miniport import StockWanMiniport
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

    after = AFTER
    seen = 0

    def slips(self, chain: NblChain) -> bool:
        before, self.seen = self.seen, self.seen + len(chain)
        return before < self.after <= self.seen


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


class BadSource(Traffic, Slips):
    """Touches packets that it has sent again (N6-SEND-03)."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        if self.slips(chain):
            chain.status = Status.SUCCESS


class BadWan(StockWanMiniport, Slips):
    """Completes a packet twice (WAN-SND-01)."""

    after = 100

    def _left(self, chain: NblChain) -> None:
        packet = self._packets.get(int(chain.handles[0]))
        super()._left(chain)
        if self.slips(chain) and packet is not None:
            self.adapter.wan_send_complete(packet)


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


class Lender(Miniport):
    """Indicates one packet after the other with RESOURCES, each when the last call has returned."""

    source = True
    default_pool_size = 4
    left = 20

    def restart(self) -> None:
        self.set_timer(1000, self._lend)

    def _lend(self) -> None:
        chain = self.adapter.allocate_net_buffer_lists(1, 60)
        self.adapter.indicate_receive_net_buffer_lists(chain, ReceiveFlags.RESOURCES)
        self.free(chain)
        self.left -= 1
        if self.left:
            self.set_timer(1000, self._lend)
        else:
            self.report_done()


class Sleeper(Protocol):
    """Returns a packet that was lent with RESOURCES (N6-RX-05), and does not come back from its handler."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        binding.return_net_buffer_lists(chain)
        self.wait(lambda: False, 3600 * SECOND)


BAD: dict[str, type[Driver]] = {
    "lender": Lender,
    "sleeper": Sleeper,
    "source": BadSource,
    "wan": BadWan,
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
    (broken, *_), (death,) = (
        [of for of in report.events if of.kind == kind] for kind in ("violation", "death")
    )
    assert (broken.where, death.where, death.what) == (culprit, culprit, "bug-check")
    assert (broken.began or 0) <= (death.began or 0)
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


@MODES
def test_who_waits_for_the_return_of_a_call_to_the_dead_one_goes_on(mode: Mode) -> None:
    text = """
nodes:
  nic: {driver: bad-lender}
  top: {driver: bad-sleeper}
bindings: [top -> nic]
"""
    run, report = bug_checked(text, mode)
    assert (report.error, report.ended) == (None, "done")
    assert {(violation.rule, violation.node) for violation in report.violations} == {("N6-RX-05", "top")}
    assert {name: node.state for name, node in report.nodes.items()} == {"nic": "Halted", "top": "Bugchecked"}
    assert run.warnings == []


@MODES
def test_links_of_a_dead_wan_miniport_go_down_and_the_others_carry_on(mode: Mode) -> None:
    text = """
nodes:
  bulk: {driver: traffic, packets: 300, size: 1000}
  wan-a: {driver: ndiswan, fragment: 400B, links: 2}
  bad-a: {driver: bad-wan, speed: 10Mbps}
  good-a: {driver: wan-miniport, speed: 10Mbps}
  wan-b: {driver: ndiswan}
  bad-b: {driver: wan-miniport, speed: 10Mbps}
  good-b: {driver: wan-miniport, speed: 10Mbps}
  sink: {driver: receiver}
bindings: [bulk -> wan-a -> bad-a, wan-a -> good-a, sink -> wan-b -> bad-b, wan-b -> good-b]
wires:
  - {between: [bad-a, bad-b]}
  - {between: [good-a, good-b]}
"""
    run, report = bug_checked(text, mode)
    assert (report.error, report.ended) == (None, "done")
    assert {violation.node for violation in report.violations} == {"bad-a"}
    assert (report.conservation.completed, report.conservation.lost) == (300, 0)
    assert {node.state for name, node in report.nodes.items() if name != "bad-a"} == {"Halted"}
    assert run.warnings == []


def test_a_run_without_its_only_source_is_done() -> None:
    text = """
nodes:
  bulk: {driver: bad-source, packets: 5000, size: 256}
  nic:  {driver: miniport}
bindings: [bulk -> nic]
"""
    _, report = bug_checked(text, "inline")
    assert (report.error, report.ended, report.conservation.lost) == (None, "done", 0)
    assert report.nodes["bulk"].state == "Bugchecked"
