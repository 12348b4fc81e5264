"""Read and judge the conditions of `pass:`, such as ``latency.p99 < 50ms`` or ``lost == 0``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.topology.quoting import did_you_mean, quoted
from orchestrator.topology.units import UnitError, format_duration, parse_count, parse_duration

COUNTS = ("accepted", "completed", "in_flight", "lost", "duplicated", "leaked", "violations", "received")
RATE = "throughput_pps"
LATENCIES = tuple(
    f"{kind}.{rank}" for kind in ("latency", "planned") for rank in ("p50", "p90", "p99", "p99.9", "max")
)
RATIOS = ("fairness.jain", "fairness.flows.jain")
WAITS = ("fairness.starved", "fairness.flows.starved")
DURATIONS = (*LATENCIES, *WAITS)
TIMED = frozenset({RATE, *DURATIONS, *RATIOS})
"""Metrics that depend on when packets leave and come back."""
PHASE_COUNTS = ("sent", "completed")
OF_PHASES = (*PHASE_COUNTS, RATE, *LATENCIES)
"""What can be asked of a phase, as ``phases.PHASE.METRIC`` or ``phases.NODE/PHASE.METRIC``."""

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*([A-Za-z_0-9./-]{1,128})\s*(<=|>=|==|!=|<|>)\s*(\S[^<>=!]*?)\s*", re.ASCII)
_PHASE = re.compile(r"phases\.((?:[a-z0-9_-]+/)?[a-z0-9_-]+)\.(.+)", re.ASCII)
_STATUS = re.compile(r"statuses\.[A-Z][A-Z0-9_]*", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?", re.ASCII)


@dataclass(frozen=True)
class Threshold:
    """Hold one condition of a passing run; durations are int nanoseconds, all others plain numbers.

    `metric` is measured in one `phase`, where that is not empty, else in the whole run.
    """

    metric: str
    operator: str
    value: float
    phase: str = ""

    @property
    def name(self) -> str:
        """Return the metric as a user writes it, with its phase."""
        return f"phases.{self.phase}.{self.metric}" if self.phase else self.metric

    def holds(self, measured: float) -> bool:
        """Tell whether the measured value (same unit as `value`) meets the condition."""
        return _OPERATORS[self.operator](measured, self.value)

    def __str__(self) -> str:
        """Write the condition as `parse_threshold` reads it."""
        if self.metric in DURATIONS:
            return f"{self.name} {self.operator} {format_duration(int(self.value))}"
        return f"{self.name} {self.operator} {self.value}"


def parse_threshold(text: str) -> Threshold:
    """Read ``METRIC OPERATOR VALUE``; `UnitError` names the part that is wrong and what may stand there."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UnitError(f"{quoted(text)} is not a condition", "write e.g. latency.p99 < 50ms")
    metric, comparison, value = match.groups()
    if (of_phase := _PHASE.fullmatch(metric)) is not None:
        return _of_phase(of_phase[1], of_phase[2], comparison, value)
    return _of_run(metric, comparison, value)


def _of_phase(phase: str, metric: str, comparison: str, value: str) -> Threshold:
    if metric not in OF_PHASES:
        raise UnitError(f"{quoted(metric)} is not a metric of a phase", did_you_mean(metric, OF_PHASES))
    if metric in PHASE_COUNTS:
        return Threshold(metric, comparison, parse_count(value), phase)
    return replace(_of_run(metric, comparison, value), phase=phase)


def _of_run(metric: str, comparison: str, value: str) -> Threshold:
    if metric in DURATIONS:
        return Threshold(metric, comparison, parse_duration(value))
    if metric == RATE:
        if not _DECIMAL.fullmatch(value):
            raise UnitError(f"{quoted(value)} is not a number of packets per second", "write e.g. 10000")
        return Threshold(metric, comparison, float(value))
    if metric in RATIOS:
        if not _DECIMAL.fullmatch(value):
            raise UnitError(f"{quoted(value)} is not a number from 0 to 1", "write e.g. 0.95")
        return Threshold(metric, comparison, float(value))
    if metric in COUNTS or _STATUS.fullmatch(metric):
        return Threshold(metric, comparison, parse_count(value))
    known = (*COUNTS, RATE, *DURATIONS, *RATIOS, "statuses.SUCCESS", "phases.PHASE.latency.p99")
    raise UnitError(f"{quoted(metric)} is not a metric", did_you_mean(metric, known))
