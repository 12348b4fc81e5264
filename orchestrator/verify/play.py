"""Play a job: launch its stack, let happen what is to happen, and judge the run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from orchestrator.events import Reason
from orchestrator.failures import RunError
from orchestrator.inline import SeededScheduler
from orchestrator.outcome import look, report_of
from orchestrator.processes import ForkServer
from orchestrator.relay import Relay
from orchestrator.report_model import Report
from orchestrator.run import Run, launch
from orchestrator.script import Limits
from orchestrator.sweep import SweepRow, sweep
from orchestrator.topology import Topology
from orchestrator.verify.certificate import JobPart, Result
from orchestrator.verify.exercised import Operation, rules_of, seen
from orchestrator.verify.jobs import Job
from orchestrator.verify.stacks import DRIVER, Stack
from orchestrator.verify.subject import Subject

LASTS = {"inline": 0.2, "processes": 4.0}
"""Seconds that a job lasts at most before it is drained, virtual in mode inline."""
PATIENCE = Limits(settle=45_000_000_000, wave=100_000_000)
"""On a virtual clock nobody minds waiting for what a driver keeps until its time limit is over (N6-SEND-19)."""
SWEPT = 25
"""Allocations that a sweep lets fail one by one at most."""


_KEPT = 20
"""Violations of a job that its part of the certificate holds."""
OVERDUE = 30.0
"""Seconds of real time after which a job is broken off, whatever it waits for."""


_OVERDUE_TEXT = f"not at its end after {OVERDUE:g} s; does the driver go round and round?"


class PlayInterrupted(Exception):
    """The user interrupted a job."""


class JobOverdue(RunError):
    """A job has taken too much real time: its driver goes round and round, or the machine is too slow for it."""


class _Hurried(SeededScheduler):
    """Decides as ever, until the job's real time is over."""

    def __init__(self, seed: int, end: float) -> None:
        super().__init__(seed)
        self._end = end

    def choose(self, runnable: Sequence[int]) -> int:
        """Return a node id drawn from `runnable`; raises JobOverdue."""
        if time.monotonic() > self._end:
            raise JobOverdue(_OVERDUE_TEXT)
        return super().choose(runnable)


def play(job: Job, subject: Subject, *, level: int, seed: int, warm: ForkServer | None = None) -> JobPart:
    """Play one job with one driver; `warm` is a fork server begun earlier, for jobs with processes.

    Raises PlayInterrupted when the user interrupts it, NotVerifiable when the driver refuses its options.
    """
    began = time.monotonic()
    stack = job.stack(subject)
    topology = job.topology(subject, stack, level, seed)
    runs = 1
    with TemporaryDirectory(prefix="ndisim-verify-") as output, _alarm():
        place = Path(output)
        outcome = _once(job, stack, topology, place, began + OVERDUE, warm)
        if job.sweep and outcome.result == "pass":
            rows = _swept(topology, place, began + OVERDUE / 2)
            runs += len(rows)
            bad = next((row for row in rows if row.verdict != "pass"), None)
            if bad is not None:
                force = replace(topology.force, fail_allocation=bad.allocation)
                again = topology.model_copy(update={"force": force})
                outcome = _once(job, stack, again, place, began + 2 * OVERDUE, None, f"with {_told(bad)}")
    report = outcome.report
    return JobPart(
        job=job.name,
        what=job.what,
        mode=job.mode,
        runs=runs,
        packets=report.conservation.accepted if report else 0,
        rules=rules_of(subject, {*job.acts, Operation.HALT, *outcome.seen}),
        result=outcome.result,
        duration_s=round(time.monotonic() - began, 3),
        error=outcome.error,
        violation_count=report.violation_count if report else 0,
        violations=report.violations[:_KEPT] if report else [],
    )


@dataclass(frozen=True)
class _Outcome:
    """What a run came to, and what went through the driver in it."""

    result: Result
    report: Report | None
    error: str | None
    seen: set[Operation]


def _once(
    job: Job,
    stack: Stack,
    topology: Topology,
    output: Path,
    end: float,
    warm: ForkServer | None,
    note: str = "",
) -> _Outcome:
    """Run a job's topology once, at most until `end` of real time; files that drivers write go to `output`."""
    run = launch(
        topology,
        mode=job.mode,
        output=output,
        warm=warm,
        limits=PATIENCE if job.mode == "inline" else None,
        scheduler=_Hurried(topology.seed, end),
    )
    error = _carry_out(job, run, stack)
    if run.reason is Reason.INTERRUPTED:
        raise PlayInterrupted(f"{job.name} was interrupted")
    if not hasattr(run, "boards"):
        return _Outcome("failed", None, error, set())
    report = report_of(run)
    result = judge(report, error)
    error = " ".join(filter(None, (error, note))) if result != "pass" else error
    return _Outcome(result, report, error or None, seen(look(run).nodes[DRIVER]))


def _swept(topology: Topology, output: Path, end: float) -> list[SweepRow]:
    """Let the driver's allocations fail, one in each run, as far as that goes until `end` of real time."""
    force = replace(topology.force, nodes=(DRIVER,))
    return sweep(
        topology.model_copy(update={"force": force}),
        SWEPT,
        seconds=LASTS["inline"],
        output=output,
        go_on=lambda: time.monotonic() < end,
    )


def _told(row: SweepRow) -> str:
    return f"allocation {row.allocation} failing{f' at {row.where}' if row.where else ''}"


def judge(report: Report | None, error: str | None) -> Result:
    """Return the result of a job: a broken rule comes first, then what broke off, then packets that do not add up."""
    if report is not None and report.violation_count:
        return "violations"
    if error is not None or report is None:
        return "failed"
    of = report.conservation
    return "violations" if of.lost or of.duplicated else "pass"


def _carry_out(job: Job, run: Run, stack: Stack) -> str | None:
    """Let the run happen; return what broke it off, in words."""
    try:
        with run:
            if job.act is not None:
                job.act(run, stack)
            else:
                run.wait(LASTS[job.mode])
    except RunError as error:
        return f"{type(error).__name__}: {error}"
    return f"{type(run.error).__name__}: {run.error}" if run.error else None


@contextmanager
def _alarm() -> Iterator[None]:
    """Break into driver code that loops on this thread and so never lets the scheduler decide anything."""

    def ring(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_globals.get("__name__") == Relay.__module__:
                return  # this thread waits for another one, and may not go on
            frame = frame.f_back
        raise JobOverdue(_OVERDUE_TEXT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGALRM, ring)
    left, every = signal.setitimer(signal.ITIMER_REAL, OVERDUE + 1, OVERDUE / 4)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, every)
        signal.signal(signal.SIGALRM, handler)
