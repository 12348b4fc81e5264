"""Packets of many pieces, derived ones and cancels, in processes and in one process."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest

from nodes.hosting.loader import load_driver
from orchestrator.events import Reason
from orchestrator.outcome import look
from orchestrator.run import Run, launch
from orchestrator.topology import BindingModel, NodeModel, Topology

OWN = "tests.nodes.ndis.mode_drivers"
PACKETS = 60


def model(place: str, name: str, **options: Any) -> NodeModel:
    driver: Any = load_driver(f"{place}:{name}")
    return NodeModel(
        driver=name.lower(),
        reference=f"{place}:{name}",
        kind=driver.kind,
        options=driver.Options(**options),
    )


def run(mode: Literal["processes", "inline"], *middle: str) -> Run:
    """Run a source over these layers and a slow NIC to the end; everything must have come back."""
    nodes = {name.lower(): model(OWN, name) for name in ("PieceSource", *middle)}
    nodes["nic"] = model("nodes.stock.miniport", "StockMiniport", link=50_000_000, ring=4)
    bindings = tuple(BindingModel(upper=upper, lower=lower) for upper, lower in pairwise(nodes))
    with launch(Topology(name="pieces", nodes=nodes, seed=7, bindings=bindings), mode=mode) as running:
        assert running.wait(30) is Reason.DONE, (running.error, running.violations)
    return running


@pytest.mark.rule("N6-SEND-10", "N6-CAN-04", "N6-NBL-05", "N6-NBL-08", "N6-IM-04")
@pytest.mark.parametrize("middle", [("Head",), ("Splitter",), ("Head", "Copier", "Splitter")], ids="-".join)
@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_packets_of_many_pieces_come_back_whole(
    mode: Literal["processes", "inline"], middle: tuple[str, ...]
) -> None:
    running = run(mode, *middle)
    of = look(running).conservation
    derived = PACKETS * len([layer for layer in middle if layer != "Head"])
    assert (of.accepted, of.completed, of.lost, of.duplicated) == (PACKETS + derived,) * 2 + (0, 0)
    assert (running.error, running.violations) == (None, [])
