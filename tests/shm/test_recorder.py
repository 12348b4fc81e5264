from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.layout import words_of
from shm.recorder import EVENTS_PER_ROW, ROW_WORDS, Recorder, read_events
from shm.ring import U64

CAPACITY = 64
ROWS = CAPACITY // EVENTS_PER_ROW


class Memory:
    """The memory of one recorder."""

    def __init__(self) -> None:
        self.arguments = np.zeros(CAPACITY, np.uint64)
        self.rows = np.zeros((ROWS, ROW_WORDS), np.uint64)
        self.cursors = words_of(np.zeros(2, np.uint64))

    def recorder(self) -> Recorder:
        return Recorder(self.arguments, self.rows, self.cursors)

    def events(self) -> list[tuple[int, int, int]]:
        times, arguments, meta = read_events(self.arguments, self.rows, self.cursors)
        return list(zip(times.tolist(), arguments.tolist(), meta.tolist(), strict=True))


def vector(first: int, length: int) -> U64:
    return np.arange(first, first + length, dtype=np.uint64)


@given(st.lists(st.integers(0, 2 * CAPACITY), max_size=40))
def test_the_last_events_of_the_last_vectors_are_kept_in_order(lengths: list[int]) -> None:
    memory = Memory()
    recorder = memory.recorder()
    history: list[tuple[int, int, int]] = []
    for time, length in enumerate(lengths, start=1):
        recorder.record(time, vector(len(history), length), time * 3)
        history += [(time, argument, time * 3) for argument in range(len(history), len(history) + length)]
    in_last_rows = sum(lengths[-ROWS:])
    kept = min(in_last_rows, CAPACITY)
    assert memory.events() == history[len(history) - kept :]


@pytest.mark.parametrize("length", [1, EVENTS_PER_ROW, CAPACITY])
def test_full_vectors_use_the_whole_recorder(length: int) -> None:
    memory = Memory()
    recorder = memory.recorder()
    for time in range(200):
        recorder.record(time, vector(time * length, length), 1)
    assert len(memory.events()) == min(ROWS * length, CAPACITY)


def test_a_second_writer_goes_on_where_the_first_ended() -> None:
    memory = Memory()
    memory.recorder().record(1, vector(10, 2), 5)
    memory.recorder().record(2, vector(12, 1), 6)
    assert memory.events() == [(1, 10, 5), (1, 11, 5), (2, 12, 6)]


def test_nothing_is_read_before_the_first_event() -> None:
    assert Memory().events() == []
