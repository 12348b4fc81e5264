"""The report's parts on the machine: what it gave to the run, and what set the pace."""

from __future__ import annotations

from typing import Literal

from orchestrator.report_part import Microseconds, Part


class FloorPart(Part):
    """What no duration can be below: the clock's smallest step, and how late the machine wakes a sleeper.

    Of the nodes that make traffic the worst; null in mode inline, whose clock is virtual.
    """

    clock: Microseconds
    wake_p50: Microseconds
    wake_p90: Microseconds


class ProcessorPart(Part):
    """What part of the run's time a node ran, and what part it was ready to run and waited for a processor."""

    running: float
    waiting: float


class MachinePart(Part):
    """How many processors the run could use, and how many of them were used on average.

    `running` by its nodes, `others` by everything but nodes and orchestrator; `waiting` nodes were ready to run and had
    none.
    """

    processors: int
    running: float
    waiting: float
    others: float


class BottleneckPart(Part):
    """What set the pace: the `machine`, the load `generator` in a closed loop, or a `layer`; `node` is which one."""

    kind: Literal["machine", "generator", "layer"]
    node: str | None
    text: str
