"""Judge the conditions of `pass:` on what a run measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.topology.threshold import DURATIONS, RATE, RATIOS, Threshold

STATUS_PREFIX = "statuses."


@dataclass(frozen=True)
class Outcome:
    """Say how one condition fared.

    `measured` is in `unit` (``us``, ``pps``, ``ratio`` or ``count``), None where there was nothing to measure.
    """

    condition: str
    passed: bool
    measured: float | None
    unit: str


def evaluate(thresholds: Iterable[Threshold], metrics: Mapping[str, float]) -> tuple[Outcome, ...]:
    """Judge every condition; `metrics` maps names to values as `Threshold` counts them (durations in ns).

    A metric that was not measured fails its condition, because a run that proves nothing must not pass; a
    status that never occurred counts as 0.
    """
    return tuple(_judge(threshold, metrics) for threshold in thresholds)


def _judge(threshold: Threshold, metrics: Mapping[str, float]) -> Outcome:
    absent = 0.0 if threshold.metric.startswith(STATUS_PREFIX) else None
    value = metrics.get(threshold.name, absent)
    passed = value is not None and threshold.holds(value)
    if threshold.metric in DURATIONS:
        return Outcome(str(threshold), passed, None if value is None else value / 1000, "us")
    units = {RATE: "pps"} | dict.fromkeys(RATIOS, "ratio")
    return Outcome(str(threshold), passed, value, units.get(threshold.metric, "count"))
