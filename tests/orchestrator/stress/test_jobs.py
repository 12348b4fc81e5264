"""Named jobs do what their names say, and judge what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.execution import Setting, carry_out
from orchestrator.drivers import Catalogue
from orchestrator.report_model import Report, ThresholdPart
from orchestrator.stress.jobs import JOBS, PACKETS, Wish, disturbances, judged
from orchestrator.stress.judgement import ALWAYS, starvation, timed, unevenness, with_conditions
from orchestrator.stress.senders import Load, LoadMismatch, sources
from orchestrator.stress.shapes import shape_topology
from orchestrator.topology import Topology, parse_topology
from orchestrator.topology.threshold import parse_threshold

MILLISECOND = 1_000_000


def shape(text: str) -> Topology:
    return shape_topology(text, Catalogue())


def play(topology: Topology, seconds: float, settle_ns: int = 0) -> Report:
    planned_ns = round(seconds * 1e9)
    return carry_out(topology, Setting("inline", planned_ns, quiet=True, settle_ns=settle_ns))


def play_job(name: str, planned_ns: int, seed: int = 1) -> Report:
    job = JOBS[name]
    topology = with_conditions(job.prepare(shape(job.shape), Wish(Load(), planned_ns, seed), Catalogue()))
    return judged(play(topology, planned_ns / 1e9, job.settle_ns), job.check)


def outcomes(report: Report) -> dict[str, bool]:
    return {one.condition: one.passed for one in report.thresholds}


def test_connectivity_sends_a_few_packets_everywhere_and_wants_all_of_them() -> None:
    report = play_job("connectivity", 10_000 * MILLISECOND)
    assert (report.verdict, report.ended) == ("pass", "done")
    assert report.received.frames == report.conservation.accepted == 2 * PACKETS
    assert {"received - accepted >= 0", "far-sink-1.received >= 1", "sink-wan.received >= 1"} <= set(
        outcomes(report)
    )


def test_connectivity_notices_a_line_that_is_dead() -> None:
    text = (
        "name: dead\nnodes:\n  top: {driver: traffic}\n  a: {driver: miniport}\n  b: {driver: miniport}\n"
        "  sink: {driver: receiver}\nbindings: [top -> a, sink -> b]\nwires: [{between: [a, b], loss: 1}]\n"
    )
    job = JOBS["connectivity"]
    topology = parse_topology(text, "dead", Catalogue(), Path.cwd())
    report = judged(play(job.prepare(topology, Wish(Load(), 10**9, 1), Catalogue()), 1), job.check)
    assert report.verdict == "thresholds"
    assert [name for name, passed in outcomes(report).items() if not passed] == [
        "received - accepted >= 0",
        "sink.received >= 1",
    ]


def test_two_cards_send_to_each_other_and_all_of_it_arrives() -> None:
    report = play_job("2c-send-recv", 10 * MILLISECOND)
    assert report.verdict == "pass"
    assert report.nodes["sink-1"].counters["received"] == report.nodes["sender-2"].counters["sent"] > 1000


def test_a_disturbed_pair_holds_through_pauses_resets_requests_and_a_removal_and_goes_on_after_it() -> None:
    report = play_job("2c-stress", 40 * MILLISECOND, seed=3)
    assert (report.verdict, report.violations) == ("pass", [])
    assert outcomes(report)["oids-1.oids >= 1"]
    assert report.conservation.completed > 1000
    assert set(report.statuses) <= {"SUCCESS", "PAUSED", "FAILURE", "RESET_IN_PROGRESS", "RESOURCES"}


def test_disturbances_are_drawn_from_the_seed_and_end_with_a_removal_and_return() -> None:
    topology = shape("mesh:stacks=2")
    first, again, other = (list(disturbances(topology, 10**10, seed)) for seed in (7, 7, 8))
    assert first == again != other
    assert [(event.verb, event.at) for event in first[-2:]] == [
        ("remove", 8_000_000_000),
        ("enable", 8_500_000_000),
    ]
    assert first[-1].node == first[-2].node
    assert {event.verb for event in first + other} == {
        *("pause", "restart", "detach", "attach", "disable", "enable", "reset", "remove")
    }
    assert [event.at for event in first] == sorted(event.at for event in first)


def test_a_job_that_needs_a_receiver_says_so() -> None:
    with pytest.raises(LoadMismatch, match="no node of this topology is a receiver"):
        JOBS["connectivity"].prepare(shape("mux"), Wish(Load(), 10**9, 1), Catalogue())


def test_what_always_holds_is_judged_beside_what_is_asked_and_each_once() -> None:
    asked = [parse_threshold("lost == 0"), parse_threshold("latency.p99 < 1s")]
    topology = with_conditions(shape("linear"), asked)
    assert [str(one) for one in topology.thresholds] == ["lost == 0", "latency.p99 < 1s", *ALWAYS[1:]]
    assert [str(one) for one in with_conditions(topology, (), asked[1:]).thresholds] == list(ALWAYS)


def test_a_check_that_fails_takes_a_pass_away_and_nothing_else() -> None:
    def check(report: Report) -> Iterator[ThresholdPart]:
        yield ThresholdPart(condition="lucky == 1", passed=False, measured=0, unit="count")

    report = play(shape("linear"), 0.001)
    assert judged(report, check).verdict == "thresholds"
    assert judged(report.model_copy(update={"verdict": "violations"}), check).verdict == "violations"


def test_senders_that_were_late_by_themselves_make_a_stress_run_void() -> None:
    report = play(with_conditions(shape("linear")), 0.001)
    assert timed(report) is report
    sender = report.nodes["sender-1"]
    late = sender.model_copy(update={"counters": sender.counters | {"planned": 1000, "late": 100}})
    void = timed(report.model_copy(update={"nodes": report.nodes | {"sender-1": late}}))
    assert (void.verdict, void.exit_code) == ("void", 97)
    assert "sender-1 was the bottleneck" in (void.error or "")


def test_senders_that_share_unevenly_are_named() -> None:
    report = play(shape("mux:above=2"), 0.002)
    assert unevenness(report) is None
    slowest = report.fairness.slowest
    assert slowest is not None
    fairness = report.fairness.model_copy(update={"jain": 0.6})
    warning = unevenness(report.model_copy(update={"fairness": fairness}))
    assert warning is not None
    assert "Jain index 0.60" in warning
    assert slowest.name in warning


def test_a_sender_that_was_starved_is_named() -> None:
    report = play(shape("mux:above=2"), 0.002)
    assert report.fairness.starved_s is not None
    assert starvation(report) is None
    fairness = report.fairness.model_copy(update={"starved": "sender-2", "starved_s": 1.2})
    assert starvation(report.model_copy(update={"fairness": fairness})) == (
        "sender-2 was starved: it got no completion for 1.20 s though it had packets in flight or wanted to send; "
        "see what was held meanwhile, and how the driver below takes turns"
    )


def test_jobs_run_on_shapes_that_exist() -> None:
    assert all(sources(shape(job.shape)) for job in JOBS.values())
