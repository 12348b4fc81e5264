"""A source keeps books on its phases: when each was on, what it sent, how long its packets took."""

from __future__ import annotations

from typing import Any

import numpy as np

from nodes.metrics import HistogramRow, PhaseHistogram, PhaseWord
from nodes.stock.traffic import Traffic
from tests.bench import BEGIN, Bench
from tests.layers import Floor

MS = 1_000_000


def bench(hold: bool = False, **options: Any) -> Bench:
    layers = {"bulk": (Traffic, options), "floor": (Floor, {"hold": hold})}
    return Bench(layers, ["bulk -> floor"]).start()


def complete(stack: Bench) -> None:
    stack.driver("floor", Floor).complete()
    stack.settle()


def column(stack: Bench, word: PhaseWord) -> list[int]:
    return [row[word] for row in stack.nodes["bulk"].board.phases]


def times(stack: Bench, word: PhaseWord) -> list[int | None]:
    """Return times of phases in ms after the beginning, None for what has not been yet."""
    return [(at - BEGIN) // MS if at else None for at in column(stack, word)]


def measured(stack: Bench, row: PhaseHistogram) -> list[int]:
    return [int(rows[row].counts.sum()) for rows in stack.nodes["bulk"].board.phase_histograms]


def told(stack: Bench) -> list[int]:
    return [event["number"] for _, event in stack.events if event["kind"] == "phase"]


def test_each_phase_is_noted_with_its_time_and_its_packets() -> None:
    stack = bench(phases="3ms@1000, quiet=4ms@0, 2ms@4x1ms")
    stack.run_for(5 * MS)
    assert times(stack, PhaseWord.BEGAN) == [0, 3, None]
    assert times(stack, PhaseWord.ENDED) == [3, None, None]
    assert told(stack) == [0, 1]
    stack.run_for(20 * MS)
    assert times(stack, PhaseWord.BEGAN) == [0, 3, 7]
    assert times(stack, PhaseWord.ENDED) == [3, 7, 9]
    assert told(stack) == [0, 1, 2, 3]
    for word in (PhaseWord.SENT, PhaseWord.COMPLETED, PhaseWord.RETURNED):
        assert column(stack, word) == [3, 0, 8]


def test_a_packet_is_of_the_phase_that_it_was_planned_in_whenever_it_leaves() -> None:
    stack = bench(hold=True, window=2, burst=2, phases="4ms@1000, 4ms@1000")
    stack.run_for(6 * MS)
    assert (column(stack, PhaseWord.SENT), column(stack, PhaseWord.COMPLETED)) == ([2, 0], [0, 0])
    complete(stack)
    assert (column(stack, PhaseWord.SENT), column(stack, PhaseWord.COMPLETED)) == ([4, 0], [2, 0])
    assert column(stack, PhaseWord.RETURNED) == [0, 2], "they came back in the second one"
    for _ in range(3):
        stack.run_for(2 * MS)
        complete(stack)
    assert (column(stack, PhaseWord.SENT), column(stack, PhaseWord.COMPLETED)) == ([4, 4], [4, 4])
    assert measured(stack, PhaseHistogram.PLANNED) == measured(stack, PhaseHistogram.LATENCY) == [4, 4]


def test_a_closed_phase_begins_when_what_was_planned_before_has_left() -> None:
    stack = bench(hold=True, window=2, burst=2, phases="4ms@1000, 6ms@max, 2ms@max")
    stack.run_for(6 * MS)
    assert (times(stack, PhaseWord.BEGAN), told(stack)) == ([0, None, None], [0])
    complete(stack)
    complete(stack)
    assert times(stack, PhaseWord.BEGAN) == [0, 6, None]
    stack.run_for(5 * MS)
    complete(stack)
    stack.run_for(5 * MS)
    complete(stack)
    assert times(stack, PhaseWord.ENDED) == [6, 10, 12]
    assert column(stack, PhaseWord.SENT) == [4, 2, 2]
    assert measured(stack, PhaseHistogram.PLANNED) == [4, 0, 0]
    assert measured(stack, PhaseHistogram.LATENCY) == [4, 2, 2]


def test_a_phase_lasts_longer_when_the_schedule_stands_still() -> None:
    stack = bench(phases="2ms@1000, 4ms@0, 2ms@1000")
    stack.run_for(3 * MS)
    stack.pause("bulk")
    stack.run_for(50 * MS)
    stack.command("bulk", "restart")
    stack.run_for(10 * MS)
    assert times(stack, PhaseWord.ENDED) == [2, 56, 58]


def test_the_last_phase_ends_when_nothing_is_left_to_send() -> None:
    stack = bench(packets=5, phases="1s@1000, 1s@max")
    stack.run_for(20 * MS)
    assert times(stack, PhaseWord.ENDED) == [4, None]
    assert told(stack) == [0, 2], "the second one is never reached"


def test_what_phases_measured_adds_up_to_what_the_source_measured() -> None:
    stack = bench(senders=3, arrivals="poisson", phases="5ms@9000, 5ms@1000..40000, 5ms@16x1ms")
    stack.run_for(50 * MS)
    board = stack.nodes["bulk"].board
    for row, whole in (
        (PhaseHistogram.LATENCY, HistogramRow.LATENCY),
        (PhaseHistogram.PLANNED, HistogramRow.PLANNED),
    ):
        parts = np.sum([rows[row].counts for rows in board.phase_histograms], axis=0)
        assert parts.sum() > 100
        assert (parts == board.histograms[whole].counts).all()
    assert sum(column(stack, PhaseWord.SENT)) == board.histograms[HistogramRow.LATENCY].counts.sum()


def test_a_source_without_phases_keeps_no_books_on_them() -> None:
    stack = bench(packets=5, rate=1000)
    stack.run_for(20 * MS)
    assert (stack.nodes["bulk"].board.phases, told(stack)) == ([], [])
