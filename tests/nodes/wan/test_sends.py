"""WAN sends: one completion each, whatever the miniport answers, and windows that are kept."""

from __future__ import annotations

import pytest

from nodes.irql import Irql
from nodes.policy import Policy
from nodes.status import Status
from nodes.wan import WanPacket
from nodes.wan.ppp import protocol_of, unframed
from tests.wan_layers import HANDLE, Line, LineOptions, Stack


class Twice(Line):
    """Completes a packet and then answers as if it had not."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        super().wan_send(link_handle, packet)
        with self.at_dispatch():
            self.adapter.wan_send_complete(packet)
        return self.answer


class Locked(Line):
    """Completes, and indicates, with a spin lock held."""

    def complete(self, count: int = 1 << 30, status: Status = Status.SUCCESS) -> None:
        with self.allocate_spin_lock("link"):
            super().complete(count, status)


class Waiter(Line):
    """Waits in its send handler until it has been entered a second time, or for a while."""

    inside = deepest = 0

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.inside += 1
        self.deepest = max(self.deepest, self.inside)
        first = len(self.packets) == 0
        super().wan_send(link_handle, packet)
        if first:
            self.wait(lambda: len(self.packets) > 1, 1_000)
        self.inside -= 1
        return Status.SUCCESS


class Leveller(Line):
    """Notes the level that its send handler is entered at."""

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.level = self.current_irql()
        return super().wan_send(link_handle, packet)


class WithSend(Line):
    """Has a MiniportSend entry, which no WAN miniport has."""

    entered = False

    def send_net_buffer_lists(self, *arguments: object) -> None:
        self.entered = True


@pytest.mark.rule("WAN-SND-01", "WAN-SND-14")
def test_a_pending_send_completes_when_the_miniport_says_so_and_another_at_once() -> None:
    stack = Stack({})
    first = stack.send(1)
    stack.line().answer = Status.SUCCESS
    second = stack.send(1)
    assert stack.top().back == [(second[0], "SUCCESS")]
    stack.line().answer = Status.FAILURE
    third = stack.send(1)
    stack.line().complete(1)
    stack.settle()
    assert stack.top().back == [(second[0], "SUCCESS"), (third[0], "FAILURE"), (first[0], "SUCCESS")]
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-01")
def test_completing_before_the_handler_returns_pending_is_allowed() -> None:
    stack = Stack((Twice, {}))
    sent = stack.send(3)
    assert stack.top().back == [(handle, "SUCCESS") for handle in sent]
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-01")
@pytest.mark.parametrize("answer", [Status.SUCCESS, Status.FAILURE])
def test_completing_and_not_answering_pending_is_caught_and_the_send_ends_once(answer: Status) -> None:
    stack = Stack((Twice, {}))
    stack.line().answer = answer
    sent = stack.send(1)
    assert stack.top().back == [(sent[0], "SUCCESS")]
    assert stack.rules() == ["WAN-SND-01"]


@pytest.mark.rule("WAN-SND-01")
@pytest.mark.parametrize("answer", [Status.PENDING, Status.SUCCESS])
def test_a_second_completion_is_caught(answer: Status) -> None:
    stack = Stack({})
    stack.line().answer = answer
    stack.send(1)
    packets = list(stack.line().packets)
    stack.line().complete()
    stack.line().packets = packets
    stack.line().complete()
    stack.settle()
    assert set(stack.rules()) == {"WAN-SND-01"}
    assert len(stack.top().back) == 1


@pytest.mark.rule("WAN-SND-02")
def test_resources_is_a_violation_and_the_packet_has_failed() -> None:
    stack = Stack({})
    stack.line().answer = Status.RESOURCES
    sent = stack.send(1)
    assert stack.top().back == [(sent[0], "FAILURE")]
    assert stack.rules() == ["WAN-SND-02"]
    assert len(stack.line().packets) == 1, "NDISWAN does not submit it again"


@pytest.mark.rule("WAN-SND-02")
def test_a_miniport_that_cannot_keep_up_shrinks_its_window() -> None:
    stack = Stack({"window": 4}, fragment=0)
    line = stack.line()
    stack.send(10)
    assert len(line.packets) == 4
    line.record.send_window = 2
    line.up()
    line.complete(1)
    stack.settle()
    assert len(line.packets) == 3, "what is outstanding stays so, nothing follows"
    line.complete(2)
    stack.settle()
    assert len(line.packets) == 2
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-03")
def test_a_completed_packet_is_off_limits() -> None:
    stack = Stack({})
    stack.send(1)
    [packet] = stack.line().packets
    packet.mac_reserved = packet.wan_packet_queue = "the miniport's own"
    stack.line().complete()
    assert stack.rules() == []
    packet.data[0] = 1
    assert set(stack.rules()) == {"WAN-SND-03"}


@pytest.mark.rule("WAN-SND-03")
def test_the_upper_layers_reserved_words_cannot_be_overwritten() -> None:
    stack = Stack({})
    [sent] = stack.send(1)
    [packet] = stack.line().packets
    packet.protocol_reserved = 0
    assert packet.protocol_reserved == sent
    assert stack.rules() == ["WAN-SND-03"]


@pytest.mark.rule("WAN-SND-04")
def test_a_miniport_has_the_room_it_asked_for_and_may_use_it() -> None:
    stack = Stack({"padding": 24}, fragment=0)
    stack.send(1)
    [packet] = stack.line().packets
    assert stack.line().rooms == [(24, 24)]
    data = bytes(packet.data)
    packet.resize(head=24, tail=24)
    packet.buffer[:24] = b"h" * 24
    assert (packet.head_room, packet.tail_room, packet.current_length) == (0, 0, len(data) + 48)
    assert bytes(packet.data[24:-24]) == data
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-04")
@pytest.mark.parametrize("change", [{"head": 9}, {"tail": 9}, {"head": -2000}])
def test_the_data_cannot_leave_its_buffer(change: dict[str, int]) -> None:
    stack = Stack({"padding": 8})
    stack.send(1)
    [packet] = stack.line().packets
    length = packet.current_length
    packet.resize(**change)
    assert packet.current_length == length
    assert len(packet.buffer) == length + 16
    assert stack.rules() == ["WAN-SND-04"]


@pytest.mark.rule("WAN-SND-05")
def test_at_most_the_send_window_is_outstanding_on_each_link() -> None:
    stack = Stack({"window": 3}, {"window": 5}, fragment=100)
    stack.send(20, length=1000)
    lines = [stack.line(0), stack.line(1)]
    for _ in range(300):
        assert [len(line.packets) <= line.options.window for line in lines] == [True, True]
        for line in lines:
            line.complete(1)
        stack.settle()
    assert len(stack.top().back) == 20
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-05")
def test_what_goes_down_is_one_buffer_with_the_data_of_the_packet_from_above() -> None:
    stack = Stack({}, multilink="off")
    [sent] = stack.send(1, length=1000)
    [packet] = stack.line().packets
    frame = stack.bench.nodes["top0"].arena.cells[sent & 0xFFFFFFF, :1000].tobytes()
    assert bytes(packet.data) == b"\xff\x03\x00\x31\x00\x01" + frame
    assert packet.handle != sent


@pytest.mark.rule("WAN-SND-07")
def test_each_completion_reaches_the_protocol_that_sent_and_gives_it_the_packet_back() -> None:
    stack = Stack({}, {}, tops=3, fragment=50)
    sent = [stack.send(count, number=count - 1) for count in (1, 2, 3)]
    for _ in range(20):
        for number in (0, 1):
            stack.line(number).complete()
        stack.settle()
    for number in range(3):
        assert sorted(stack.top(number).back) == sorted((handle, "SUCCESS") for handle in sent[number])
    assert stack.bench.in_use() == stack.bench.held() == {}


@pytest.mark.rule("WAN-SND-08")
def test_a_completion_under_a_spin_lock_is_caught() -> None:
    stack = Stack((Locked, {}))
    stack.send(1)
    stack.line().complete()
    assert stack.rules() == ["WAN-SND-08"]


@pytest.mark.rule("WAN-SND-09")
@pytest.mark.parametrize(
    ("serialised", "level", "broken"),
    [
        (True, Irql.PASSIVE, ["WAN-SND-09"]),
        (True, Irql.DISPATCH, []),
        (False, Irql.PASSIVE, []),
        (False, Irql.DISPATCH, []),
        (False, Irql.DIRQL, ["WAN-SND-09"]),
    ],
)
def test_the_level_of_a_completion_depends_on_serialisation(
    serialised: bool, level: Irql, broken: list[str]
) -> None:
    stack = Stack({"serialised": serialised})
    stack.send(1)
    line = stack.line()
    old = line.raise_irql(level)
    line.adapter.wan_send_complete(line.packets[0])
    line.lower_irql(old)
    assert stack.rules() == broken


@pytest.mark.rule("WAN-SND-09")
def test_by_the_text_of_1998_every_completion_is_at_dispatch() -> None:
    stack = Stack({"serialised": False}, policy=Policy(wan_completion_irql="dispatch"))
    stack.send(2)
    first, second = stack.line().packets
    stack.line().adapter.wan_send_complete(first)
    with stack.line().at_dispatch():
        stack.line().adapter.wan_send_complete(second)
    assert stack.rules() == ["WAN-SND-09"]


@pytest.mark.rule("WAN-SND-10")
def test_pending_is_no_final_status() -> None:
    stack = Stack({})
    sent = stack.send(1)
    stack.line().complete(status=Status.PENDING)
    stack.settle()
    assert stack.top().back == [(sent[0], "FAILURE")]
    assert stack.rules() == ["WAN-SND-10"]


@pytest.mark.rule("WAN-SND-10")
def test_a_failure_of_the_miniports_own_becomes_one_that_protocols_know() -> None:
    stack = Stack({})
    sent = stack.send(2)
    stack.line().complete(1, Status.HARD_ERRORS)
    stack.line().complete(1, Status.INVALID_LENGTH)
    stack.settle()
    assert stack.top().back == [(sent[0], "FAILURE"), (sent[1], "INVALID_LENGTH")]
    assert stack.rules() == []


@pytest.mark.rule("WAN-SND-11")
def test_a_miniport_send_entry_is_never_entered() -> None:
    from tests.bench import Bench
    from tests.layers import Teller

    bench = Bench({"top": Teller, "line": WithSend}, ["top -> line"]).start()
    [sent] = bench.driver("top", Teller).send(1)
    bench.settle()
    assert bench.driver("top", Teller).back == [(sent, "FAILURE")]
    assert bench.kinds() == [("line", "WAN-SND-11")] * 2
    assert not bench.driver("line", WithSend).entered


@pytest.mark.rule("WAN-SND-13")
@pytest.mark.parametrize(("serialised", "inside"), [(True, 1), (False, 2)])
def test_only_a_deserialised_miniport_is_entered_while_it_is_in_a_handler(
    serialised: bool, inside: int
) -> None:
    stack = Stack((Waiter, {"serialised": serialised}))
    line = stack.bench.driver("line0", Waiter)

    def send_more() -> None:
        stack.top().send(2)

    stack.top().set_timer(500, send_more)
    stack.send(1)
    stack.bench.run_for(10_000)
    sent = stack.top().sent
    assert line.deepest == inside
    assert sorted(stack.top().back) == [(handle, "SUCCESS") for handle in sorted(sent)]


@pytest.mark.rule("WAN-SND-13", "WAN-SND-09")
@pytest.mark.parametrize(("serialised", "level"), [(True, Irql.DISPATCH), (False, Irql.PASSIVE)])
def test_a_serialised_miniport_is_entered_at_dispatch(serialised: bool, level: Irql) -> None:
    stack = Stack((Leveller, {"serialised": serialised}))
    stack.send(1)
    assert stack.bench.driver("line0", Leveller).level is level


@pytest.mark.rule("WAN-SND-12")
def test_sends_name_the_link_by_the_miniports_handle() -> None:
    stack = Stack({})
    stack.send(2)
    assert stack.line().links == [HANDLE, HANDLE]


@pytest.mark.rule("WAN-SND-12")
def test_nothing_is_sent_before_the_line_is_up() -> None:
    stack = Stack({"up": False})
    sent = stack.send(2)
    assert stack.line().packets == []
    stack.line().up()
    stack.settle()
    assert len(stack.line().packets) == 2
    stack.line().complete()
    stack.settle()
    assert stack.top().back == [(handle, "SUCCESS") for handle in sent]


@pytest.mark.rule("WAN-CO-04")
def test_packets_of_others_never_go_down_and_each_completion_finds_its_way_back() -> None:
    stack = Stack({"max_transmit": 100}, {"max_transmit": 100}, fragment=100)
    sent = stack.send(3, length=950)
    packets = stack.line(0).packets + stack.line(1).packets
    assert not {packet.handle for packet in packets} & set(sent)
    assert len(packets) == 30
    stack.line(1).complete()
    stack.settle()
    assert stack.top().back == [], "a send is over when all of its fragments are back"
    stack.line(0).complete()
    stack.settle()
    assert sorted(stack.top().back) == sorted((handle, "SUCCESS") for handle in sent)


def test_one_failed_fragment_fails_the_send() -> None:
    stack = Stack({"max_transmit": 100}, fragment=100)
    first, second = stack.send(2, length=150)
    stack.line().complete(1, Status.HARD_ERRORS)
    stack.line().complete()
    stack.settle()
    assert stack.top().back == [(first, "FAILURE"), (second, "SUCCESS")]


def test_fragments_carry_numbers_and_marks_of_multilink() -> None:
    stack = Stack({"max_transmit": 100}, fragment=100)
    stack.send(2, length=150)
    heads = []
    for frame in stack.line().frames:
        protocol, information = protocol_of(unframed(frame))
        assert protocol == 0x3D
        heads.append(information[:4])
    assert heads == [b"\x80\0\0\0", b"\x40\0\0\1", b"\x80\0\0\2", b"\x40\0\0\3"]


def test_a_pause_ends_what_waits_and_waits_for_what_is_below() -> None:
    stack = Stack({"window": 2}, fragment=0)
    sent = stack.send(5)
    answers = stack.bench.command("wan", "pause")
    stack.settle()
    assert stack.top().back == [(handle, "PAUSED") for handle in sent[2:]]
    assert answers == []
    stack.line().complete()
    stack.settle()
    assert answers == [{"ok": True, "value": None}]
    assert stack.top().back[3:] == [(handle, "SUCCESS") for handle in sent[:2]]
    assert stack.rules() == []


def test_a_cancel_ends_packets_of_which_nothing_has_been_sent() -> None:
    stack = Stack({"window": 1}, fragment=100)
    stack.send(1, length=150, cancel_id=9)
    kept = stack.send(1, length=150, cancel_id=7)
    gone = stack.send(2, length=150, cancel_id=9)
    stack.top().bindings[0].cancel_send_net_buffer_lists(9)
    stack.settle()
    assert stack.top().back == [(handle, "SEND_ABORTED") for handle in gone]
    for _ in range(4):
        stack.line().complete()
        stack.settle()
    assert stack.top().back[3:] == [(kept[0], "SUCCESS")]


def test_sends_to_a_paused_miniport_come_back() -> None:
    stack = Stack({})
    stack.bench.pause("line0")
    [sent] = stack.send(1)
    assert stack.top().back == [(sent, "PAUSED")]


def test_a_frame_that_no_link_takes_whole_is_refused_without_multilink() -> None:
    stack = Stack({}, multilink="off")
    long, short = stack.send(1, length=1800), stack.send(1, length=1000)
    assert stack.top().back == [(long[0], "INVALID_LENGTH")]
    assert len(stack.line().packets) == 1
    assert short


def test_frames_over_several_cells_are_cut_like_any_other() -> None:
    stack = Stack({"max_transmit": 100}, {"max_transmit": 100})
    stack.top().send_pieces([bytes(2048), bytes(1000)], as_net_buffers=False)
    stack.top().send_pieces([bytes(500), bytes(700)], as_net_buffers=True)
    stack.settle()
    for number in (0, 1):
        stack.line(number).complete()
    stack.settle()
    assert [status for _, status in stack.top().back] == ["SUCCESS", "SUCCESS"]


def test_options_of_the_test_line_are_frozen() -> None:
    assert LineOptions() == LineOptions()
