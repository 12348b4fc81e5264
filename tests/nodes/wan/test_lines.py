"""Lines: up, changed and down, what NDISWAN makes of windows, and what the protocols above hear."""

from __future__ import annotations

import pytest

from nodes.metrics import Counter
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, OidRequest
from nodes.status import Status
from nodes.stock.ndiswan import NdisWan
from nodes.wan import MacFragment, MacLineUp, WanError
from nodes.wan.records import Record, WanFragment, WanLineDown, WanLineUp
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.wan_layers import HANDLE, Line, Stack


class Hasty(Line):
    """Answers for its call before the line is up."""

    def tapi_get_id(self, request: OidRequest) -> Status:
        return request.write(b"id")


class Late(Line):
    """Pends the request for its call until a test says so."""

    def tapi_get_id(self, request: OidRequest) -> Status:
        self.asked = request
        return Status.PENDING


def heard(stack: Stack) -> list[tuple[int, object]]:
    """Return code and record of every indication that the protocol got."""
    kinds: dict[Status, type[Record]] = {
        Status.WAN_LINE_UP: WanLineUp,
        Status.WAN_LINE_DOWN: WanLineDown,
        Status.WAN_FRAGMENT: WanFragment,
    }
    return [(of.code, kinds[Status(of.code)].unpack(of.buffer)) for of in stack.top().indications]


@pytest.mark.rule("WAN-LNK-01")
def test_a_line_up_fills_in_the_link_context() -> None:
    stack = Stack({"up": False})
    line = stack.line()
    assert line.context == 0
    line.up()
    assert line.context not in (0, HANDLE)
    stack.send(1)
    assert line.links == [HANDLE]


@pytest.mark.rule("WAN-LNK-01")
def test_a_context_that_was_never_filled_in_is_caught() -> None:
    stack = Stack({"up": False})
    stack.line().receive(b"\xff\x03\x00\x21packet")
    assert set(stack.rules()) == {"WAN-LNK-01"}


@pytest.mark.rule("WAN-LNK-02")
def test_answering_for_a_call_before_its_line_up_is_caught() -> None:
    assert Stack((Hasty, {"up": False})).rules() == ["WAN-LNK-02"]
    assert Stack((Hasty, {})).rules() == []


@pytest.mark.rule("WAN-LNK-02")
@pytest.mark.parametrize("up", [True, False])
def test_a_pended_answer_for_a_call_comes_after_its_line_up(up: bool) -> None:
    stack = Stack((Late, {"up": False}))
    line = stack.bench.driver("line0", Late)
    if up:
        line.up()
    line.adapter.oid_request_complete(line.asked, line.asked.write(b"id"))
    assert stack.rules() == ([] if up else ["WAN-LNK-02"])


@pytest.mark.rule("WAN-LNK-03")
def test_a_repeated_line_up_updates_the_link() -> None:
    stack = Stack({"window": 1}, fragment=0)
    line, context = stack.line(), stack.line().context
    stack.send(4)
    assert len(line.packets) == 1
    line.record.send_window, line.record.link_speed = 3, 20_000
    line.up()
    stack.settle()
    assert line.context == context
    assert len(line.packets) == 3
    [link] = stack.wan.linkage.links
    assert (link.window, link.speed) == (3, 2_000_000)


@pytest.mark.rule("WAN-LNK-04")
def test_after_a_line_down_nothing_uses_the_link_and_what_was_out_still_completes() -> None:
    stack = Stack({"window": 2}, {"window": 2}, fragment=0, spread="weights")
    sent = stack.send(6)
    gone, stays = stack.line(0), stack.line(1)
    gone.down()
    stack.settle()
    before = len(gone.links)
    for _ in range(6):
        stays.complete()
        stack.settle()
    gone.complete()
    stack.settle()
    assert len(gone.links) == before
    assert sorted(stack.top().back) == [(handle, "SUCCESS") for handle in sorted(sent)]
    assert stack.rules() == []


@pytest.mark.rule("WAN-LNK-04")
def test_sends_on_their_way_to_a_line_that_has_just_gone_down_fail_without_reaching_the_miniport() -> None:
    stack = Stack({})
    sent = stack.top().send(2)
    stack.bench.nodes["top0"].poll()
    stack.bench.nodes["wan"].poll()
    stack.line().down()
    stack.settle()
    assert stack.line().packets == []
    assert stack.top().back == [(handle, "FAILURE") for handle in sent]
    assert stack.rules() == []


@pytest.mark.rule("WAN-LNK-04")
def test_indicating_on_a_line_that_is_down_is_caught() -> None:
    stack = Stack({})
    stack.line().down()
    assert stack.line().receive(b"\xff\x03\x00\x21packet") == [Status.FAILURE]
    assert set(stack.rules()) == {"WAN-LNK-04"}
    stack.settle()
    assert stack.top().frames == []


@pytest.mark.rule("WAN-LNK-04")
def test_with_the_last_line_what_waits_fails_and_a_new_line_up_is_a_new_link() -> None:
    stack = Stack({"window": 1}, fragment=0)
    sent = stack.send(3)
    line, context = stack.line(), stack.line().context
    line.down()
    stack.settle()
    assert stack.top().back == [(handle, "FAILURE") for handle in sent[1:]]
    refused = stack.send(1)
    assert stack.top().back[2:] == [(refused[0], "FAILURE")]
    line.complete()
    line.up()
    stack.settle()
    assert line.context != context
    stack.send(1)
    assert len(line.packets) == 1


@pytest.mark.rule("WAN-LNK-05")
def test_window_0_of_a_line_up_stands_for_max_transmit() -> None:
    stack = Stack({"window": 0, "max_transmit": 5}, fragment=0)
    stack.send(9)
    assert len(stack.line().packets) == 5


@pytest.mark.rule("WAN-LNK-07")
def test_protocols_above_hear_of_the_bundle_coming_changing_and_going() -> None:
    stack = Stack({"speed": 1_000_000, "window": 2}, {"speed": 3_000_000, "window": 3, "up": False})
    stack.line(1).up()
    stack.settle()
    for number in (0, 1):
        stack.line(number).down()
        stack.settle()
    found = heard(stack)
    assert [code for code, _ in found] == [Status.WAN_LINE_UP] * 3 + [Status.WAN_LINE_DOWN]
    ups = [record for _, record in found if isinstance(record, WanLineUp)]
    assert [(record.link_speed, record.send_window) for record in ups] == [
        (10_000, 2),
        (40_000, 5),
        (30_000, 3),
    ]


@pytest.mark.rule("WAN-LNK-08")
def test_a_partial_frame_is_told_with_its_errors() -> None:
    stack = Stack({})
    errors = WanError.CRC | WanError.FRAMING
    stack.line().adapter.indicate_fragment(MacFragment(stack.line().context, errors))
    stack.line().adapter.indicate_fragment(MacFragment(0x123, errors))
    stack.settle()
    code, record = heard(stack)[-1]
    assert code == Status.WAN_FRAGMENT
    assert isinstance(record, WanFragment)
    assert record.errors == errors
    assert stack.rules() == ["WAN-LNK-08"]


def test_a_record_that_makes_no_sense_is_counted_and_dropped() -> None:
    stack = Stack({"up": False})
    stack.line().adapter.indicate_status(StatusIndication(Status.WAN_LINE_UP, b"short"))
    stack.settle()
    assert stack.bench.counter("wan", Counter.MALFORMED) == 1
    assert stack.top().indications == []


def test_other_indications_are_passed_on() -> None:
    stack = Stack({"up": False})
    stack.line().adapter.indicate_status(StatusIndication(Status.MEDIA_CONNECT))
    stack.settle()
    assert [of.code for of in stack.top().indications] == [Status.MEDIA_CONNECT]


def test_ndiswan_above_what_is_no_wan_miniport_fails_with_a_named_error() -> None:
    bench = Bench({"top": Teller, "wan": NdisWan, "floor": Floor}, ["top -> wan -> floor"]).start()
    with pytest.raises(
        RuntimeError, match="floor answered OID_WAN_GET_INFO with NOT_SUPPORTED; it is no WAN"
    ):
        bench.settle()


def test_ndiswan_answers_for_the_bundle() -> None:
    stack = Stack({"speed": 1_000_000}, {"speed": 2_000_000})
    request = OidRequest(Oid.GEN_LINK_SPEED)
    stack.top().bindings[0].oid_request(request)
    unknown = OidRequest(Oid.GEN_STATISTICS)
    stack.top().bindings[0].oid_request(unknown)
    stack.settle()
    assert int.from_bytes(request.answer, "little") == 30_000
    assert unknown.answer == b""


def test_a_line_up_before_the_properties_are_known_counts_once_they_are() -> None:
    stack = Stack({})
    assert isinstance(stack.line().record, MacLineUp)
    assert len(stack.wan.linkage.links) == 1


def test_least_links_hold_everything_until_they_are_up() -> None:
    stack = Stack({}, {"up": False}, links=2)
    sent = stack.send(1)
    assert stack.line(0).packets == []
    stack.line(1).up()
    stack.settle()
    assert len(stack.line(0).packets + stack.line(1).packets) == len(sent)
