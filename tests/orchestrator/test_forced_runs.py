"""What is forced on whole runs, seen from outside, in both modes; and that stock drivers live with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import pytest

from nodes.registry import STOCK_DRIVERS
from nodes.verifier.force import Force
from orchestrator import Catalogue, Report, Run, launch, load_topology, parse_topology
from orchestrator.events import Reason
from orchestrator.outcome import report_of
from orchestrator.topology import Topology

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.ndisim.yml"))
EVERYTHING = Force(0.06, 0, True, "random", 200_000)
Mode = Literal["processes", "inline"]
both_modes = pytest.mark.parametrize("mode", ["processes", "inline"])
STACK = """
name: forced
nodes:
  bulk: {driver: traffic, packets: 400, size: 256, window: 64, burst: 8}
  mux:  {driver: mux}
  nic0: {driver: miniport}
  nic1: {driver: miniport}
  sink: {driver: receiver}
bindings: [bulk -> mux -> nic0, sink -> nic1]
wires: [{between: [nic0, nic1]}]
pass: [lost == 0, completed == 400, received == 400, statuses.SUCCESS == 400]
"""


def forced(force: Force, *, bulk: str = "traffic", seed: int = 7) -> Topology:
    """Return the stack with this forced on it; `bulk` is its source's driver."""
    own = {"watcher": f"{__name__.replace('test_forced_runs', 'forced_drivers')}:Watcher"}
    text = STACK.replace("driver: traffic", f"driver: {bulk}") + f"seed: {seed}\n"
    topology = parse_topology(text, "forced.yml", Catalogue((), {**STOCK_DRIVERS, **own}), Path.cwd())
    return topology.model_copy(update={"force": force})


def finished(topology: Topology, mode: Mode, output: Path | None = None) -> tuple[Run, Report]:
    """Run until the sources are done."""
    with launch(topology, mode=mode, output=output) as run:
        assert run.wait(20) is Reason.DONE
    return run, report_of(run)


def total(report: Report, counter: str) -> int:
    return sum(node.counters.get(counter, 0) for node in report.nodes.values())


@both_modes
def test_stock_drivers_do_without_memory_now_and_then(mode: Mode) -> None:
    _, report = finished(forced(Force(low_resources=0.3)), mode)
    assert (report.verdict, report.violations) == ("pass", [])
    assert total(report, "allocations_failed") > 0


@both_modes
def test_the_allocation_that_failed_is_told_with_its_place_in_the_driver(mode: Mode) -> None:
    run, report = finished(forced(Force(fail_allocation=1, nodes=("bulk",))), mode)
    assert report.verdict == "pass"
    [told] = run.forced
    assert (run.plan.names[told.node], told.allocation) == ("bulk", 1)
    assert "nodes/stock/frame_writer.py:" in told.where


@both_modes
def test_completions_overtake_each_other_in_random_order_and_only_then(mode: Mode) -> None:
    for order, overtaken in (("as-made", False), ("random", True)):
        _, report = finished(forced(Force(completion_order=order, nodes=("mux",)), bulk="watcher"), mode)
        assert report.verdict == "pass"
        assert bool(report.nodes["bulk"].counters.get("out_of_order", 0)) is overtaken


@both_modes
def test_a_delay_shows_in_the_latency(mode: Mode) -> None:
    _, report = finished(forced(Force(delay=20_000_000, nodes=("mux",))), mode)
    assert report.verdict == "pass"
    assert report.latency_us.p50 is not None
    assert report.latency_us.p50 > 5_000


def test_what_is_forced_repeats_exactly_with_the_seed() -> None:
    hashes = [finished(forced(EVERYTHING, seed=seed), "inline")[1].trace_sha256 for seed in (7, 7, 8)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert finished(forced(Force()), "inline")[1].trace_sha256 != hashes[0]


@pytest.mark.parametrize("force", [EVERYTHING, Force(low_resources=0.5)], ids=["everything", "half"])
@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name.partition(".")[0])
def test_the_stock_drivers_of_an_example_live_with_what_is_forced(
    file: Path, force: Force, tmp_path: Path
) -> None:
    topology = load_topology(file, Catalogue(()))
    nodes = {name: _limited(node) for name, node in topology.nodes.items()}
    run, report = finished(
        topology.model_copy(update={"force": force, "nodes": nodes}), "inline", tmp_path / "out"
    )
    assert (run.error, run.warnings, run.violations) == (None, [], [])
    conservation = report.conservation
    assert (conservation.in_flight, conservation.lost, conservation.duplicated) == (0, 0, 0)
    assert conservation.accepted == conservation.completed > 0


def _limited(node: Any) -> Any:
    """Let a source without an end stop."""
    if getattr(node.options, "packets", 1):
        return node
    return node.model_copy(update={"options": dataclasses.replace(node.options, packets=2000)})
