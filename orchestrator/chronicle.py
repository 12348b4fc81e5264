"""What happened to a run while it went on, in the order of time: faults, operations, deaths, broken rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.report_model import EventPart, FaultPart, ViolationPart
from orchestrator.report_part import microseconds


@dataclass(frozen=True)
class Deed:
    """Something done to the stack: `what` to whom, from when to when after every node ran (ns), with which result.

    `ended` is None for what had not ended when the run did. A death ends when it begins.
    """

    kind: Literal["operation", "death"]
    what: str
    where: str
    began: int
    ended: int | None
    result: str = ""


def chronicle(
    faults: Iterable[FaultPart], deeds: Iterable[Deed], violations: Sequence[ViolationPart]
) -> list[EventPart]:
    """Return the events of a run; a fault whose time did not come is none.

    Of violations, those of one kind (the same rule, broken by the same node at the same line) are one event, from the
    first to the last.
    """
    events = [_fault(of) for of in faults if of.began is not None]
    events += [_deed(of) for of in deeds]
    kinds: dict[tuple[str, str, str], list[ViolationPart]] = {}
    for violation in violations:
        kinds.setdefault((violation.rule, violation.node, violation.source), []).append(violation)
    events += [_violations(alike) for alike in kinds.values()]
    return sorted(events, key=lambda event: event.began or 0.0)


def _fault(of: FaultPart) -> EventPart:
    return EventPart(
        kind="fault",
        what=of.kind,
        where=of.where,
        name=of.name,
        began=of.began,
        ended=of.ended,
        count=of.hit,
        result="",
    )


def _deed(of: Deed) -> EventPart:
    return EventPart(
        kind=of.kind,
        what=of.what,
        where=of.where,
        name="",
        began=microseconds(of.began),
        ended=microseconds(of.ended),
        count=0,
        result=of.result,
    )


def _violations(alike: Sequence[ViolationPart]) -> EventPart:
    first = alike[0]
    return EventPart(
        kind="violation",
        what=first.rule,
        where=first.node,
        name="",
        began=first.at,
        ended=alike[-1].at,
        count=len(alike),
        result=first.message,
    )
