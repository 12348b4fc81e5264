"""Each wrong driver is caught, by the rule that it breaks and by no other, in both modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from nodes.verifier.rules import Held, load_rules
from orchestrator import launch, report_of
from orchestrator.processes import ForkServer
from tests.zoo import (
    cancels,
    filters,
    indications,
    intermediates,
    levels,
    nbls,
    ndis5,
    oids,
    pnp,
    receives,
    resets,
    sends,
    wan,
)
from tests.zoo.beast import BEASTS, LIMITS, SECONDS, Beast

ROOMS = [
    cancels,
    filters,
    indications,
    intermediates,
    levels,
    nbls,
    ndis5,
    oids,
    pnp,
    receives,
    resets,
    sends,
    wan,
]


@pytest.fixture(scope="session")
def server(run_base: Path) -> Iterator[ForkServer]:
    """Import what nodes need once for all runs."""
    with ForkServer() as server:
        yield server


@pytest.mark.parametrize("mode", ["inline", "processes"])
@pytest.mark.parametrize("beast", BEASTS, ids=lambda beast: beast.name)
def test_a_wrong_driver_is_caught_by_just_its_rule(
    beast: Beast, mode: Literal["inline", "processes"], server: ForkServer
) -> None:
    with launch(beast.topology(), mode=mode, limits=LIMITS, warm=server) as run:
        if beast.act is not None:
            beast.act(run)
        run.wait(SECONDS)
    report = report_of(run)
    told = [f"{found.rule} {found.node}: {found.message}" for found in report.violations]
    assert {(found.rule, found.node) for found in report.violations} == {(beast.rule, beast.culprit)}, told
    assert report.verdict == "violations", report.error


NO_DRIVER_BREAKS = {
    "N6-SEND-05": "early completion is done to drivers; one that is not ready for it breaks N6-SEND-03 or a lock rule",
    "N6-SEND-23": "a wrong flag is reported as N6-IRQL-02, to which the contract points",
    "N6-RX-06": "NDIS changes the flag between layers; a driver that ignores it breaks N6-RX-05",
    "N6-OID-06": "early completion is done to drivers; nothing wrong of theirs crosses",
    "N6-OID-21": "NDIS delivers at this level; a call above it is reported as N6-IRQL-01",
    "N6-UNB-04": "the order of a removal is NDIS's own",
    "N5-SND-12": "says which generation's verdicts apply; an NDIS 6 driver that returns one is told so by N6-SEND-09",
}
"""Rules that are held, and that nothing in a driver can break, with what a wrong driver breaks instead."""


def test_every_rule_that_is_checked_has_a_beast_or_a_reason_why_not() -> None:
    held = {rule.id for rule in load_rules().values() if rule.held in (Held.CHECKED, Held.POLICY)}
    assert held - {beast.rule for beast in BEASTS} == set(NO_DRIVER_BREAKS)
