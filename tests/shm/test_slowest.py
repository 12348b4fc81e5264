from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shm.histogram import BUCKETS, bucket_of
from shm.ring import U64
from shm.slowest import HANDLE, KEPT, PACKET_ID, SLOW_WORDS, TOOK, WHEN, PacketHistogram

NOW = 1 << 45
SINCE = np.zeros(64, np.uint64)
IDS = np.arange(64, dtype=np.uint64) + np.uint64(1000)
VECTORS = st.lists(st.lists(st.integers(0, 1 << 43), min_size=1, max_size=40), max_size=30)


def histogram() -> PacketHistogram:
    return PacketHistogram(np.zeros(BUCKETS, np.uint64), np.zeros((KEPT, SLOW_WORDS), np.uint64))


def note(of: PacketHistogram, took: list[int]) -> None:
    """Note a vector of packets in slots 0, 1, ..., with handles 1, 2, ..."""
    SINCE[: len(took)] = NOW - np.array(took, np.uint64)
    slots = np.arange(len(took))
    of.note(NOW, slots.astype(np.uint64) + np.uint64(1), slots, SINCE, IDS)


def durations(of: PacketHistogram) -> list[int]:
    rows: U64 = of.slowest[of.slowest[:, HANDLE] != 0]
    found: list[int] = sorted(rows[:, TOOK].tolist(), reverse=True)
    return found


@given(VECTORS)
def test_the_slowest_of_each_vector_is_kept_but_for_the_width_of_a_bucket(vectors: list[list[int]]) -> None:
    of = histogram()
    for vector in vectors:
        note(of, vector)
    slowest = sorted(map(max, vectors), reverse=True)[:KEPT]
    assert (
        bucket_of(np.array(durations(of), np.uint64)).tolist()
        == bucket_of(np.array(slowest, np.uint64)).tolist()
    )
    assert of.counts.sum() == sum(map(len, vectors))


def test_a_row_tells_which_packet_it_was_and_when() -> None:
    of = histogram()
    note(of, [5, 900, 7])
    row = of.slowest[0]
    assert [int(row[column]) for column in (TOOK, HANDLE, PACKET_ID, WHEN)] == [900, 2, 1001, NOW]


def test_what_takes_as_long_as_what_is_kept_writes_no_row() -> None:
    of = histogram()
    for _ in range(KEPT):
        note(of, [1000])
    before = of.slowest.copy()
    for _ in range(5):
        note(of, [1001, 3])
    assert (of.slowest == before).all()
    note(of, [2000])
    assert durations(of) == [2000, *[1000] * (KEPT - 1)]
