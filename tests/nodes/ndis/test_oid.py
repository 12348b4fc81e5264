"""OID requests through real nodes, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.metrics import Counter
from nodes.ndis import Binding, NetEvent
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import OID_BUFFER_LIMIT, Oid, OidRequest, PacketFilter, RequestType
from nodes.policy import Policy
from nodes.status import Status
from tests.bench import Bench
from tests.layers import Teller
from tests.nodes.ndis.oid_drivers import Answerer, Asker, Cloner, Proxy, Relay, Transparent, pend, stack

SECOND = 1_000_000_000
LAYERS: dict[str, tuple[Any, ...]] = {
    "nothing": (),
    "a filter without handlers": (Transparent,),
    "a filter that clones": (Cloner,),
    "two filters": (Cloner, Transparent),
    "an intermediate driver without handlers": (Relay,),
    "an intermediate driver that clones": (Proxy,),
    "a filter above an intermediate driver": (Cloner, Relay),
}


@pytest.fixture(params=LAYERS)
def layers(request: pytest.FixtureRequest) -> tuple[Any, ...]:
    """Give every kind of layer that may lie between issuer and miniport."""
    return LAYERS[request.param]


@pytest.mark.rule("N6-OID-04", "N6-OID-13", "N6-IM-05", "N6-FLT-07")
def test_an_answer_comes_back_through_every_layer(layers: tuple[Any, ...]) -> None:
    bench, top, nic = stack(*layers)
    request, status = top.ask(type=RequestType.METHOD, buffer=b"question", output_length=32)
    assert status is Status.PENDING
    bench.settle()
    assert (nic.got[0].buffer, nic.got[0].output_length) == (b"question", 32)
    nic.got[0].read(4)
    nic.answer(b"answer", Status.BUFFER_OVERFLOW)
    bench.settle()
    assert top.answers == [(request, "BUFFER_OVERFLOW")]
    assert (request.answer, request.bytes_written, request.bytes_read) == (b"answer", 6, 4)
    bench.stop()
    assert (bench.kinds(), bench.held()) == ([], {})


@pytest.mark.rule("N6-OID-01")
def test_a_regular_request_waits_for_the_one_before(layers: tuple[Any, ...]) -> None:
    bench, top, nic = stack(*layers)
    for number in range(3):
        top.ask(request_id=number)
    for done in range(3):
        bench.settle()
        assert [request.request_id for request in nic.got] == list(range(done + 1))
        nic.answer()
    bench.settle()
    assert [request.request_id for request, _ in top.answers] == [0, 1, 2]
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-01")
def test_requests_of_several_bindings_are_serialised_too() -> None:
    bench = Bench({"one": Asker, "two": Asker, "nic": Answerer}, ["one -> nic", "two -> nic"]).start()
    for name in ("one", "two"):
        bench.driver(name, Asker).ask()
    bench.settle()
    assert len(bench.driver("nic", Answerer).got) == 1
    bench.driver("nic", Answerer).answer()
    bench.settle()
    assert len(bench.driver("nic", Answerer).got) == 2


@pytest.mark.rule("N6-OID-01")
def test_a_filter_is_given_one_regular_request_at_a_time() -> None:
    bench, top, _ = stack(Cloner)
    layer = bench.driver("layer0", Cloner)
    layer.hold = True
    top.ask()
    top.ask()
    bench.settle()
    assert len(layer.got) == 1
    layer.module.oid_request_complete(layer.got[0], Status.SUCCESS)
    bench.settle()
    assert len(layer.got) == 2


@pytest.mark.rule("N6-OID-01")
def test_direct_requests_do_not_wait() -> None:
    bench, top, nic = stack(Transparent)
    top.ask()
    direct = [OidRequest(1), OidRequest(2)]
    for request in direct:
        assert top.bindings[0].direct_oid_request(request) is Status.PENDING
    bench.settle()
    assert [request.oid for request in nic.got] == [0x10101, 1, 2]
    nic.adapter.direct_oid_request_complete(nic.got[2], Status.SUCCESS)
    bench.settle()
    assert top.answers == [(direct[1], "direct SUCCESS")]


@pytest.mark.rule("N6-OID-02")
def test_a_final_status_of_the_handler_is_the_answer() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: request.write(b"now")
    request, _ = top.ask()
    bench.settle()
    assert top.answers == [(request, "SUCCESS")]
    assert request.answer == b"now"


@pytest.mark.rule("N6-OID-02")
def test_completing_twice_is_reported_and_answers_once() -> None:
    bench, top, nic = stack()
    top.ask()
    bench.settle()
    nic.answer()
    nic.answer()
    bench.settle()
    assert top.statuses == ["SUCCESS"]
    assert bench.kinds() == [("nic", "N6-OID-02")]


@pytest.mark.rule("N6-OID-02")
def test_completing_what_the_handler_has_answered_is_reported() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: Status.SUCCESS
    top.ask()
    bench.settle()
    nic.answer()
    assert bench.kinds() == [("nic", "N6-OID-02")]


@pytest.mark.rule("N6-OID-02")
@pytest.mark.parametrize("returned", [Status.PENDING, Status.SUCCESS])
def test_a_request_may_be_completed_inside_the_handler_that_then_returns_pending(returned: Status) -> None:
    bench, top, nic = stack()

    def at_once(request: OidRequest) -> Status:
        nic.adapter.oid_request_complete(request, Status.FAILURE)
        return returned

    nic.how = at_once
    top.ask()
    bench.settle()
    assert top.statuses == ["FAILURE"]
    assert bench.kinds() == ([] if returned is Status.PENDING else [("nic", "N6-OID-02")])


@pytest.mark.rule("N6-OID-03")
def test_pending_is_no_final_status() -> None:
    bench, top, nic = stack()
    top.ask()
    bench.settle()
    nic.answer(status=Status.PENDING)
    bench.settle()
    assert top.statuses == ["FAILURE"]
    assert bench.kinds() == [("nic", "N6-OID-03")]


@pytest.mark.rule("N6-OID-04")
def test_a_refused_request_has_its_status_at_once_and_no_completion() -> None:
    bench, top, nic = stack()
    _, status = top.ask(output_length=OID_BUFFER_LIMIT + 1)
    bench.settle()
    assert status is Status.INVALID_LENGTH
    assert (top.answers, nic.got, bench.kinds()) == ([], [], [])


@pytest.mark.rule("N6-OID-04")
def test_looking_at_the_answer_before_completion_is_reported() -> None:
    bench, top, nic = stack()
    request, _ = top.ask()
    assert request.answer == b""
    assert bench.kinds() == [("top", "N6-OID-04")]
    bench.settle()
    nic.answer(b"later")
    bench.settle()
    assert request.answer == b"later"


@pytest.mark.rule("N6-OID-05")
def test_a_request_that_is_out_cannot_be_issued_again() -> None:
    bench, top, nic = stack()
    request, _ = top.ask()
    assert top.bindings[0].oid_request(request) is Status.INVALID_PARAMETER
    assert bench.kinds() == [("top", "N6-OID-05")]
    bench.settle()
    nic.answer()
    bench.settle()
    assert top.bindings[0].oid_request(request) is Status.PENDING


@pytest.mark.rule("N6-OID-05")
def test_what_the_issuer_does_to_its_buffer_does_not_reach_the_driver() -> None:
    bench, top, nic = stack()
    request, _ = top.ask(type=RequestType.SET, buffer=b"before")
    request.buffer = b"after"
    bench.settle()
    assert nic.got[0].buffer == b"before"


@pytest.mark.rule("N6-OID-06")
def test_the_completion_can_come_before_the_call_returns() -> None:
    bench, top, nic = stack(policy=Policy(early_completion="yes"))
    nic.how = lambda request: request.write(b"early")
    seen: list[tuple[int, int]] = []

    def ask() -> None:
        before = len(top.answers)
        top.ask()
        seen.append((before, len(top.answers)))

    top.set_timer(0, ask)
    bench.settle()
    assert seen == [(0, 1)]
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-07")
def test_byte_counts_beyond_the_buffers_are_reported_and_cut() -> None:
    bench, top, nic = stack()
    request, _ = top.ask(output_length=4)
    bench.settle()
    nic.got[0].bytes_written = 5
    nic.got[0].answer = b"12345"
    nic.answer()
    bench.settle()
    assert (request.bytes_written, request.answer) == (4, b"1234")
    assert bench.kinds() == [("nic", "N6-OID-07")]


@pytest.mark.rule("N6-OID-07")
def test_a_buffer_that_is_too_short_is_answered_with_the_bytes_needed() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: request.write(bytes(100))
    request, _ = top.ask(output_length=99)
    bench.settle()
    nic.how = pend
    top.ask(type=RequestType.SET, buffer=b"123")
    bench.settle()
    assert top.statuses == ["BUFFER_TOO_SHORT"]
    assert (request.bytes_needed, request.bytes_written) == (100, 0)
    assert nic.got[1].read(4) is None
    assert nic.got[1].bytes_needed == 4
    assert nic.got[1].read(3) == b"123"
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-07")
def test_too_short_without_bytes_needed_is_reported() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: Status.INVALID_LENGTH
    top.ask()
    bench.settle()
    assert bench.kinds() == [("nic", "N6-OID-07")]


@pytest.mark.rule("N6-OID-08")
@pytest.mark.parametrize(
    ("oid", "status", "allowed"),
    [
        (Oid.PNP_SET_POWER, Status.SUCCESS, True),
        (Oid.PNP_SET_POWER, Status.NOT_ACCEPTED, True),
        (Oid.PNP_SET_POWER, Status.REQUEST_ABORTED, False),
        (Oid.RECEIVE_FILTER_FREE_QUEUE, Status.REQUEST_ABORTED, True),
        (Oid.RECEIVE_FILTER_FREE_QUEUE, Status.FAILURE, False),
        (Oid.PM_REMOVE_WOL_PATTERN, Status.NOT_SUPPORTED, False),
        (Oid.GEN_CURRENT_LOOKAHEAD, Status.FAILURE, True),
    ],
)
def test_some_requests_may_not_fail(oid: Oid, status: Status, allowed: bool) -> None:
    bench, top, nic = stack()
    nic.how = lambda request: status
    top.ask(oid, type=RequestType.SET)
    bench.settle()
    assert bench.kinds() == ([] if allowed else [("nic", "N6-OID-08")])


@pytest.mark.rule("N6-OID-09")
def test_a_handler_that_blocks_is_reported() -> None:
    bench, top, nic = stack()

    def block(request: OidRequest) -> Status:
        bench.clock.advance_to(bench.clock.now() + SECOND)
        return Status.SUCCESS

    nic.how = block
    top.ask()
    bench.settle()
    assert bench.kinds() == [("nic", "N6-OID-09")]


@pytest.mark.rule("N6-OID-10")
def test_a_request_unanswered_for_12_seconds_is_reported_once() -> None:
    bench, top, nic = stack()
    top.ask()
    bench.run_for(12 * SECOND - 1)
    assert bench.kinds() == []
    assert nic.adapter.oids_above.oldest is not None
    bench.run_for(20 * SECOND)
    assert bench.kinds() == [("nic", "N6-OID-10")]
    nic.answer()
    bench.settle()
    assert top.statuses == ["SUCCESS"]


@pytest.mark.rule("N6-OID-11", "N6-OID-12")
def test_a_cancelled_request_is_aborted_below_every_layer(layers: tuple[Any, ...]) -> None:
    bench, top, nic = stack(*layers)
    top.ask(request_id=7)
    bench.settle()
    top.bindings[0].cancel_oid_request(7)
    bench.settle()
    assert nic.oid_cancels == [7]
    assert top.statuses == ["REQUEST_ABORTED"]
    bench.stop()
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-11")
def test_a_cancel_without_a_match_has_no_effect() -> None:
    bench, top, nic = stack()
    top.ask(request_id=7)
    top.bindings[0].cancel_oid_request(8)
    bench.settle()
    nic.answer()
    bench.settle()
    top.bindings[0].cancel_oid_request(7)
    bench.settle()
    assert nic.oid_cancels == []
    assert top.statuses == ["SUCCESS"]


@pytest.mark.rule("N6-OID-11")
def test_a_cancel_that_crosses_the_answer_changes_nothing() -> None:
    bench, top, nic = stack()
    top.ask(request_id=7)
    bench.settle()
    nic.answer()
    top.bindings[0].cancel_oid_request(7)
    bench.settle()
    assert (top.statuses, nic.oid_cancels, bench.kinds()) == (["SUCCESS"], [], [])


@pytest.mark.rule("N6-OID-12")
def test_a_request_that_waits_for_its_turn_is_aborted_without_the_driver() -> None:
    bench, top, nic = stack()
    top.ask(request_id=1)
    top.ask(request_id=2)
    bench.settle()
    top.bindings[0].cancel_oid_request(2)
    bench.settle()
    assert top.statuses == ["REQUEST_ABORTED"]
    assert len(nic.got) == 1


@pytest.mark.rule("N6-OID-12")
def test_one_that_has_not_left_yet_is_aborted_where_it_is() -> None:
    bench, top, _ = stack()
    for number in range(40):
        top.ask(request_id=number)
    top.bindings[0].cancel_oid_request(39)
    bench.settle()
    assert top.statuses == ["REQUEST_ABORTED"]


@pytest.mark.rule("N6-OID-11")
def test_a_request_is_cancelled_when_its_timeout_runs_out() -> None:
    bench, top, nic = stack(Transparent)
    top.ask(request_id=5, timeout=SECOND)
    bench.run_for(SECOND - 1)
    assert top.statuses == []
    bench.run_for(1)
    assert nic.oid_cancels == [5]
    assert top.statuses == ["REQUEST_ABORTED"]


@pytest.mark.rule("N6-OID-12")
def test_a_driver_that_ignores_a_cancel_is_reported() -> None:
    bench, top, nic = stack()
    nic.obey = False
    top.ask(request_id=5)
    bench.settle()
    top.bindings[0].cancel_oid_request(5)
    bench.run_for(SECOND)
    assert bench.kinds() == [("nic", "N6-OID-12")]


@pytest.mark.rule("N6-OID-13")
def test_passing_on_the_original_is_reported_and_refused() -> None:
    bench, top, nic = stack(Cloner)
    layer = bench.driver("layer0", Cloner)
    layer.hold = True
    top.ask()
    bench.settle()
    assert layer.module.oid_request(layer.got[0]) is Status.INVALID_PARAMETER
    assert bench.kinds() == [("layer0", "N6-OID-13")]
    assert nic.got == []


@pytest.mark.rule("N6-OID-13")
def test_completing_the_original_before_its_clone_is_freed_is_reported() -> None:
    bench, top, nic = stack(Cloner)
    bench.driver("layer0", Cloner).free_first = False
    top.ask()
    bench.settle()
    nic.answer()
    bench.settle()
    assert top.statuses == ["SUCCESS"]
    assert bench.kinds() == [("layer0", "N6-OID-13")]


@pytest.mark.rule("N6-OID-13")
def test_a_clone_is_freed_once_and_not_while_it_is_out() -> None:
    bench, top, nic = stack(Cloner)
    layer = bench.driver("layer0", Cloner)
    top.ask()
    bench.settle()
    layer.module.free_clone_oid_request(layer.clones[0])
    nic.answer()
    bench.settle()
    layer.module.free_clone_oid_request(layer.clones[0])
    assert bench.kinds() == [("layer0", "N6-OID-13")] * 2


@pytest.mark.rule("N6-OID-13")
def test_a_clone_that_is_never_freed_is_reported_at_the_end() -> None:
    bench, top, _ = stack(Cloner)
    layer = bench.driver("layer0", Cloner)
    layer.hold = True
    top.ask()
    bench.settle()
    layer.module.allocate_clone_oid_request(layer.got[0])
    bench.stop()
    assert ("layer0", "N6-OID-13") in bench.kinds()


@pytest.mark.rule("N6-OID-14")
def test_a_request_of_the_filter_itself_ends_in_the_filter() -> None:
    bench, top, nic = stack(Cloner)
    layer = bench.driver("layer0", Cloner)
    own = OidRequest(0x10106)
    assert layer.module.oid_request(own) is Status.PENDING
    bench.settle()
    nic.answer(b"1234")
    bench.settle()
    assert layer.own == [(own, "SUCCESS")]
    assert (own.answer, top.answers) == (b"1234", [])
    layer.module.oid_request_complete(own, Status.SUCCESS)
    assert bench.kinds() == [("layer0", "N6-OID-14")]


@pytest.mark.rule("N6-OID-15")
def test_indication_required_is_for_requests_that_permit_it() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: Status.INDICATION_REQUIRED
    top.ask(Oid.GEN_LINK_STATE)
    bench.settle()
    assert bench.kinds() == [("nic", "N6-OID-15")]


@pytest.mark.rule("N6-OID-15", "N6-IND-02")
@pytest.mark.parametrize("middle", [(), (Transparent,), (Cloner, Relay)])
def test_a_late_result_reaches_the_one_who_asked(middle: tuple[Any, ...]) -> None:
    layers: dict[str, Any] = {"top": Asker, "other": Asker}
    names = [f"layer{number}" for number in range(len(middle))]
    layers |= dict(zip(names, middle, strict=True)) | {"nic": Answerer}
    bench = Bench(layers, [" -> ".join(["top", *names, "nic"]), "other -> nic"]).start()
    nic = bench.driver("nic", Answerer)
    nic.how = lambda request: Status.INDICATION_REQUIRED
    bench.driver("top", Asker).ask(Oid.WWAN_DRIVER_CAPS, request_id=9)
    bench.settle()
    late = StatusIndication(0x40030001, b"result", nic.got[0].source, 9)
    nic.adapter.indicate_status(late)
    bench.settle()
    assert bench.driver("top", Asker).heard == [late]
    assert bench.driver("other", Asker).heard == []
    bench.stop()
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-15")
def test_a_late_result_for_another_request_is_reported_and_so_is_one_that_never_comes() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: Status.INDICATION_REQUIRED
    top.ask(Oid.WWAN_DRIVER_CAPS, request_id=9)
    bench.settle()
    nic.adapter.indicate_status(StatusIndication(0x40030001, b"", nic.got[0].source, 8))
    bench.settle()
    assert top.heard == []
    bench.stop()
    assert bench.kinds() == [("nic", "N6-OID-15")] * 2


@pytest.mark.rule("N6-OID-16")
def test_after_the_removal_only_not_accepted_will_do() -> None:
    bench, top, nic = stack()
    nic.adapter.oids_above.removed = True
    nic.how = lambda request: Status.NOT_ACCEPTED
    top.ask()
    bench.settle()
    assert bench.kinds() == []
    nic.how = lambda request: request.write(b"still here")
    top.ask()
    bench.settle()
    assert top.statuses == ["NOT_ACCEPTED"] * 2
    assert bench.kinds() == [("nic", "N6-OID-16")]


@pytest.mark.rule("N6-OID-17")
def test_requests_are_answered_while_paused_and_after_a_restart() -> None:
    bench, top, nic = stack(Cloner)
    nic.how = lambda request: request.write(b"yes")
    for name in ("top", "layer0", "nic"):
        bench.pause(name)
    top.ask()
    bench.settle()
    assert bench.command("top", "restart") == [{"ok": True, "value": None}]
    top.ask()
    bench.settle()
    assert top.statuses == ["SUCCESS"] * 2
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-17")
def test_a_pause_does_not_wait_for_requests() -> None:
    bench, top, nic = stack()
    top.ask()
    bench.settle()
    bench.pause("top")
    nic.answer()
    bench.settle()
    assert top.statuses == ["SUCCESS"]


@pytest.mark.rule("N6-OID-17", "N6-OID-22")
def test_a_closed_binding_asks_nothing() -> None:
    bench, top, _ = stack()
    bench.stop()
    assert top.ask()[1] is Status.CLOSING
    assert bench.kinds() == [("top", "N6-OID-17")]


@pytest.mark.rule("N6-OID-18")
def test_events_are_not_sent_from_within_a_request() -> None:
    bench, top, nic = stack(Transparent, Relay)
    events: list[NetEvent] = []

    def note(binding: Binding, event: NetEvent) -> Status:
        events.append(event)
        return Status.SUCCESS

    def activate(request: OidRequest) -> Status:
        nic.adapter.net_pnp_event(NetEvent.PORT_ACTIVATION)
        return Status.SUCCESS

    top.net_pnp_event = note  # type: ignore[method-assign]
    nic.how = activate
    top.ask()
    bench.settle()
    assert (events, bench.kinds()) == ([], [("nic", "N6-OID-18")])
    nic.adapter.net_pnp_event(NetEvent.PORT_ACTIVATION)
    bench.settle()
    assert events == [NetEvent.PORT_ACTIVATION]


@pytest.mark.rule("N6-OID-19")
def test_a_successful_set_says_which_revision_it_understood() -> None:
    bench, top, nic = stack()
    nic.how = lambda request: Status.SUCCESS
    top.ask(Oid.TCP_OFFLOAD_PARAMETERS, type=RequestType.SET)
    bench.settle()
    assert bench.kinds() == [("nic", "N6-OID-19")]


@pytest.mark.rule("N6-OID-20")
def test_a_synchronous_request_has_its_answer_when_the_call_returns() -> None:
    bench, top, _ = stack(Transparent)
    results: list[tuple[Status, bytes]] = []

    def ask() -> None:
        request = OidRequest(3)
        results.append((top.bindings[0].synchronous_oid_request(request), request.answer))

    top.set_timer(0, ask)
    bench.settle()
    assert results == [(Status.SUCCESS, b"at once")]
    assert top.answers == []
    assert bench.kinds() == []


class Hooked(Transparent):
    """Notes both hooks of synchronous requests; one named in `stops` answers there."""

    log: list[str]
    stops: set[str]

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        self.log.append(f"{self.name} issue")
        request.context = self.name
        return Status.ALREADY_COMPLETE if self.name in self.stops else Status.SUCCESS

    def synchronous_oid_request_complete(self, request: OidRequest, status: int) -> int:
        self.log.append(f"{request.context} complete")
        return Status.NOT_ACCEPTED if self.name == "layer0" else status


@pytest.mark.rule("N6-OID-20")
@pytest.mark.parametrize("stop", ["", "layer1"])
def test_hooks_run_down_and_then_up_from_where_the_answer_was_given(stop: str) -> None:
    Hooked.log, Hooked.stops = [], {stop}
    bench, top, nic = stack(Hooked, Hooked, Hooked)
    results: list[Status] = []
    top.set_timer(0, lambda: results.append(top.bindings[0].synchronous_oid_request(OidRequest(3))))
    bench.settle()
    down = ["layer0 issue", "layer1 issue"]
    if stop:
        assert Hooked.log == [*down, "layer0 complete"]
        assert nic.got == []
    else:
        ups = ["layer2 complete", "layer1 complete", "layer0 complete"]
        assert Hooked.log == [*down, "layer2 issue", *ups]
    assert results == [Status.NOT_ACCEPTED]
    assert bench.kinds() == []


class PendingHook(Hooked):
    """Wants a synchronous request to wait."""

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        self.module.free_clone_oid_request(self.module.allocate_clone_oid_request(request))
        return Status.PENDING


@pytest.mark.rule("N6-OID-20")
def test_a_synchronous_request_can_neither_pend_nor_be_cloned() -> None:
    Hooked.log = []
    bench, top, nic = stack(PendingHook)
    nic.how_synchronous = pend
    results: list[Status] = []
    top.set_timer(0, lambda: results.append(top.bindings[0].synchronous_oid_request(OidRequest(3))))
    bench.settle()
    assert results == [Status.NOT_ACCEPTED]
    assert bench.kinds() == [("layer0", "N6-OID-20")] * 2 + [("nic", "N6-OID-20")]


@pytest.mark.rule("N6-OID-21")
def test_regular_requests_are_delivered_at_passive_and_direct_ones_as_the_policy_says() -> None:
    bench, top, nic = stack(policy=Policy(delivery_irql="dispatch"))
    levels: list[str] = []

    def note(request: OidRequest) -> Status:
        levels.append(nic.current_irql().name)
        return Status.SUCCESS

    nic.how = nic.how_direct = note
    top.take = lambda request, status: levels.append("completion " + top.current_irql().name)
    top.ask()
    top.bindings[0].direct_oid_request(OidRequest(4))
    bench.settle()
    assert sorted(levels) == ["DISPATCH", "PASSIVE", "completion DISPATCH"]
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-21")
@pytest.mark.parametrize("level", ["passive", "dispatch"])
def test_the_level_of_a_filters_regular_handler_is_a_policy(level: str) -> None:
    bench, top, _ = stack(Cloner, policy=Policy(delivery_irql="dispatch", filter_oid_irql=level))
    layer = bench.driver("layer0", Cloner)
    levels: list[str] = []

    def note(request: OidRequest) -> Status:
        levels.append(layer.current_irql().name)
        return Status.SUCCESS

    layer.oid_request = note  # type: ignore[method-assign]
    layer.open_module(
        layer.module, [port for port in bench.nodes["layer0"].ports if port.spec.side == "lower"]
    )
    top.ask()
    bench.settle()
    assert levels == [level.upper()]


@pytest.mark.rule("N6-OID-22")
def test_closing_with_requests_outstanding_is_reported_and_nothing_hangs() -> None:
    bench, top, nic = stack(Transparent)
    top.ask()
    bench.settle()
    bench.stop()
    bench.settle()
    assert bench.kinds() == [("top", "N6-OID-22")]
    assert top.answers == []
    nic.answer()
    assert bench.kinds()[1:] == [("nic", "N6-OID-02")]


@pytest.mark.rule("N6-OID-23")
def test_what_concerns_the_binding_is_answered_by_ndis_through_the_handler() -> None:
    bench, top, nic = stack(Transparent)
    nic.how = lambda request: Status.SUCCESS
    wanted = (PacketFilter.DIRECTED | PacketFilter.BROADCAST).to_bytes(4, "little")
    top.ask(Oid.GEN_CURRENT_PACKET_FILTER, type=RequestType.SET, buffer=wanted)
    bench.settle()
    request, status = top.ask(Oid.GEN_CURRENT_PACKET_FILTER)
    assert (status, top.statuses) == (Status.PENDING, ["SUCCESS"])
    bench.settle()
    assert (request.answer, top.statuses) == (wanted, ["SUCCESS"] * 2)
    assert len(nic.got) == 1


@pytest.mark.rule("N6-OID-23")
def test_each_binding_receives_by_its_own_packet_filter_and_the_miniport_learns_all() -> None:
    bench = Bench({"one": Asker, "two": Asker, "nic": Answerer}, ["one -> nic", "two -> nic"]).start()
    nic = bench.driver("nic", Answerer)
    nic.how = lambda request: Status.SUCCESS
    for name, wanted in (("one", PacketFilter.BROADCAST), ("two", PacketFilter.DIRECTED)):
        buffer = wanted.to_bytes(4, "little")
        bench.driver(name, Asker).ask(Oid.GEN_CURRENT_PACKET_FILTER, type=RequestType.SET, buffer=buffer)
        bench.settle()
    assert [int.from_bytes(request.buffer, "little") for request in nic.got] == [8, 9]
    nic.indicate(b"\xff" * 6 + bytes(60), b"\x02" + bytes(65), b"\x01" + bytes(65))
    bench.settle()
    assert [len(bench.driver(name, Teller).received) for name in ("one", "two")] == [1, 1]
    assert bench.counter("nic", Counter.DROPPED) == 1
    assert bench.kinds() == []


@pytest.mark.rule("N6-IM-05")
def test_an_intermediate_driver_that_keeps_a_power_request_is_reported() -> None:
    bench, top, nic = stack(Proxy)
    bench.driver("layer0", Proxy).alone = True
    top.ask(0x10106)
    bench.settle()
    assert (bench.kinds(), nic.got) == ([], [])
    top.ask(Oid.PNP_QUERY_POWER)
    bench.settle()
    assert bench.kinds() == [("layer0", "N6-IM-05")]


def test_a_user_asks_a_driver_of_every_kind() -> None:
    bench, _, nic = stack(Cloner, Relay)
    nic.how = lambda request: request.write(b"four")
    for name in ("top", "layer0", "layer1", "nic"):
        answers: list[dict[str, Any]] = []
        bench.nodes[name].command("oid", {"oid": 0x10106}, answers.append)
        bench.settle()
        assert answers == [{"ok": True, "value": {"status": 0, "answer": b"four", "needed": 0}}]


@pytest.mark.parametrize("arguments", [{}, {"oid": -1}, {"oid": 1, "type": "no"}, {"oid": 1, "length": 9999}])
def test_a_user_who_asks_nonsense_is_told(arguments: dict[str, Any]) -> None:
    bench, _, _ = stack()
    answers: list[dict[str, Any]] = []
    bench.nodes["nic"].command("oid", arguments, answers.append)
    assert [answer["ok"] for answer in answers] == [False]


def test_names_of_identifiers_are_those_of_windows() -> None:
    assert Oid.parse("OID_GEN_STATISTICS") == Oid.parse("gen_statistics") == Oid.parse("0x20106") == 0x20106
    assert Oid.parse("OID_802_3_CURRENT_ADDRESS") == 0x01010102
    assert Oid.IEEE_CURRENT_ADDRESS.windows_name == "OID_802_3_CURRENT_ADDRESS"
    with pytest.raises(ValueError, match="neither a number nor one of OID_GEN_SUPPORTED_LIST"):
        Oid.parse("OID_GEN_NONSENSE")
    with pytest.raises(ValueError, match="no 32-bit"):
        Oid.parse("0x100000000")
