"""Faults of whole runs in both modes: what is hit follows from seed, fault name and packet ids alone."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from nodes.rng import Rng
from orchestrator import Catalogue, Report, Run, launch, parse_topology
from orchestrator.events import Reason
from orchestrator.outcome import report_of
from orchestrator.topology.faults import FaultRefused

SEED = 7
PACKETS = 600
Mode = Literal["processes", "inline"]
both_modes = pytest.mark.parametrize("mode", ["processes", "inline"])
STACK = """
name: faulty
seed: 7
nodes:
  bulk: {driver: traffic, packets: 600, size: 256, window: 64, burst: 8}
  mux:  {driver: mux}
  nic0: {driver: miniport}
  nic1: {driver: miniport}
  sink: {driver: receiver}
bindings: [bulk -> mux -> nic0, sink -> nic1]
wires: [{between: [nic0, nic1]}]
"""


ENDLESS = STACK.replace("packets: 600", "packets: 0")


def launched(mode: Mode, *faults: str, text: str = STACK, level: int = 4) -> Run:
    """Return a run of the stack with these faults, checked as closely as can be."""
    text += f"verify: {level}\nfaults: [{', '.join(faults)}]\n"
    return launch(parse_topology(text, "faulty.yml", Catalogue(()), Path.cwd()), mode=mode)


def finished(mode: Mode, *faults: str) -> Report:
    """Run until the sources are done; what was kept is back then, and no rule was broken."""
    with launched(mode, *faults) as run:
        assert run.wait(30) is Reason.DONE
    report = report_of(run)
    assert (report.verdict, report.violations, run.warnings) == ("pass", [], [])
    conservation = report.conservation
    assert conservation.accepted == conservation.completed == PACKETS
    assert (conservation.in_flight, conservation.lost, conservation.duplicated) == (0, 0, 0)
    return report


def wait_for(run: Run, condition: Callable[[], bool]) -> None:
    """Let a run go on until a condition holds, for 10 s of its time at most."""
    for _ in range(1000):
        if condition():
            return
        run.wait(0.01)
    raise AssertionError("not within 10 s")


def drawn(name: str, share: float, node: int = 1) -> int:
    """Return how many of the source's packets a fault of that name hits."""
    ids = np.arange(PACKETS, dtype=np.uint64) | np.uint64(node << 48)
    return int(np.count_nonzero(Rng(SEED).uniform(f"fault/{name}", ids) < share))


def hits(report: Report) -> dict[str, int]:
    return {fault.name: fault.hit for fault in report.faults}


def counter(report: Report, name: str) -> int:
    return report.nodes["sink"].counters[name]


@both_modes
def test_frames_that_are_dropped_are_completed_and_never_arrive(mode: Mode) -> None:
    report = finished(mode, "{name: lossy, on: nic0 -> nic1, drop: 20%}")
    assert hits(report) == {"lossy": drawn("lossy", 0.2)}
    assert report.received.frames == PACKETS - drawn("lossy", 0.2)
    assert report.statuses == {"SUCCESS": PACKETS}


@both_modes
def test_a_doubled_frame_arrives_as_a_copy_of_its_own(mode: Mode) -> None:
    report = finished(mode, "{name: twice, on: nic0 <-> nic1, duplicate: 10%}")
    assert hits(report) == {"twice": drawn("twice", 0.1)}
    assert report.received.frames == PACKETS + drawn("twice", 0.1)
    assert counter(report, "repeated") == drawn("twice", 0.1)
    assert report.received.corrupt == 0


@both_modes
def test_the_receiver_finds_every_damaged_frame(mode: Mode) -> None:
    report = finished(mode, "{name: bits, on: nic0 -> nic1, corrupt: 15%}")
    assert hits(report) == {"bits": drawn("bits", 0.15)}
    assert (report.received.frames, report.received.corrupt) == (PACKETS, drawn("bits", 0.15))
    assert counter(report, "foreign") == 0


@both_modes
def test_late_frames_arrive_later_and_whole(mode: Mode) -> None:
    report = finished(mode, "{name: late, on: nic0 -> nic1, delay: 5ms, jitter: 5ms, share: 10%}")
    assert hits(report) == {"late": drawn("late", 0.1)}
    assert (report.received.frames, report.received.corrupt) == (PACKETS, 0)
    assert report.one_way_us.max is not None
    assert report.one_way_us.max > 5_000


@both_modes
def test_frames_are_overtaken_by_later_ones(mode: Mode) -> None:
    report = finished(mode, "{name: swap, on: nic0 -> nic1, reorder: 10%, gap: 2}")
    assert hits(report) == {"swap": drawn("swap", 0.1)}
    assert (report.received.frames, counter(report, "missing")) == (PACKETS, 0)
    assert 0 < report.received.out_of_order <= drawn("swap", 0.1)


@both_modes
@pytest.mark.parametrize("where", ["bulk -> mux", "mux -> nic0", "nic0"])
def test_a_share_of_sends_completes_with_another_status(mode: Mode, where: str) -> None:
    report = finished(mode, f"{{name: fails, on: {where}, status: FAILURE, share: 10%}}")
    failed = drawn("fails", 0.1)
    assert hits(report) == {"fails": failed}
    assert report.statuses == {"SUCCESS": PACKETS - failed, "FAILURE": failed}
    assert report.received.frames == PACKETS


@both_modes
def test_late_completions_show_in_the_latency(mode: Mode) -> None:
    report = finished(mode, "{name: late, on: bulk -> mux, delay: 10ms, share: 10%}")
    assert hits(report) == {"late": drawn("late", 0.1)}
    assert report.latency_us.max is not None
    assert report.latency_us.max > 10_000


@both_modes
def test_held_completions_come_when_the_hold_ends(mode: Mode) -> None:
    report = finished(mode, "{name: held, on: mux -> nic0, hold: 5%, for: 500ms}")
    whole = drawn("held", 0.05)
    assert (
        whole // (1 if mode == "inline" else 4) <= hits(report)["held"] <= whole
    )  # a slow machine sends for longer
    assert report.latency_us.max is not None
    assert report.latency_us.max > 200_000
    [fault] = report.faults
    assert fault.ended is not None
    assert fault.began == 0
    assert fault.ended >= 500_000


@both_modes
def test_held_completions_are_let_go_at_the_latest_when_the_run_drains(mode: Mode) -> None:
    with launched(mode, "{name: held, on: mux -> nic0, hold: 5%}") as run:
        assert run.wait(0.5) in {Reason.TIME, Reason.DONE}
    report = report_of(run)
    assert (report.verdict, run.warnings, run.error) == ("pass", [], None)
    assert report.conservation.accepted == report.conservation.completed > 0
    assert hits(report)["held"] > 0
    assert report.conservation.in_flight == 0


def test_what_only_waits_for_a_hold_to_end_is_let_go() -> None:
    with launched("inline", "{name: held, on: bulk -> mux, hold: 100%}") as run:
        assert run.wait() is Reason.DONE
    assert hits(report_of(run)) == {"held": 64}


@both_modes
def test_a_nic_that_pauses_lets_go_of_frames_that_are_late(mode: Mode) -> None:
    with launched(mode, "{name: late, on: nic0 -> nic1, delay: 15s, share: 1%}", text=ENDLESS) as run:
        run.wait(0.05)
        run.pause("nic1")
        run.restart("nic1")
        run.wait(0.05)
    report = report_of(run)
    assert (report.verdict, run.error, run.warnings) == ("pass", None, [])
    assert hits(report)["late"] > 0


@both_modes
def test_a_slow_node_takes_no_more_than_its_rate(mode: Mode) -> None:
    with launched(mode, "{name: weak, on: nic1, slow: 1000}", text=ENDLESS) as run:
        run.wait(0.5)
    report = report_of(run)
    assert (report.verdict, run.warnings) == ("pass", [])
    slack = 1200 if mode == "processes" else 128
    assert 100 < hits(report)["weak"] <= report.run.duration_s * 1000 + slack


@both_modes
def test_a_stopped_node_goes_on_afterwards(mode: Mode) -> None:
    with launched(mode, "{name: nap, on: nic1, stop: 200ms, at: 20ms}", text=ENDLESS) as run:
        run.wait(0.4)
    report = report_of(run)
    assert (report.verdict, run.warnings) == ("pass", [])
    assert report.latency_us.max is not None
    assert report.latency_us.max > 50_000
    assert 0 < hits(report)["nap"] <= 128


@both_modes
def test_memory_is_short_only_while_the_fault_lasts(mode: Mode) -> None:
    report = finished(mode, "{name: poor, on: nic1, low_resources: 50%}")
    assert report.received.frames == PACKETS
    assert hits(report)["poor"] == report.nodes["nic1"].counters["allocations_failed"] > 0
    report = finished(mode, "{name: poor, on: nic1, low_resources: 100%, for: 30ms}")
    assert report.received.frames == PACKETS
    assert report.latency_us.max is not None
    assert report.latency_us.max > 10_000


@both_modes
@pytest.mark.parametrize("dead", ["nic0", "nic1", "mux", "sink"])
def test_the_others_go_on_when_a_node_crashes(mode: Mode, dead: str) -> None:
    with launched(mode, f"{{name: dies, on: {dead}, crash: true, at: 20ms}}", text=ENDLESS) as run:
        assert run.wait(0.2) is Reason.TIME
    report = report_of(run)
    assert (run.error, report.verdict, report.violations) == (None, "pass", [])
    assert {name: node.state for name, node in report.nodes.items() if node.state != "Halted"} == {
        dead: "Crashed"
    }
    assert (report.conservation.lost, report.conservation.in_flight) == (0, 0)
    assert hits(report) == {"dies": 1}
    assert ("FAILURE" in report.statuses) is (dead in {"nic0", "mux"})


@both_modes
def test_a_crashed_source_counts_as_done_and_its_packets_as_in_flight(mode: Mode) -> None:
    with launched(mode, "{name: dies, on: bulk, crash: true, at: 20ms}", text=ENDLESS) as run:
        assert run.wait(20) is Reason.DONE
    report = report_of(run)
    assert (run.error, report.verdict, report.conservation.lost) == (None, "pass", 0)


def test_a_death_that_nobody_asked_for_still_ends_the_run() -> None:
    with launched("inline", "{name: dies, on: nic1, crash: true, at: 1h}") as run:
        run._fleet.signal(run.plan.numbers["nic0"], signal.SIGKILL)
        assert run.wait(1) is Reason.FAILED
    assert "NodeDied" in str(report_of(run).error)
    [fault] = report_of(run).faults
    assert (fault.began, fault.hit) == (None, 0)


EVERYTHING = (
    "{name: a, on: nic0 -> nic1, drop: 5%}",
    "{name: b, on: nic0 -> nic1, duplicate: 5%}",
    "{name: c, on: nic0 -> nic1, delay: 1ms, jitter: 1ms, share: 10%}",
    "{name: d, on: nic0 <-> nic1, reorder: 5%}",
    "{name: e, on: nic0 -> nic1, corrupt: 5%}",
    "{name: f, on: nic0, hold: 2%, at: 2ms, for: 5ms}",
    "{name: g, on: bulk -> mux, delay: 1ms, share: 5%}",
    "{name: h, on: mux -> nic0, status: RESOURCES, share: 5%}",
    "{name: i, on: nic1, stop: 3ms, at: 2ms}",
    "{name: j, on: sink, slow: 5000, for: 20ms}",
    "{name: k, on: nic1, low_resources: 5%}",
)


def test_a_run_with_faults_repeats_exactly_and_its_fates_are_those_of_processes() -> None:
    reports = [finished(mode, *EVERYTHING) for mode in ("inline", "inline", "processes")]
    assert reports[0].trace_sha256 == reports[1].trace_sha256
    assert [fault.hit for fault in reports[0].faults] == [fault.hit for fault in reports[1].faults]
    by_packet = [{name: count for name, count in hits(of).items() if name in "abcdegh"} for of in reports]
    assert by_packet[0] == by_packet[2]


def test_faults_live_with_what_is_forced() -> None:
    text = STACK + "policy: {early_completion: 'yes'}\n"
    force = "{level: 4, force: {low_resources: 6%, pending: true, completion_order: random, delay: 200us}}"
    faults = f"faults: [{', '.join(EVERYTHING)}]\n"
    topology = parse_topology(f"{text}verify: {force}\n{faults}", "faulty.yml", Catalogue(()), Path.cwd())
    with launch(topology, mode="inline") as run:
        assert run.wait(30) is Reason.DONE
    assert (report_of(run).verdict, run.violations, run.warnings) == ("pass", [], [])


@both_modes
def test_faults_come_and_go_while_a_run_goes_on(mode: Mode) -> None:
    with launched(mode, text=ENDLESS) as run:
        run.wait(0.02)
        assert run.faults == []
        run.add_fault(name="lossy", on="nic0 -> nic1", drop="100%")
        wait_for(run, lambda: run.faults[0].hit > 0)
        run.remove_fault("lossy")
        run.add_fault(name="brief", on="bulk -> mux", delay="1ms", for_="200ms")
        wait_for(run, lambda: run.faults[1].ended is not None)
        assert run.faults[0].ended is not None
    report = report_of(run)
    assert (report.verdict, report.violations) == ("pass", [])
    assert report.conservation.accepted == report.received.frames + hits(report)["lossy"]
    assert 0 < hits(report)["brief"] < report.conservation.accepted


def test_what_a_live_run_cannot_have_is_refused() -> None:
    with launched(
        "inline", "{name: dies, on: sink, crash: true}", "{name: later, on: nic0, hold: 1%, at: 1h}"
    ) as run:
        run.wait(0.001, until_done=False)
        refused: list[tuple[dict[str, Any], str]] = [
            ({"name": "dies", "on": "nic0", "hold": "1%"}, "had a fault 'dies'; give this one another name"),
            ({"name": "x", "on": "nic7", "hold": "1%"}, "there is no node 'nic7' (did you mean nic"),
            ({"name": "x", "on": "nic0", "bounce": "soon"}, "'soon' is not a duration"),
        ]
        for written, told in refused:
            with pytest.raises(FaultRefused) as caught:
                run.add_fault(**written)
            assert told in str(caught.value)
        for name, told in (("deis", "did you mean dies?"), ("dies", "cannot be started again")):
            with pytest.raises(FaultRefused) as caught:
                run.remove_fault(name)
            assert told in str(caught.value)
        run.remove_fault("later")
        for number in range(30):
            run.add_fault(name=f"n{number}", on="nic0", hold="1%")
        with pytest.raises(FaultRefused, match="at most 32 faults"):
            run.add_fault(name="more", on="nic0", hold="1%")
    with pytest.raises(FaultRefused, match="starting or ending"):
        run.add_fault(name="late", on="nic0", hold="1%")
