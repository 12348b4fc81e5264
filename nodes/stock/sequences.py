"""What became of numbered packets: which came late, which twice, which not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

REMEMBERED = 4096
"""Sequence numbers of each flow that are remembered; a packet that comes twice further apart counts as late."""


class _Flow:
    """The numbers of one flow, from 0: `expected` is the next one, `distinct` how many different ones came."""

    def __init__(self) -> None:
        self.expected = 0
        self.distinct = 0
        self._seen = np.zeros(REMEMBERED, np.uint64)

    def take(self, numbers: U64) -> tuple[int, int]:
        """Note numbers in order of arrival; return how many came late and how many again."""
        first, count = int(numbers[0]), len(numbers)
        if first == self.expected and bool((numbers[1:] == numbers[:-1] + np.uint64(1)).all()):
            self._note(numbers, first + count)
            return 0, 0
        again = self._seen[numbers % REMEMBERED] == numbers + np.uint64(1)
        again |= _not_first(numbers)
        fresh = numbers[~again]
        if not len(fresh):
            return 0, count
        reached = np.maximum.accumulate(np.append(np.uint64(self.expected), fresh + np.uint64(1)))
        late = int(np.count_nonzero(fresh < reached[:-1]))
        self._note(fresh, int(reached[-1]))
        return late, count - len(fresh)

    def _note(self, fresh: U64, expected: int) -> None:
        self.expected = expected
        self.distinct += len(fresh)
        self._seen[fresh % REMEMBERED] = fresh + np.uint64(1)


@dataclass(frozen=True)
class Verdict:
    """How many packets of a batch came `late` (behind a later one) and how many came `again`."""

    late: int
    again: int


class Sequences:
    """The flows of a receiver; every flow counts its packets from 0."""

    def __init__(self) -> None:
        self._flows: dict[int, _Flow] = {}

    @property
    def missing(self) -> int:
        """Return how many packets have not come though later ones of their flow have."""
        return sum(flow.expected - flow.distinct for flow in self._flows.values())

    def take(self, flows: NDArray[np.uint32], numbers: U64) -> Verdict:
        """Note a batch: flow and sequence number of each packet in order of arrival, at least one."""
        late = again = 0
        for flow, part in _by_flow(flows, numbers):
            came_late, came_again = self._flows.setdefault(flow, _Flow()).take(part)
            late += came_late
            again += came_again
        return Verdict(late, again)


def _by_flow(flows: NDArray[np.uint32], numbers: U64) -> list[tuple[int, U64]]:
    if bool((flows == flows[0]).all()):
        return [(int(flows[0]), numbers)]
    return [(flow, numbers[flows == flow]) for flow in np.unique(flows).tolist()]


def _not_first(numbers: U64) -> NDArray[np.bool_]:
    mask = np.ones(len(numbers), bool)
    mask[np.unique(numbers, return_index=True)[1]] = False
    return mask
