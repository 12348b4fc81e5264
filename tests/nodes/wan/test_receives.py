"""WAN receives: whole frames, verdicts at once, batches, and what NDISWAN makes of them."""

from __future__ import annotations

import pytest

from nodes.metrics import Counter
from nodes.policy import Policy
from nodes.status import Status
from nodes.wan.multilink import headers
from tests.wan_layers import Line, Stack

ETHERNET = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
BRIDGED = b"\xff\x03\x00\x31\x00\x01"


def bridged(text: bytes) -> bytes:
    """Return the PPP frame of a bridged Ethernet frame."""
    return BRIDGED + ETHERNET + b"\x88\xb5" + text


def fragments(packet: bytes, first: int, *cuts: int) -> list[bytes]:
    """Return a packet (from its protocol field on) as multilink frames, cut at byte positions."""
    import numpy as np

    places = [0, *cuts, len(packet)]
    count = len(places) - 1
    numbers = np.arange(count)
    rows = headers(numbers == 0, numbers == count - 1, numbers + first)
    return [
        b"\xff\x03\x00\x3d" + rows[at].tobytes() + packet[places[at] : places[at + 1]] for at in range(count)
    ]


class Reuser(Line):
    """Uses one receive buffer for every frame."""

    def receive(self, *frames: bytes) -> list[Status]:
        buffer = bytearray(2000)
        answers = []
        with self.at_dispatch():
            for frame in frames:
                buffer[: len(frame)] = frame
                view = memoryview(buffer)[: len(frame)]
                answers.append(self.adapter.wan_indicate_receive(self.context, view))
                buffer[:] = b"\xee" * len(buffer)
            self.adapter.wan_indicate_receive_complete(self.context)
        return answers


class Sender(Line):
    """Indicates a frame from inside its send handler."""

    def wan_send(self, link_handle: int, packet: object) -> Status:
        self.receive(bridged(b"from inside"))
        return Status.SUCCESS


@pytest.mark.rule("WAN-RCV-01")
def test_the_buffer_of_a_whole_frame_can_be_used_again_at_once() -> None:
    stack = Stack((Reuser, {}))
    assert stack.line().receive(bridged(b"one"), bridged(b"two")) == [Status.SUCCESS] * 2
    stack.settle()
    assert [frame[14:] for frame in stack.top().frames] == [b"one", b"two"]
    assert stack.bench.in_use() == {}


@pytest.mark.rule("WAN-RCV-02")
@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (bridged(b"fine"), Status.SUCCESS),
        (b"\x21compressed", Status.SUCCESS),
        (b"\xff\x03\xc0\x21configure", Status.NOT_ACCEPTED),
        (b"\xff", Status.NOT_ACCEPTED),
        (bridged(bytes(2100)), Status.INVALID_LENGTH),
    ],
)
def test_the_verdict_on_a_frame_comes_back_at_once(frame: bytes, verdict: Status) -> None:
    stack = Stack({})
    assert stack.line().receive(frame) == [verdict]
    assert stack.rules() == []


@pytest.mark.rule("WAN-RCV-02")
def test_a_recognised_frame_without_a_buffer_is_refused() -> None:
    stack = Stack({"pool": 2})
    frames = [bridged(b"%d" % number) for number in range(3)]
    assert stack.line().receive(*frames) == [Status.SUCCESS, Status.SUCCESS, Status.RESOURCES]
    assert stack.bench.counter("line0", Counter.RX_MISSED) == 1


@pytest.mark.rule("WAN-RCV-02")
def test_receives_are_named_by_link_context_not_by_handle() -> None:
    stack = Stack({})
    line = stack.line()
    with line.at_dispatch():
        answer = line.adapter.wan_indicate_receive(line.record.ndis_link_handle, bridged(b"x"))
    assert answer == Status.FAILURE
    assert stack.rules() == ["WAN-RCV-02"]


@pytest.mark.rule("WAN-RCV-02")
def test_receives_are_indicated_at_dispatch() -> None:
    stack = Stack({})
    stack.line().adapter.wan_indicate_receive(stack.line().context, bridged(b"x"))
    assert stack.rules() == ["WAN-RCV-02"]


@pytest.mark.rule("WAN-RCV-02")
def test_a_receive_complete_closes_a_batch() -> None:
    stack = Stack({})
    stack.line().receive(*[bridged(b"%d" % number) for number in range(5)])
    stack.settle()
    assert stack.line().taken == 1
    assert len(stack.top().frames) == 5


@pytest.mark.rule("WAN-RCV-03")
def test_an_indication_under_a_spin_lock_is_caught() -> None:
    stack = Stack({})
    with stack.line().allocate_spin_lock("receive"):
        stack.line().adapter.wan_indicate_receive(stack.line().context, bridged(b"x"))
    assert stack.rules() == ["WAN-RCV-03"]


@pytest.mark.rule("WAN-RCV-03")
def test_the_policy_may_allow_locks_across_indications() -> None:
    stack = Stack({}, policy=Policy(lock_across_calls="allowed"))
    with stack.line().allocate_spin_lock("receive"):
        stack.line().adapter.wan_indicate_receive(stack.line().context, bridged(b"x"))
    assert stack.rules() == []


@pytest.mark.rule("WAN-RCV-03")
def test_indicating_from_inside_a_send_is_allowed() -> None:
    stack = Stack((Sender, {}))
    stack.send(2)
    assert len(stack.top().frames) == len(stack.top().back) == 2
    assert stack.rules() == []


def test_a_frame_of_the_internet_gets_an_ethernet_header() -> None:
    stack = Stack({})
    stack.line().receive(b"\xff\x03\x00\x21packet")
    stack.settle()
    [frame] = stack.top().frames
    assert frame[12:] == b"\x08\x00packet"


def test_fragments_over_two_links_make_one_frame() -> None:
    stack = Stack({}, {})
    packet = bridged(b"in three pieces")[2:]
    one, two, three = fragments(packet, 0, 5, 20)
    stack.line(1).receive(two)
    stack.line(0).receive(one)
    stack.settle()
    assert stack.top().frames == []
    stack.line(0).receive(three)
    stack.settle()
    assert [frame[14:] for frame in stack.top().frames] == [b"in three pieces"]


def test_a_lost_fragment_takes_only_its_packet_along() -> None:
    stack = Stack({})
    lost, whole = fragments(bridged(b"lost")[2:], 0, 8), fragments(bridged(b"whole")[2:], 2, 8)
    stack.line().receive(lost[0], *whole)
    stack.settle()
    assert [frame[14:] for frame in stack.top().frames] == [b"whole"]


def test_what_waits_for_a_silent_link_is_let_through_after_a_while() -> None:
    stack = Stack({}, {}, patience=1_000_000)
    stack.line(0).receive(fragments(bridged(b"later")[2:], 1)[0])
    stack.settle()
    assert stack.top().frames == []
    stack.bench.run_for(2_000_000)
    assert [frame[14:] for frame in stack.top().frames] == [b"later"]


def test_what_makes_no_sense_is_counted_and_dropped() -> None:
    stack = Stack({})
    stack.line().receive(b"\xff\x03\x00\x3d\x80", b"\xff\x03\x00\x31\x80\x01x")
    stack.settle()
    assert stack.wan.inbound.malformed == 2
    assert stack.top().frames == []
    assert stack.bench.in_use() == {}


def test_frames_longer_than_a_cell_arrive_over_several() -> None:
    stack = Stack({})
    text = bytes(range(256)) * 20
    packet = bridged(text)[2:]
    stack.line().receive(*fragments(packet, 0, *range(1000, len(packet), 1000)))
    stack.settle()
    assert [frame[14:] for frame in stack.top().frames] == [text]
    assert stack.bench.in_use() == {}


def test_a_paused_ndiswan_takes_nothing_up() -> None:
    stack = Stack({})
    stack.bench.pause("wan")
    stack.line().receive(bridged(b"x"))
    stack.settle()
    assert stack.top().frames == []
    assert stack.bench.in_use() == {}
    assert stack.rules() == []
