"""Fairness is Jain's index over what senders and their flows got through."""

from __future__ import annotations

from nodes.metrics import Counter
from orchestrator.fairness import fairness_of, ratios
from orchestrator.report_model import FairnessPart
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
    assert ratios(fairness(run)) == {}


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
    }


def test_a_word_that_no_node_writes_is_not_followed_beyond_the_board() -> None:
    run = run_of(a=5)
    run.boards["a"].counters[Counter.FLOWS] = 1 << 40
    assert len(run.observe().nodes["a"].flows) == 1024


def test_a_condition_on_fairness_is_judged_and_shown() -> None:
    found = report(run_of(a=20, b=60), thresholds=[parse_threshold("fairness.jain >= 0.95")])
    assert (found.verdict, found.exit_code) == ("thresholds", 99)
    assert (found.thresholds[0].measured, found.thresholds[0].unit) == (0.8, "ratio")
