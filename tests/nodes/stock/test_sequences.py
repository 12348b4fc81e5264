"""Sequences tell late, repeated and missing packets apart, however they arrive in batches."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodes.stock.sequences import REMEMBERED, Sequences, Verdict

ARRIVALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=80)


def take(sequences: Sequences, arrivals: list[tuple[int, int]]) -> Verdict:
    flows = np.array([flow for flow, _ in arrivals], np.uint32)
    return sequences.take(flows, np.array([number for _, number in arrivals], np.uint64))


def told_one_by_one(arrivals: list[tuple[int, int]]) -> tuple[int, int, int]:
    """Return late, again and missing as plain sets tell them."""
    late = again = 0
    seen: dict[int, set[int]] = {}
    for flow, number in arrivals:
        of = seen.setdefault(flow, set())
        again += number in of
        late += number not in of and number < max(of, default=-1)
        of.add(number)
    return late, again, sum(max(of) + 1 - len(of) for of in seen.values())


@given(ARRIVALS, st.lists(st.integers(1, 79), max_size=4))
def test_batches_make_no_difference(arrivals: list[tuple[int, int]], cuts: list[int]) -> None:
    sequences = Sequences()
    bounds = sorted({0, len(arrivals), *(cut for cut in cuts if cut < len(arrivals))})
    verdicts = [take(sequences, arrivals[start:stop]) for start, stop in pairwise(bounds)]
    late = sum(verdict.late for verdict in verdicts)
    again = sum(verdict.again for verdict in verdicts)
    assert (late, again, sequences.missing) == told_one_by_one(arrivals)


def test_a_repetition_longer_ago_than_remembered_counts_as_late() -> None:
    sequences = Sequences()
    take(sequences, [(1, number) for number in range(REMEMBERED + 1)])
    assert take(sequences, [(1, 1)]) == Verdict(late=0, again=1)
    assert take(sequences, [(1, 0)]) == Verdict(late=1, again=0)
