"""Runs as benchmarks use them: bounded, and Ctrl-C ends the command and not only the run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.events import Reason
from orchestrator.processes import ForkServer
from orchestrator.run import Run, launch
from orchestrator.topology.model import Topology


class RunUseless(RuntimeError):
    """A run gave no figure. The message says why."""


@contextmanager
def running(topology: Topology, output: Path | None = None, warm: ForkServer | None = None) -> Iterator[Run]:
    """Give a run of `topology` with all nodes running; it is stopped however the block is left.

    Raises `KeyboardInterrupt` when the user has interrupted its start or its end, and RunError as `launch` does.
    """
    with launch(topology, output=output, warm=warm) as run:
        _check(run.reason)
        yield run
    _check(run.reason)


def pass_time(run: Run, seconds: float) -> None:
    """Let a silent run go on for `seconds`. Raises RunUseless when it ends by itself."""
    reason = run.wait(seconds)
    _check(reason)
    if reason is not Reason.TIME:
        raise RunUseless(str(run.error or f"the run ended early: {reason}"))


def figures(topology: Topology, output: Path, seconds: float) -> dict[str, Any]:
    """Run `topology` until its sources are done, in `seconds` at most; return what its nodes left in `output`.

    Raises RunUseless when it took longer, broke a rule, or a node left nothing; RunError as `launch` does.
    """
    with running(topology, output) as run:
        reason = run.wait(seconds)
    _check(reason)
    if run.violations:
        raise RunUseless(f"{len(run.violations)} violations, first: {run.violations[0]['message']}")
    if reason is not Reason.DONE:
        raise RunUseless(str(run.error or f"not all packets were back after {seconds:g} s"))
    return {path.stem: json.loads(path.read_text()) for path in output.glob("*.json")}


def _check(reason: Reason | None) -> None:
    if reason is Reason.INTERRUPTED:
        raise KeyboardInterrupt
