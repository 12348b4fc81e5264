"""What was busy all the time set the pace; conditions that it made fail say nothing of the stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import Catalogue, Report, launch, parse_topology
from orchestrator.machine_model import ProcessorPart
from orchestrator.outcome import report_of
from orchestrator.pace import with_pace
from orchestrator.processors import ProcessorUse, Share
from orchestrator.text import to_text
from orchestrator.topology.threshold import parse_threshold
from tests.orchestrator.test_report import healthy, report

NAMES = {1: "top", 2: "nic"}
FAILING = "throughput_pps > 1000000"
IDLE = Share(0.1, 0.0)


def paced(
    top: Share,
    nic: Share,
    *,
    others: float = 0.0,
    passes: Sequence[str] = (),
    planned: int = 0,
    seconds: float = 1,
) -> Report:
    """Return the report of a sender over a NIC on two processors."""
    run = healthy()
    run.count("top", planned=planned)
    thresholds = [parse_threshold(text) for text in passes]
    use = ProcessorUse(seconds, 2, {1: top, 2: nic}, others)
    return with_pace(report(run, thresholds=thresholds), use, NAMES, thresholds)


def kind(found: Report) -> str | None:
    return found.bottleneck.kind if found.bottleneck else None


def test_shares_are_in_the_report_and_in_its_text() -> None:
    found = paced(Share(0.5, 0.25), Share(0.25, 0.0), others=0.125)
    assert found.nodes["top"].processor == ProcessorPart(running=0.5, waiting=0.25)
    assert found.machine is not None
    assert found.machine.model_dump() == {"processors": 2, "running": 0.75, "waiting": 0.25, "others": 0.125}
    assert "2 processors: nodes used 0.75 and waited for 0.25 more, others used 0.12" in to_text(found)


def test_nodes_that_wait_for_a_machine_that_is_used_up_are_held_back_by_it() -> None:
    found = paced(Share(0.98, 0.5), Share(0.98, 0.3))
    assert found.bottleneck is not None
    assert found.bottleneck.model_dump() == {
        "kind": "machine",
        "node": None,
        "text": "2.8 nodes on average had something to do, and waited for a processor 29% of it",
    }
    assert kind(paced(Share(0.4, 0.5), IDLE, others=0.2)) != "machine", "processors were free"


def test_a_sender_that_was_busy_all_the_time_in_a_closed_loop_set_the_pace() -> None:
    found = paced(Share(0.97, 0.01), Share(0.5, 0.0))
    assert found.bottleneck is not None
    assert (found.bottleneck.kind, found.bottleneck.node) == ("generator", "top")
    assert "generator: top was busy 98% of the time, longer than any other node" in to_text(found)
    assert kind(paced(Share(0.97, 0.01), Share(0.5, 0.0), planned=1000)) == "layer", (
        "a plan has its own count"
    )


def test_a_layer_that_was_busy_longest_set_the_pace() -> None:
    found = paced(Share(0.91, 0.0), Share(0.95, 0.0))
    assert found.bottleneck is not None
    assert (found.bottleneck.kind, found.bottleneck.node) == ("layer", "nic")


def test_where_nobody_was_busy_or_the_run_was_short_nothing_is_said() -> None:
    assert paced(Share(0.5, 0.0), Share(0.8, 0.0)).bottleneck is None
    assert paced(Share(0.97, 0.0), IDLE, seconds=0.1).bottleneck is None


@pytest.mark.parametrize(
    ("top", "nic", "others", "passes", "verdict"),
    [
        (Share(0.97, 0.0), IDLE, 0.0, [FAILING], "void"),
        (Share(0.97, 0.0), IDLE, 0.0, ["latency.p99 < 1us"], "void"),
        (Share(0.97, 0.0), IDLE, 0.0, ["throughput_pps > 1"], "pass"),
        (Share(0.97, 0.0), IDLE, 0.0, [FAILING, "completed == 7"], "thresholds"),
        (Share(0.97, 0.0), IDLE, 0.0, ["fairness.jain > 2"], "thresholds"),
        (IDLE, Share(0.97, 0.0), 0.0, [FAILING], "thresholds"),
        (Share(0.7, 0.5), Share(0.7, 0.5), 0.6, [FAILING], "void"),
        (Share(0.7, 0.5), Share(0.7, 0.5), 0.6, ["throughput_pps > 1"], "pass"),
        (Share(0.7, 0.5), Share(0.7, 0.5), 0.6, ["completed == 7"], "thresholds"),
        (Share(0.9, 0.5), Share(0.9, 0.5), 0.2, [FAILING], "thresholds"),
    ],
)
def test_timed_conditions_that_fail_are_void_where_it_was_not_the_stack(
    top: Share, nic: Share, others: float, passes: list[str], verdict: str
) -> None:
    found = paced(top, nic, others=others, passes=passes)
    assert found.verdict == verdict
    assert (found.error is not None) is (verdict == "void")


def test_without_figures_a_report_stays_as_it_is() -> None:
    plain = report()
    assert with_pace(plain, None, NAMES, []) is plain


def test_a_run_of_processes_tells_what_each_of_them_had_and_one_inline_nothing() -> None:
    text = """
name: paced
nodes:
  bulk: {driver: traffic}
  nic:  {driver: miniport}
bindings: [bulk -> nic]
"""
    topology = parse_topology(text, "paced.yml", Catalogue(), Path.cwd())
    with launch(topology) as run:
        run.wait(0.3)
    found = report_of(run)
    assert found.machine is not None
    shares = [node.processor for node in found.nodes.values()]
    assert all(share is not None for share in shares)
    with launch(topology, mode="inline") as run:
        run.wait(0.001)
    assert report_of(run).machine is None
