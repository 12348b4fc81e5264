"""Each wrong driver is caught, by the rule that it breaks and by no other, in both modes."""

from __future__ import annotations

from typing import Literal

import pytest

from orchestrator import launch, report_of
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


@pytest.mark.parametrize("mode", ["inline", "processes"])
@pytest.mark.parametrize("beast", BEASTS, ids=lambda beast: beast.name)
def test_a_wrong_driver_is_caught_by_just_its_rule(
    beast: Beast, mode: Literal["inline", "processes"]
) -> None:
    with launch(beast.topology(), mode=mode, limits=LIMITS) as run:
        if beast.act is not None:
            beast.act(run)
        run.wait(SECONDS)
    report = report_of(run)
    told = [f"{found.rule} {found.node}: {found.message}" for found in report.violations]
    assert {(found.rule, found.node) for found in report.violations} == {(beast.rule, beast.culprit)}, told
    assert report.verdict == "violations", report.error
