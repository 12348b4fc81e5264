"""Nodes that are taken down and come back while traffic goes on, in both modes: nothing is lost, no rule is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from nodes.metrics import Counter, NodeState
from orchestrator import Catalogue, Report, Run, launch, parse_topology
from orchestrator.captures import read_capture
from orchestrator.events import Reason
from orchestrator.failures import OperationFailed
from orchestrator.outcome import report_of
from orchestrator.processes import ForkServer
from shm.board import Word

Mode = Literal["processes", "inline"]
both_modes = pytest.mark.parametrize("mode", ["processes", "inline"])
STACK = """
name: bouncing
seed: 7
nodes:
  bulk: {driver: traffic, size: 256, window: 64, burst: 8}
  mux:  {driver: mux}
  thru: {driver: pass-through}
  nic0: {driver: miniport}
  nic1: {driver: miniport}
  sink: {driver: receiver}
bindings: [bulk -> mux -> thru -> nic0, sink -> nic1]
wires: [{between: [nic0, nic1]}]
verify: 4
"""
WAN = """
name: bouncing
seed: 7
nodes:
  bulk:  {driver: traffic, size: 1000, window: 16, burst: 4}
  wan-a: {driver: ndiswan, fragment: 400B}
  a0:    {driver: wan-miniport, speed: 10Mbps}
  a1:    {driver: wan-miniport, speed: 10Mbps, complete: copied}
  b0:    {driver: wan-miniport, speed: 10Mbps}
  b1:    {driver: wan-miniport, speed: 10Mbps}
  wan-b: {driver: ndiswan}
  sink:  {driver: receiver}
bindings: [bulk -> wan-a -> a0, wan-a -> a1, sink -> wan-b -> b0, wan-b -> b1]
wires: [{between: [a0, b0]}, {between: [a1, b1]}]
verify: 4
"""
ENDS = ["SUCCESS", "PAUSED", "FAILURE"]
"""What sends may come back with: FAILURE where the last line of a bundle went."""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as warm:
        yield warm


def launched(mode: Mode, server: ForkServer, text: str, *faults: str) -> Run:
    text += f"faults: [{', '.join(faults)}]\n"
    topology = parse_topology(text, "bouncing.yml", Catalogue(()), Path.cwd())
    return launch(topology, mode=mode, warm=server if mode == "processes" else None)


def wait_for(run: Run, condition: Callable[[], bool]) -> None:
    """Let a run go on until a condition holds, for 20 s of its time at most."""
    for _ in range(4000):
        if condition():
            return
        assert run.wait(0.005) is Reason.TIME
    raise AssertionError("not within 20 s")


def received(run: Run) -> int:
    return int(run.boards["sink"].counters[Counter.RECEIVED])


def goes_on(run: Run, packets: int = 200) -> None:
    """Wait until so many more packets have arrived."""
    before = received(run)
    wait_for(run, lambda: received(run) >= before + packets)


def sound(run: Run) -> Report:
    """Return the report of a run that has ended: all that was sent came back, and no rule was broken."""
    report = report_of(run)
    assert (run.error, run.warnings, report.verdict, report.violations) == (None, [], "pass", [])
    conservation = report.conservation
    assert conservation.accepted == conservation.completed > 0
    assert (conservation.in_flight, conservation.lost, conservation.duplicated) == (0, 0, 0)
    assert set(report.statuses) <= set(ENDS)
    assert {node.state for node in report.nodes.values()} == {"Halted"}
    return report


@both_modes
@pytest.mark.rule("N6-PNP-08", "N6-PNP-13", "N6-UNB-02")
@pytest.mark.parametrize("node", ["thru", "nic0", "nic1", "mux", "bulk", "sink"])
def test_a_node_goes_down_and_comes_back_and_traffic_goes_on(
    mode: Mode, node: str, server: ForkServer
) -> None:
    with launched(mode, server, STACK, f"{{name: blink, on: {node}, bounce: 3ms, at: 10ms}}") as run:
        wait_for(run, lambda: run.faults[0].ended is not None)
        goes_on(run)
    report = sound(run)
    [fault] = report.faults
    assert (fault.kind, fault.hit) == ("bounce", 1)
    assert fault.began is not None
    assert fault.ended is not None
    assert fault.ended - fault.began >= 3_000
    assert ("PAUSED" in report.statuses) <= (node == "nic0")
    assert (
        report.received.corrupt
        == report.received.out_of_order
        == report.nodes["sink"].counters["repeated"]
        == 0
    )


@both_modes
@pytest.mark.parametrize("node", ["a0", "b1", "wan-a", "wan-b"])
def test_a_wan_link_goes_down_and_is_dialled_again_and_ndiswan_finds_the_lines_that_are_up(
    mode: Mode, node: str, server: ForkServer
) -> None:
    with launched(mode, server, WAN, f"{{name: blink, on: {node}, bounce: 3ms, at: 30ms}}") as run:
        wait_for(run, lambda: run.faults[0].ended is not None)
        goes_on(run, 60)
    report = sound(run)
    assert [fault.hit for fault in report.faults] == [1]
    assert report.received.corrupt == report.nodes["sink"].counters["repeated"] == 0


def test_with_the_only_line_away_sends_fail_and_go_on_with_it(server: ForkServer) -> None:
    text = "".join(line for line in WAN.splitlines(keepends=True) if not line.startswith(("  a1:", "  b1:")))
    for other in (", wan-a -> a1", ", wan-b -> b1", ", {between: [a1, b1]}"):
        text = text.replace(other, "")
    with launched("inline", server, text, "{name: blink, on: a0, bounce: 1ms, at: 30ms}") as run:
        wait_for(run, lambda: run.faults[0].ended is not None)
        goes_on(run, 30)
    assert sound(run).statuses["FAILURE"] > 0


@both_modes
def test_many_nodes_bounce_at_the_same_time(mode: Mode, server: ForkServer) -> None:
    nodes = ("nic0", "mux", "thru", "sink", "bulk", "nic1")
    faults = [
        f"{{name: b{number}, on: {node}, bounce: {3 + number}ms, at: {10 + number}ms}}"
        for number, node in enumerate(nodes)
    ]
    with launched(mode, server, STACK, *faults) as run:
        wait_for(run, lambda: all(fault.ended is not None for fault in run.faults))
        goes_on(run)
    assert [fault.hit for fault in sound(run).faults if fault.name != "b2"] == [1] * 5


def test_a_bounce_repeats_exactly(server: ForkServer) -> None:
    def once() -> Report:
        with launched("inline", server, STACK, "{name: blink, on: nic0, bounce: 1ms, at: 5ms}") as run:
            run.wait(0.02)
        return sound(run)

    first, again = once(), once()
    assert first.trace_sha256 == again.trace_sha256
    assert first.faults == again.faults


def test_with_failover_nothing_fails_while_a_nic_is_away_and_the_first_one_is_used_again(
    server: ForkServer,
) -> None:
    text = STACK.replace("{driver: mux}", "{driver: mux, balance: failover}")
    text = text.replace("nodes:\n", "nodes:\n  spare: {driver: miniport}\n").replace(
        "thru -> nic0,", "thru -> nic0, mux -> spare,"
    )
    with launched("inline", server, text) as run:
        run.wait(0.01)
        run.disable("nic0")
        spare = run.boards["spare"].counters
        wait_for(run, lambda: int(spare[Counter.WIRE_SENT]) > 200)
        run.enable("nic0")
        goes_on(run)
        run.wait(0.01)
        used = int(spare[Counter.WIRE_SENT])
        goes_on(run)
        assert int(spare[Counter.WIRE_SENT]) == used
    assert set(sound(run).statuses) == {"SUCCESS"}


@both_modes
@pytest.mark.rule("N6-UNB-04")
def test_a_nic_that_was_pulled_out_comes_back_with_a_new_device(mode: Mode, server: ForkServer) -> None:
    with launched(mode, server, STACK) as run:
        goes_on(run)
        run.remove("nic0")
        run.enable("nic0")
        goes_on(run)
    sound(run)


def test_events_of_a_topology_take_nodes_down_and_up_and_undo_and_open_bindings(server: ForkServer) -> None:
    events = """events:
  - {at: 5ms, disable: nic0}
  - {at: 6ms, enable: nic0}
  - {at: 8ms, remove: nic1}
  - {at: 9ms, enable: nic1}
  - {at: 11ms, unbind: sink -> nic1}
  - {at: 12ms, bind: sink -> nic1}
  - {at: 14ms, disable: bulk}
  - {at: 15ms, enable: bulk}
  - {at: 17ms, disable: mux}
  - {at: 18ms, enable: mux}
"""
    with launched("inline", server, STACK + events) as run:
        run.wait(0.02)
        goes_on(run)
    sound(run)


def test_what_was_taken_out_for_itself_stays_out_when_its_adapter_comes_back(server: ForkServer) -> None:
    with launched("inline", server, STACK) as run:
        goes_on(run)
        run.detach("thru")
        run.unbind("sink", "nic1")
        run.disable("bulk")
        for node in ("nic0", "nic1", "mux"):
            run.disable(node)
        before = received(run)
        for node in ("mux", "nic1", "nic0"):
            run.enable(node)
        run.wait(0.01)
        stack = run._procedure.stack
        assert stack.halted == stack.detached == {run.plan.numbers["thru"]}
        assert stack.unbound == {stack.edge(run.plan.numbers["bulk"], run.plan.numbers["mux"]), *stack.apart}
        run.bind("sink", "nic1")
        run.enable("bulk")
        goes_on(run)
        assert received(run) > before
        run.attach("thru")
        goes_on(run)
    sound(run)


def test_a_filter_that_is_put_back_under_a_disabled_nic_comes_with_it(server: ForkServer) -> None:
    with launched("inline", server, STACK) as run:
        goes_on(run)
        run.disable("thru")
        run.disable("nic0")
        run.enable("thru")
        run.enable("nic0")
        goes_on(run)
        assert not run._procedure.stack.halted
    sound(run)


def test_nothing_is_done_to_what_is_down_or_up_already(server: ForkServer) -> None:
    with launched("inline", server, STACK) as run:
        for node in ("nic0", "thru", "bulk", "mux"):
            run.enable(node)
            run.disable(node)
            run.disable(node)
            run.enable(node)
        run.bind("sink", "nic1")
        goes_on(run)
        run.disable("nic0")
        with pytest.raises(OperationFailed, match="reset is not allowed in state HALTED"):
            run.reset("nic0")
        run.add_fault(name="skipped", on="nic0", bounce="1ms")
        run.wait(0.01)
        [fault] = run.faults
        assert (fault.ended, fault.hit) == (fault.began, 0)
        run.enable("nic0")
        goes_on(run)
    sound(run)


@both_modes
def test_a_run_may_end_while_a_node_is_away(mode: Mode, server: ForkServer) -> None:
    with launched(mode, server, STACK, "{name: long, on: nic0, bounce: 1h, at: 10ms}") as run:
        wait_for(run, lambda: run.boards["nic0"].words[Word.STATE] == NodeState.HALTED)
    [fault] = sound(run).faults
    assert fault.hit == 0


def test_a_live_run_is_given_a_bounce_and_it_ends_before_its_time(server: ForkServer) -> None:
    with launched("inline", server, STACK) as run:
        goes_on(run)
        run.add_fault(name="long", on="nic0", bounce="1h")
        run.wait(0.005)
        assert run.faults[0].ended is None
        run.remove_fault("long")
        wait_for(run, lambda: run.faults[0].hit == 1)
        goes_on(run)
    sound(run)


def test_a_tracer_that_bounces_goes_on_in_its_file(server: ForkServer, tmp_path: Path) -> None:
    text = STACK.replace("pass-through", "tracer").replace(
        "window: 64, burst: 8", "window: 8, burst: 4, packets: 400"
    )
    text += "faults: [{name: blink, on: thru, bounce: 1ms, at: 2ms}]\n"
    topology = parse_topology(text, "bouncing.yml", Catalogue(()), Path.cwd())
    with launch(topology, mode="inline", output=tmp_path) as run:
        assert run.wait(30) is Reason.DONE
    assert [fault.hit for fault in sound(run).faults] == [1]
    capture = read_capture(tmp_path / "thru.pcapng")
    assert len(capture.interfaces) == 2 * 2
    assert 300 < len(capture) < 400
