"""The same drivers in processes and in one process: verdicts, transfers, waits and loans."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest

from nodes.hosting.loader import load_driver
from nodes.policy import Policy
from orchestrator.events import Reason
from orchestrator.outcome import look
from orchestrator.run import Run, launch
from orchestrator.topology import BindingModel, NodeModel, Topology

Mode = Literal["processes", "inline"]


def stack(*names: str, policy: Policy | None = None) -> Topology:
    """Return drivers of `mode_drivers` (or pass-through) one above the other."""
    nodes = {name.lower(): _model(name) for name in names}
    bindings = tuple(BindingModel(upper=upper, lower=lower) for upper, lower in pairwise(nodes))
    return Topology(name="modes", nodes=nodes, seed=7, bindings=bindings, policy=policy or Policy())


def _model(name: str) -> NodeModel:
    place = "nodes.stock.pass_through" if name == "PassThrough" else "tests.nodes.ndis5.mode_drivers"
    driver: Any = load_driver(f"{place}:{name}")
    return NodeModel(
        driver=name.lower(), reference=f"{place}:{name}", kind=driver.kind, options=driver.Options()
    )


def run(topology: Topology, mode: Mode) -> Run:
    """Run to the end; everything must have come back."""
    with launch(topology, mode=mode) as running:
        assert running.wait(30) is Reason.DONE, (running.error, running.violations)
    conservation = look(running).conservation
    assert (conservation.accepted, conservation.completed, conservation.lost) == (60, 60, 0)
    assert (running.error, running.violations) == (None, [])
    return running


@pytest.mark.rule("N5-SND-01", "N5-SND-03", "N5-SND-07", "N5-TD-01", "N5-TD-02")
@pytest.mark.parametrize("policy", [Policy(), Policy(ndis5_sends="post")])
@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_verdicts_and_transfers_cross_processes(mode: Mode, policy: Policy) -> None:
    run(stack("Source5", "Nic5", policy=policy), mode)


@pytest.mark.rule("N6-RX-03", "N6-RX-05", "N6-SEND-05")
@pytest.mark.parametrize("early", ["no", "yes"])
@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_waits_loans_and_early_completions_cross_processes(mode: Mode, early: str) -> None:
    run(stack("WaitingSource", "PassThrough", "Lender", policy=Policy(early_completion=early)), mode)
