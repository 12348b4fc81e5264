from __future__ import annotations

import numpy as np
import pytest

from shm.board import COUNTERS, HISTOGRAMS, STATUSES, Board, Word

EVENTS = 32


@pytest.fixture
def memory() -> memoryview:
    return memoryview(bytearray(Board.layout(3, EVENTS).size))


def test_a_reader_sees_what_the_node_wrote(memory: memoryview) -> None:
    writer, reader = Board(memory, 3, EVENTS), Board(memory, 3, EVENTS)
    writer.words[Word.PROGRESS] += 7
    writer.counters[COUNTERS - 1] = 1 << 40
    writer.ports[2][0] = 5
    writer.histograms[HISTOGRAMS - 1].record(np.array([100, 100], np.uint64))
    writer.held[2].record(np.array([100], np.uint64))
    writer.recorder().record(3, np.array([77], np.uint64), 1)
    assert reader.words[Word.PROGRESS] == 7
    assert reader.counters[COUNTERS - 1] == 1 << 40
    assert [row[0] for row in reader.ports] == [0, 0, 5]
    assert reader.histograms[HISTOGRAMS - 1].counts.sum() == 2
    assert [row.counts.sum() for row in reader.held] == [0, 0, 1]
    assert [column.tolist() for column in reader.events()] == [[3], [77], [1]]


def test_a_source_that_sends_by_phases_has_a_row_for_each() -> None:
    memory = memoryview(bytearray(Board.layout(1, EVENTS, 2).size))
    writer, reader = Board(memory, 1, EVENTS, 2), Board(memory, 1, EVENTS, 2)
    writer.phases[1][0] = 5
    writer.phase_histograms[1][1].record(np.array([100], np.uint64))
    writer.recorder().record(3, np.array([77], np.uint64), 1)
    assert [row[0] for row in reader.phases] == [0, 5]
    assert [[of.counts.sum() for of in rows] for rows in reader.phase_histograms] == [[0, 0], [0, 1]]
    assert Board(memoryview(bytearray(Board.layout(1, EVENTS).size)), 1, EVENTS).phases == []


def test_completions_are_counted_by_status(memory: memoryview) -> None:
    board = Board(memory, 3, EVENTS)
    for status, count in ((0, 5), (0xC000009A, 2), (0, 3)):
        board.count_status(status, count)
    assert board.status_counts() == {0: 8, 0xC000009A: 2}


def test_more_statuses_than_rows_share_the_last_and_none_is_lost(memory: memoryview) -> None:
    board = Board(memory, 3, EVENTS)
    for status in range(STATUSES + 5):
        board.count_status(status, 1)
    counts = board.status_counts()
    assert sum(counts.values()) == STATUSES + 5
    assert len(counts) == STATUSES


def test_a_board_without_ports_has_a_layout() -> None:
    assert Board(memoryview(bytearray(Board.layout(0, EVENTS).size)), 0, EVENTS).status_counts() == {}
