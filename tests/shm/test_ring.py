from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shm.errors import CursorCorrupt, RingOverrun
from shm.ring import COLUMNS, U64, RingConsumer, RingMemory, RingProducer
from shm.segment import Segment

CAPACITY = 16
TAIL, HEAD = 0, 8
ROOT = Path(__file__).parents[2]


def memory(start: int = 0) -> RingMemory:
    words = memoryview(bytearray(128)).cast("Q")
    words[TAIL] = words[HEAD] = start
    return RingMemory(np.zeros((COLUMNS, CAPACITY), np.uint64), words, TAIL, HEAD)


def numbers(first: int, count: int) -> U64:
    return np.arange(first, first + count, dtype=np.uint64)


class RingModel(RuleBasedStateMachine):
    """Both ends of one ring against three deques: written, published, read but not released."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = memory(start=7)
        self.producer, self.consumer = RingProducer(self.memory), RingConsumer(self.memory)
        self.written: deque[tuple[int, int]] = deque()
        self.published: deque[tuple[int, int]] = deque()
        self.next = 1

    @rule(count=st.integers(0, CAPACITY + 2), one_meta=st.booleans())
    def write(self, count: int, one_meta: bool) -> None:
        entries = numbers(self.next, count)
        if count > CAPACITY - len(self.written) - len(self.published):
            with pytest.raises(RingOverrun):
                self.producer.write(entries, 0)
            return
        before = self.producer.position
        assert self.producer.write(entries, 5 if one_meta else entries + np.uint64(1000)) == before
        self.written += [(int(entry), 5 if one_meta else int(entry) + 1000) for entry in entries]
        self.next += count

    @rule()
    def publish(self) -> None:
        self.producer.publish()
        self.published += self.written
        self.written.clear()

    @rule(limit=st.integers(1, CAPACITY + 2), keep=st.integers(0, CAPACITY))
    def peek_and_release(self, limit: int, keep: int) -> None:
        entries = self.consumer.peek(self.memory.words[TAIL], limit)
        seen = list(zip(entries.arguments.tolist(), entries.meta.tolist(), strict=True))
        assert seen == list(self.published)[: min(limit, len(self.published))]
        assert entries.position == self.consumer.position
        released = max(len(entries) - keep, 0)
        self.consumer.release(released)
        for _ in range(released):
            self.published.popleft()

    @precondition(lambda self: not self.written)
    @rule()
    def take_both_ends_anew(self) -> None:
        self.producer, self.consumer = RingProducer(self.memory), RingConsumer(self.memory)

    @invariant()
    def what_was_not_released_can_be_read_back_by_its_producer(self) -> None:
        entries = self.producer.unread()
        left = list(zip(entries.arguments.tolist(), entries.meta.tolist(), strict=True))
        assert left == [*self.published, *self.written]

    @invariant()
    def free_room_is_exact_when_all_of_it_is_asked_for(self) -> None:
        assert self.producer.free(CAPACITY) == CAPACITY - len(self.written) - len(self.published)
        assert self.producer.unread_since() == self.consumer.position


class TestRingModel(RingModel.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_was_peeked_stays_when_the_producer_writes_again() -> None:
    ring = memory()
    producer, consumer = RingProducer(ring), RingConsumer(ring)
    producer.write(numbers(1, CAPACITY), 0)
    producer.publish()
    entries = consumer.peek(ring.words[TAIL], CAPACITY)
    consumer.release(CAPACITY)
    producer.write(numbers(100, CAPACITY), 0)
    assert entries.arguments.tolist() == list(range(1, CAPACITY + 1))


def test_nothing_shows_before_it_is_published() -> None:
    ring = memory()
    producer, consumer = RingProducer(ring), RingConsumer(ring)
    producer.write(numbers(1, 3), 0)
    assert len(consumer.peek(ring.words[TAIL], CAPACITY)) == 0


@pytest.mark.parametrize("tail", [4, 5 + CAPACITY + 1, (1 << 64) - 1])
def test_a_tail_that_no_producer_can_have_written_is_refused(tail: int) -> None:
    ring = memory(start=5)
    with pytest.raises(CursorCorrupt, match=f"ring tail at {tail}, read up to 5, capacity 16"):
        RingConsumer(ring).peek(tail, CAPACITY)


@pytest.mark.parametrize("head", [4, 22, (1 << 64) - 1])
def test_a_head_that_no_consumer_can_have_written_is_refused(head: int) -> None:
    ring = memory(start=5)
    producer = RingProducer(ring)
    producer.write(numbers(1, CAPACITY), 0)
    ring.words[HEAD] = head
    with pytest.raises(CursorCorrupt, match=f"ring head at {head}, written up to 21"):
        producer.free()


def test_a_full_ring_refuses_one_more_and_keeps_what_it_has() -> None:
    ring = memory()
    producer, consumer = RingProducer(ring), RingConsumer(ring)
    producer.write(numbers(1, CAPACITY), 0)
    with pytest.raises(RingOverrun, match="1 entries offered, 0 fit"):
        producer.write(numbers(99, 1), 0)
    producer.publish()
    assert consumer.peek(ring.words[TAIL], CAPACITY).arguments.tolist() == list(range(1, CAPACITY + 1))


ENTRIES = 100_000
RING = 1024
PRODUCER = f"""
import sys
import numpy as np
from shm.ring import COLUMNS, RingMemory, RingProducer
from shm.segment import Segment

segment = Segment.attach(sys.argv[1], 99)
words = segment.buffer[:128].cast("Q")
columns = np.frombuffer(segment.buffer, np.uint64, COLUMNS * {RING}, 128).reshape(COLUMNS, {RING})
producer = RingProducer(RingMemory(columns, words, 0, 8))
sent, sizes = 0, [1, 7, 100, 511, 3, 64]
while sent < {ENTRIES}:
    count = min(sizes[sent % len(sizes)], {ENTRIES} - sent)
    if producer.free(count) >= count:
        batch = np.arange(sent, sent + count, dtype=np.uint64)
        producer.write(batch * np.uint64(0x9E3779B97F4A7C15), batch)
        producer.publish()
        sent += count
"""


def test_two_processes_hand_over_every_entry_once_and_in_order(token: str) -> None:
    segment = Segment.create(f"/ndisim-{os.getuid()}-{token}-ring", 1 << 16, 99)
    try:
        words = segment.buffer[:128].cast("Q")
        columns = np.frombuffer(segment.buffer, np.uint64, COLUMNS * RING, 128).reshape(COLUMNS, RING)
        consumer = RingConsumer(RingMemory(columns, words, 0, 8))
        command = [sys.executable, "-c", textwrap.dedent(PRODUCER), segment.name]
        with subprocess.Popen(command, cwd=ROOT) as process:
            received = 0
            while received < ENTRIES and (process.poll() is None or words[0] != consumer.position):
                entries = consumer.peek(words[0], 300)
                expected = numbers(received, len(entries))
                assert (entries.meta == expected).all()
                assert (entries.arguments == expected * np.uint64(0x9E3779B97F4A7C15)).all()
                consumer.release(len(entries))
                received += len(entries)
            assert process.wait(10) == 0
        assert received == ENTRIES
    finally:
        segment.unlink()
