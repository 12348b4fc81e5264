"""The phases of a topology's sources, and what a user means who names one: ``PHASE``, or ``NODE/PHASE``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from nodes.stock.phases import Phase, parse_phases
from nodes.stock.traffic_options import TrafficOptions
from orchestrator.topology.quoting import did_you_mean, quoted

if TYPE_CHECKING:
    from orchestrator.topology.model import NodeModel, Topology

Plans = Mapping[str, tuple[Phase, ...] | None]
"""The phases of each node, none for one that sends by no phases; None where they could not be read."""


class NoSuchPhase(ValueError):
    """A phase is named that is none, or more than one; `hint` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} ({hint})")
        self.message = message
        self.hint = hint


def phases_of(options: Any) -> tuple[Phase, ...]:
    """Return the phases that a node's options plan; none for a driver that sends by no phases.

    Raises ValueError for phases that make no sense.
    """
    return parse_phases(options.phases) if isinstance(options, TrafficOptions) else ()


def plans_of(nodes: Mapping[str, NodeModel | None]) -> dict[str, tuple[Phase, ...] | None]:
    """Return the phases of each node, by its name."""
    found: dict[str, tuple[Phase, ...] | None] = {}
    for name, node in nodes.items():
        try:
            found[name] = None if node is None else phases_of(node.options)
        except ValueError:
            found[name] = None
    return found


def spans(phases: tuple[Phase, ...]) -> list[tuple[int, int]]:
    """Return from when to when each phase is planned, ns after its source's beginning."""
    return list(pairwise(accumulate((phase.duration for phase in phases), initial=0)))


def sources_in(plans: Plans, reference: str) -> dict[str, int]:
    """Return the sources that have the phase ``PHASE`` or ``NODE/PHASE``, each with the phase's number, from 0.

    ``PHASE`` alone is for sources that plan it for the same time. Raises NoSuchPhase for what is none, and for a phase
    that is at different times in different sources.
    """
    node, joined, name = reference.rpartition("/")
    if joined and node not in plans:
        raise NoSuchPhase(f"there is no node {quoted(node)}", did_you_mean(node, plans))
    known = {source: phases for source, phases in plans.items() if phases and (not joined or source == node)}
    found = {
        source: number
        for source, phases in known.items()
        for number, phase in enumerate(phases)
        if phase.name == name
    }
    if not found and not any(plans[source] is None for source in ([node] if joined else plans)):
        if not known:
            who = node if joined else "no source of this topology"
            raise NoSuchPhase(
                f"{who} has {'no ' if joined else ''}phases", 'write e.g. phases: "2s@1000, peak=1s@8000"'
            )
        names = dict.fromkeys(phase.name for phases in known.values() for phase in phases)
        who = f"{node} has no" if joined else "no source has a"
        raise NoSuchPhase(f"{who} phase {quoted(name)}", did_you_mean(name, names))
    times = {source: spans(plans[source] or ())[number] for source, number in found.items()}
    first, *others = times or [""]
    other = next((source for source in others if times[source] != times[first]), None)
    if other is not None:
        raise NoSuchPhase(
            f"phase {quoted(name)} is at another time in {other} than in {first}",
            f"write {first}/{name} or {other}/{name}",
        )
    return found


def check_phases(topology: Topology) -> None:
    """Check that the phases that faults and conditions name are there; raises NoSuchPhase."""
    plans = plans_of(topology.nodes)
    named = {f"fault {fault.name}": fault.during for fault in topology.faults}
    named |= {str(condition): condition.phase for condition in topology.thresholds}
    for what, reference in named.items():
        try:
            if reference:
                sources_in(plans, reference)
        except NoSuchPhase as wrong:
            raise NoSuchPhase(f"{what}: {wrong.message}", wrong.hint) from None
