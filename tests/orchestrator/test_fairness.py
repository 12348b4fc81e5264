"""Fairness is Jain's index over what senders and their flows got through."""

from __future__ import annotations

from nodes.metrics import Counter
from orchestrator.fairness import evenness_metrics, fairness_of
from orchestrator.report_model import FairnessPart
from orchestrator.text import to_text
from orchestrator.topology.threshold import parse_threshold
from tests.orchestrator.synthetic import FakeRun, edge, spec
from tests.orchestrator.test_report import report


def run_of(**completed: int) -> FakeRun:
    """Return a run of one NIC with a sender above it for each name."""
    tops = [
        spec(number, name, "protocol", edge(number, "upper", 1, "nic"))
        for number, name in enumerate(completed, start=2)
    ]
    run = FakeRun((spec(1, "nic", "miniport"), *tops))
    for name, count in completed.items():
        run.count(name, sent=count, completed=count, flows=1)
    return run


def fairness(run: FakeRun) -> FairnessPart:
    return fairness_of(run.observe())


def test_equal_senders_have_the_index_one() -> None:
    assert fairness(run_of(a=50, b=50)).jain == 1.0


def test_one_that_has_it_all_has_the_index_of_its_share() -> None:
    found = fairness(run_of(a=0, b=900, c=0))
    assert found.jain == round(1 / 3, 6)
    assert found.slowest is not None
    assert (found.slowest.name, found.slowest.packets, found.count) == ("a", 0, 3)


def test_the_slowest_and_the_fastest_are_named() -> None:
    found = fairness(run_of(a=20, b=30, c=10)).model_dump()
    assert found["slowest"] == {"name": "c", "packets": 10}
    assert found["fastest"] == {"name": "b", "packets": 30}
    assert found["jain"] == round(60**2 / (3 * 1400), 6)


def test_a_protocol_that_only_receives_is_no_sender() -> None:
    run = run_of(a=20, sink=0)
    run.count("sink", flows=0, received=20)
    assert (fairness(run).count, fairness(run).jain) == (1, 1.0)


def test_nobody_who_sent_is_nothing_measured() -> None:
    run = run_of(a=0)
    assert fairness(run).jain is None
    assert evenness_metrics(fairness(run)) == {}


def test_flows_are_compared_where_a_node_has_several() -> None:
    run = run_of(a=40, b=40)
    run.count("a", flows=2)
    for place, packets in enumerate((30, 10)):
        run.boards["a"].flows[place] = packets
    found = fairness(run)
    assert found.flows is not None
    assert found.jain == 1.0
    assert found.flows.model_dump() == {
        "jain": round(80**2 / (3 * 2600), 6),
        "slowest": {"name": "a/1", "packets": 10},
        "fastest": {"name": "b", "packets": 40},
        "count": 3,
        "starved_s": None,
        "starved": None,
    }


def test_who_waited_longest_is_named_with_the_time() -> None:
    run = run_of(a=40, b=40, c=40)
    for name, waited in {"a": 1_500, "b": 2_000_000, "c": 0}.items():
        run.count(name, starved_us=waited)
    found = fairness(run)
    assert (found.starved, found.starved_s) == ("b", 2.0)
    run.count("a", flows=2, flow_starved=1, flow_starved_us=3_000_000)
    flows = fairness(run).flows
    assert flows is not None
    assert (flows.starved, flows.starved_s) == ("a/1", 3.0)


def test_a_sender_of_which_nothing_came_back_is_starved_all_the_same() -> None:
    run = run_of(a=0)
    run.count("a", sent=5, starved_us=4_000_000)
    assert (fairness(run).jain, fairness(run).starved_s) == (None, 4.0)


def test_a_condition_on_starvation_is_judged_in_time_and_needs_somebody_who_measured() -> None:
    conditions = [parse_threshold("fairness.starved < 1s"), parse_threshold("fairness.flows.starved < 3s")]
    run = run_of(a=20, b=20)
    assert [one.passed for one in report(run, thresholds=conditions).thresholds] == [False, False]
    run.count("b", starved_us=2_000_000)
    found = report(run, thresholds=conditions)
    assert [(one.condition, one.passed, one.measured, one.unit) for one in found.thresholds] == [
        ("fairness.starved < 1s", False, 2_000_000, "us"),
        ("fairness.flows.starved < 3s", True, 2_000_000, "us"),
    ]
    assert "b got no completion for 2s" in to_text(found)


def test_a_word_that_no_node_writes_is_not_followed_beyond_the_board() -> None:
    run = run_of(a=5)
    run.boards["a"].counters[Counter.FLOWS] = 1 << 40
    assert len(run.observe().nodes["a"].flows) == 1024


def test_a_condition_on_fairness_is_judged_and_shown() -> None:
    found = report(run_of(a=20, b=60), thresholds=[parse_threshold("fairness.jain >= 0.95")])
    assert (found.verdict, found.exit_code) == ("thresholds", 99)
    assert (found.thresholds[0].measured, found.thresholds[0].unit) == (0.8, "ratio")
