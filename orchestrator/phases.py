"""What came of the phases of a run's sources: rows of the report, and what its conditions ask of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodes.metrics import PhaseHistogram, PhaseWord
from nodes.stock.phases import Phase
from orchestrator.percentiles import Durations, added, summarise
from orchestrator.topology.phases import Plans, sources_in, spans
from orchestrator.topology.threshold import RATE, Threshold
from shm.board import Board


@dataclass(frozen=True)
class PhaseFigures:
    """One phase of some sources together; times are ns after every node ran, None where it did not begin.

    `throughput` (None where it took no time) counts packets that came back while it was on, all else those of the
    phase, whenever they came back.
    """

    name: str
    sources: tuple[str, ...]
    rate: float | None
    began: int | None
    ended: int | None
    sent: int
    completed: int
    throughput: float | None
    latency: Durations
    planned: Durations


class RunPhases:
    """The phases of a run by the boards of its sources; it lasted from `started` to `ended`, ns on its clock."""

    def __init__(self, plans: Plans, boards: Mapping[str, Board], started: int, ended: int) -> None:
        self._plans = {source: phases for source, phases in plans.items() if phases}
        self._boards = boards
        self._started = started
        self._ended = ended

    def rows(self) -> list[PhaseFigures]:
        """Return every phase in the order of planned times, once for the sources that plan it for the same time."""
        found: dict[tuple[tuple[int, int], str], dict[str, int]] = {}
        for source, phases in self._plans.items():
            for number, (span, phase) in enumerate(zip(spans(phases), phases, strict=True)):
                found.setdefault((span, phase.name), {})[source] = number
        ordered = sorted(found.items(), key=lambda item: item[0][0])
        return [self._together(sources) for _, sources in ordered]

    def metrics(self, conditions: Iterable[Threshold]) -> dict[str, float]:
        """Return what these conditions ask of phases and what was measured, latencies in ns."""
        found: dict[str, float] = {}
        for phase in dict.fromkeys(of.phase for of in conditions if of.phase):
            of = self._together(sources_in(self._plans, phase))
            values = {"sent": of.sent, "completed": of.completed, RATE: of.throughput}
            values |= of.latency.metrics("latency") | of.planned.metrics("planned")
            found |= {f"phases.{phase}.{name}": value for name, value in values.items() if value is not None}
        return found

    def _together(self, sources: Mapping[str, int]) -> PhaseFigures:
        words = [self._boards[source].phases[number] for source, number in sources.items()]
        histograms = [self._boards[source].phase_histograms[number] for source, number in sources.items()]
        phases = [self._plans[source][number] for source, number in sources.items()]
        spells = [
            (of[PhaseWord.BEGAN], of[PhaseWord.ENDED] or self._ended) for of in words if of[PhaseWord.BEGAN]
        ]
        began = max(min(spells)[0], self._started) if spells else None
        ended = None if began is None else max(began, min(max(end for _, end in spells), self._ended))
        returned = sum(of[PhaseWord.RETURNED] for of in words)
        seconds = (ended - began) / 1e9 if began is not None and ended is not None else 0.0
        latency, planned = (
            summarise(added(rows[row].counts for rows in histograms)) for row in PhaseHistogram
        )
        return PhaseFigures(
            name=phases[0].name,
            sources=tuple(sources),
            rate=_rate(phases),
            began=None if began is None else began - self._started,
            ended=None if ended is None else ended - self._started,
            sent=sum(of[PhaseWord.SENT] for of in words),
            completed=sum(of[PhaseWord.COMPLETED] for of in words),
            throughput=returned / seconds if seconds else None,
            latency=latency,
            planned=planned,
        )


def _rate(phases: Sequence[Phase]) -> float | None:
    """Return the packets per second that phases plan together, on average; None where one sends as fast as it can."""
    if any(phase.closed for phase in phases):
        return None
    return sum(phase.packets / phase.duration * 1e9 for phase in phases)
