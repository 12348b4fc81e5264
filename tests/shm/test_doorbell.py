from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgpack
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shm.doorbell import Bell, BellListener, Notice
from shm.segment import Segment

SECOND = 1_000_000_000
ARM = 0
ROOT = Path(__file__).parents[2]


class Side(NamedTuple):
    """Where one player's words lie: each on a cache line of its own."""

    arm: int
    tail: int


PING, PONG = Side(0, 8), Side(16, 24)


class Pair:
    """A bell and its listener on one address, with the words they share."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self.address = f"ipc://{folder}/bell"
        self.words = memoryview(bytearray(256)).cast("Q")
        self.listener = BellListener(self.context, self.address, self.words, ARM)
        self.bell = Bell(self.context, self.address, self.words, ARM)

    def close(self) -> None:
        self.bell.close()
        self.listener.close()
        self.context.destroy(0)


@pytest.fixture
def pair(run_base: Path) -> Iterator[Pair]:
    made = Pair(run_base.parent)
    yield made
    made.close()


def hear(listener: BellListener, wanted: int) -> list[Notice]:
    notices = listener.drain()
    while len(notices) < wanted and listener.wait([], 5 * SECOND):
        notices += listener.drain()
    return notices


def test_a_notice_arrives_as_it_was_sent(pair: Pair) -> None:
    notice = Notice(2, 3, (1 << 62) - 1, 7)
    pair.bell.ring(notice)
    assert hear(pair.listener, 1) == [notice]


def test_nobody_is_rung_who_has_not_armed(pair: Pair) -> None:
    pair.bell.ring_if_armed(Notice(1, 1, 0, 1))
    pair.listener.arm()
    pair.listener.disarm()
    pair.bell.ring_if_armed(Notice(1, 1, 1, 1))
    assert pair.bell.rung_count == 0
    assert not pair.listener.wait([], 1)


def test_one_arming_is_rung_once(pair: Pair) -> None:
    pair.listener.arm()
    for position in range(5):
        pair.bell.ring_if_armed(Notice(1, 1, position, 1))
    assert pair.bell.rung_count == 1
    pair.listener.disarm()
    pair.listener.arm()
    pair.bell.ring_if_armed(Notice(1, 1, 9, 1))
    assert [notice.first for notice in hear(pair.listener, 2)] == [0, 9]


def test_every_armed_neighbours_own_bell_rings(pair: Pair) -> None:
    other = Bell(pair.context, pair.address, pair.words, ARM)
    pair.listener.arm()
    pair.bell.ring_if_armed(Notice(1, 1, 0, 1))
    other.ring_if_armed(Notice(1, 2, 0, 1))
    assert sorted(notice.edge for notice in hear(pair.listener, 2)) == [1, 2]
    other.close()


def test_a_wait_that_nobody_ends_ends_by_itself(pair: Pair) -> None:
    assert not pair.listener.wait([], SECOND // 1000)
    assert pair.listener.wake_count == 1


def test_a_wait_ends_at_once_when_a_message_is_there_already(pair: Pair) -> None:
    pair.bell.ring(Notice(1, 1, 0, 1))
    assert pair.listener.wait([], 5 * SECOND)
    blocked = pair.listener.wake_count
    assert pair.listener.wait([], 5 * SECOND)
    assert pair.listener.wake_count == blocked


def test_a_wait_ends_by_another_socket_too(pair: Pair) -> None:
    inbox, outbox = pair.context.socket(zmq.PULL), pair.context.socket(zmq.PUSH)
    inbox.bind("inproc://control")
    outbox.connect("inproc://control")
    outbox.send(b"command")
    assert pair.listener.wait([inbox], 5 * SECOND)
    assert pair.listener.drain() == []
    inbox.close()
    outbox.close()


def test_a_bell_made_before_its_listener_is_heard(pair: Pair, run_base: Path) -> None:
    address = f"ipc://{run_base.parent}/late"
    bell = Bell(pair.context, address, pair.words, ARM)
    bell.ring(Notice(1, 1, 5, 1))
    listener = BellListener(pair.context, address, pair.words, ARM)
    assert hear(listener, 1) == [Notice(1, 1, 5, 1)]
    bell.close()
    listener.close()


JUNK = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(), st.text()),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    ).map(msgpack.packb),
)


def well_formed(message: bytes) -> bool:
    try:
        fields = msgpack.unpackb(message)
    except Exception:  # noqa: BLE001 - whatever msgpack says of junk
        return False
    return (
        isinstance(fields, list)
        and len(fields) == 4
        and all(type(field) is int and 0 <= field < 1 << 62 for field in fields)
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JUNK, min_size=1, max_size=5))
def test_junk_is_counted_dropped_and_hides_nothing(pair: Pair, messages: list[bytes]) -> None:
    junk = [message for message in messages if len(message) <= 256 and not well_formed(message)]
    malformed = pair.listener.malformed_count
    for message in junk:
        pair.bell._socket.send(message)
    pair.bell.ring(Notice(1, 2, 3, 4))
    assert hear(pair.listener, 1) == [Notice(1, 2, 3, 4)]
    assert pair.listener.malformed_count == malformed + len(junk)


@pytest.mark.parametrize(
    "fields", [[1, 2, 3], [1, 2, 3, 4, 5], [1, 2, True, 4], [1, 2, -3, 4], [1, 2, 3, 1 << 63]]
)
def test_a_notice_of_wrong_shape_is_malformed(pair: Pair, fields: list[int]) -> None:
    pair.bell._socket.send(msgpack.packb(fields))
    assert pair.listener.wait([], 5 * SECOND)
    assert pair.listener.drain() == []
    assert pair.listener.malformed_count == 1


ROUNDS = 20_000
PARTNER = f"""
import sys
import zmq
from shm.doorbell import Bell, BellListener, Notice
from shm.segment import Segment
from tests.shm.test_doorbell import play

segment = Segment.attach(sys.argv[1], 1)
words = segment.buffer[:512].cast("Q")
context = zmq.Context(1)
listener = BellListener(context, sys.argv[2] + "-pong", words, {PONG.arm})
bell = Bell(context, sys.argv[2] + "-ping", words, {PING.arm})
sys.exit(play(words, listener, bell, mine={PONG.tail}, theirs={PING.tail}, serve=False))
"""


def play(
    words: memoryview, listener: BellListener, bell: Bell, *, mine: int, theirs: int, serve: bool
) -> int:
    """Answer each position of the other side with one's own; return how many never came."""
    for position in range(1, ROUNDS + 1):
        if serve:
            words[mine] = position
            bell.ring_if_armed(Notice(1, 1, position, 1))
        while words[theirs] != position:
            listener.arm()
            if words[theirs] != position and not listener.wait([], 30 * SECOND):
                return ROUNDS - position + 1
            listener.disarm()
            listener.drain()
        if not serve:
            words[mine] = position
            bell.ring_if_armed(Notice(1, 1, position, 1))
    return 0


def test_no_wake_up_is_lost_between_looking_and_blocking(token: str, run_base: Path) -> None:
    segment = Segment.create(f"/ndisim-{os.getuid()}-{token}-bells", 512, 1)
    words = segment.buffer[:512].cast("Q")
    address = f"ipc://{run_base.parent}/game"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
    listener = BellListener(context, f"{address}-ping", words, PING.arm)
    bell = Bell(context, f"{address}-pong", words, PONG.arm)
    command = [sys.executable, "-c", PARTNER, segment.name, address]
    with subprocess.Popen(command, cwd=ROOT) as partner:
        try:
            assert play(words, listener, bell, mine=PING.tail, theirs=PONG.tail, serve=True) == 0
            assert partner.wait(10) == 0
        finally:
            partner.kill()
            segment.unlink()
            bell.close()
            listener.close()
            context.destroy(0)
    assert (words[PING.tail], words[PONG.tail]) == (ROUNDS, ROUNDS)
