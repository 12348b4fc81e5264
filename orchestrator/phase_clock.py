"""Where the sources of a run are in their phases, as they say themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.stock.phases import MOST_PHASES
from orchestrator.topology.phases import plans_of, sources_in

if TYPE_CHECKING:
    from orchestrator.topology.model import Topology

_GONE = MOST_PHASES + 1


class PhaseClock:
    """Tells whether a phase is on, by its name as under `during:` of a fault.

    It is on from when the first of its sources has reached it until the last one that reached it has left it. Raises
    NoSuchPhase for a name that the topology has none for.
    """

    def __init__(self, topology: Topology) -> None:
        self._plans = plans_of(topology.nodes)
        self._at: dict[str, int] = {}

    def reached(self, node: str, number: int) -> None:
        """Note that a source has come to a phase."""
        self._at[node] = number

    def gone(self, node: str) -> None:
        """Note that a node is dead: it is in no phase any more."""
        self._at[node] = _GONE

    def first(self, reference: str) -> bool:
        """Return whether a source begins with this phase."""
        return 0 in sources_in(self._plans, reference).values()

    def on(self, reference: str) -> bool:
        """Return whether any source is in this phase now."""
        return any(self._at.get(node) == number for node, number in self._of(reference))

    def left(self, reference: str) -> bool:
        """Return whether a source has left this phase and none is in it."""
        beyond = any(self._at.get(node, -1) > number for node, number in self._of(reference))
        return beyond and not self.on(reference)

    def over(self, reference: str) -> bool:
        """Return whether every source has left this phase."""
        return all(self._at.get(node, -1) > number for node, number in self._of(reference))

    def _of(self, reference: str) -> list[tuple[str, int]]:
        return list(sources_in(self._plans, reference).items())
