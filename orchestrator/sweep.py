"""The sweep of low resources: the first allocation of a driver fails, then the second, until none is left to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.failures import RunError
from orchestrator.outcome import report_of
from orchestrator.report_model import EXIT_CODES, Verdict
from orchestrator.run import launch

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.topology.model import Topology

SCHEMA = "ndisim.sweep/1"
LIMIT = 200
"""Allocations of one driver that are made to fail at most, one after the other."""
SECONDS = 10.0
"""Virtual time that one run of a sweep may take, if its caller does not say."""
_ORDER: tuple[Verdict, ...] = ("pass", "thresholds", "void", "violations", "failed")


@dataclass(frozen=True)
class SweepRow:
    """One run: allocation number `allocation` of the driver `node` failed, at `where` in it (``file:line``).

    `where` is empty when no driver code was on the stack, as for a NIC's receive buffers. `rules` are those broken in
    it, `error` what ended the run early, if anything did.
    """

    node: str
    allocation: int
    where: str
    verdict: Verdict
    rules: tuple[str, ...] = ()
    error: str = ""


def sweep(
    topology: Topology,
    limit: int,
    *,
    seconds: float | None = SECONDS,
    output: Path | None = None,
    go_on: Callable[[], bool] = lambda: True,
) -> list[SweepRow]:
    """Run `topology` inline again and again, with another allocation failing each time; return what each came to.

    The nodes that `topology.force.nodes` names, or all, take turns. A node is done with when its next allocation is
    never reached, or after `limit` of them. What else is forced stays as it is. `go_on` is asked before each run.
    """
    rows: list[SweepRow] = []
    for node in topology.force.nodes or topology.nodes:
        for number in range(1, limit + 1):
            row = None if not go_on() else _try(topology, node, number, seconds, output)
            if row is None:
                break
            rows.append(row)
    return rows


def worst(rows: Iterable[SweepRow]) -> Verdict:
    """Return the verdict on a sweep: that of its worst run; pass if there was none."""
    return max((row.verdict for row in rows), key=_ORDER.index, default="pass")


def to_json(rows: list[SweepRow]) -> dict[str, Any]:
    """Return a sweep as data: ``{"schema", "verdict", "exit_code", "rows": [...]}``."""
    verdict = worst(rows)
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": EXIT_CODES[verdict],
        "rows": [asdict(row) for row in rows],
    }


def _try(
    topology: Topology, node: str, number: int, seconds: float | None, output: Path | None
) -> SweepRow | None:
    """Run with one allocation failing; None if it was never made."""
    force = replace(topology.force, low_resources=0.0, fail_allocation=number, nodes=(node,))
    run = launch(topology.model_copy(update={"force": force}), mode="inline", output=output)
    verdict: Verdict = "failed"
    try:
        with run:
            run.wait(seconds)
        verdict = report_of(run).verdict
        error = run.error
    except RunError as failure:
        error = failure
    if not run.forced:
        return None
    rules = tuple(dict.fromkeys(str(violation["rule"]) for violation in run.violations))
    text = str(error).partition("\n")[0] if error else ""
    return SweepRow(node, number, run.forced[0].where, verdict, rules, text)
