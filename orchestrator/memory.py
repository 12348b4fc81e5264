"""The segments of a run: what it needs is compared with what there is, then all of it is made at once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from nodes.spec import NodeSpec
from orchestrator.plan import Plan
from shm.arena import Arena
from shm.board import Board
from shm.errors import SharedMemoryFull
from shm.segment import HEADER_LENGTH, Segment, available

_PAGE = 4096


class RunMemory:
    """Every segment of a run, mapped here; `arena` and `boards` (by name) stay readable after the run."""

    def __init__(self, plan: Plan, segments: Mapping[str, Segment]) -> None:
        self._segments = segments
        self.boards = {
            spec.name: Board(self.of(spec)["board"].buffer, len(spec.edges), spec.events, spec.phases)
            for spec in plan.nodes
        }
        first = plan.nodes[0]
        self.arena = Arena.map(self.of(first)["packets"].buffer, first.slots)

    @classmethod
    def create(cls, plan: Plan, token: int) -> RunMemory:
        """Create all segments, or none.

        Raises SharedMemoryFull, which names what is needed and what is there, before anything is made.
        """
        check_room(plan)
        with ExitStack() as made:
            segments = {}
            for name, size in plan.segments.items():
                segments[name] = Segment.create(name, size, token)
                made.callback(segments[name].unlink)
            memory = cls(plan, segments)
            made.pop_all()
        return memory

    @classmethod
    def local(cls, plan: Plan) -> RunMemory:
        """Make the segments of a run that lives in this process alone."""
        return cls(plan, {name: Segment.local(name, size) for name, size in plan.segments.items()})

    def of(self, spec: NodeSpec) -> dict[str, Segment]:
        """Return the segments of one node by their parts."""
        return {part: self._segments[name] for part, name in spec.segments.items()}

    def unlink(self) -> None:
        """Remove the segments' names; what is mapped stays readable."""
        for segment in self._segments.values():
            segment.unlink()


def needed_bytes(plan: Plan) -> int:
    """Return how much of `/dev/shm` a plan takes, in whole pages."""
    return sum(-(-(size + HEADER_LENGTH) // _PAGE) * _PAGE for size in plan.segments.values())


def check_room(plan: Plan) -> None:
    """Raise SharedMemoryFull when `/dev/shm` has no room for the plan."""
    needed, free = needed_bytes(plan), available()
    if needed > free:
        raise SharedMemoryFull(
            f"the run needs {needed:,} bytes of /dev/shm, {free:,} are free; make /dev/shm larger "
            "(containers: --shm-size) or use fewer or smaller pools (`pool:`)"
        )
