"""Reset of an adapter: who may ask, what NDIS refuses meanwhile, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from nodes.ndis import Adapter, Binding, Intermediate
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, OidRequest, PacketFilter, RequestType
from nodes.policy import Policy
from nodes.status import Status, status_name
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.traffic import Traffic
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.nodes.ndis.steer import stack_of, steer

SECOND = 1_000_000_000


class Nic(Floor):
    """A bottom whose reset a test answers; it says that it hangs when told so."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.answer: Status | tuple[Status, bool] = Status.PENDING
        self.resets = 0
        self.sets: list[tuple[int, bytes]] = []
        self.before: Callable[[], None] = lambda: None

    def reset(self) -> Status | tuple[Status, bool]:
        self.resets += 1
        self.before()
        return self.answer

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        if request.type is RequestType.SET:
            self.sets.append((request.oid, request.buffer))
        return Status.SUCCESS


class OldNic(Nic):
    """A bottom from before NDIS 6.30."""

    ndis_version: ClassVar[tuple[int, int]] = (6, 20)


class Hanging(Nic):
    """A bottom with a hang check."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.hangs = False
        self.asked = 0
        self.answer = Status.SUCCESS

    def check_for_hang(self) -> bool:
        self.asked += 1
        return self.hangs


class Blocking(Nic):
    """A bottom that waits in its hang check."""

    def check_for_hang(self) -> bool:
        self.wait(lambda: False, 20)
        return False


class Slow(Nic):
    """A bottom that pends requests."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.asked = request
        return Status.PENDING


class SlowChecked(Slow):
    """A bottom that pends requests, with a hang check that finds nothing."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.answer = Status.SUCCESS

    def check_for_hang(self) -> bool:
        return False


class Addressed(Nic):
    """A bottom that says what a test lets it know."""

    knows = b""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.SUCCESS if request.type is RequestType.SET else request.write(self.knows)


class Listener(Teller):
    """A top that keeps the indications it hears, and takes no note of resets."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.heard: list[str] = []

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        self.heard.append(status_name(indication.code))


def stack(
    nic: type[Nic] = Nic, *, hold: bool = False, policy: Policy | None = None
) -> tuple[Bench, Listener, Nic]:
    bench = Bench({"top": Listener, "nic": (nic, {"hold": hold})}, ["top -> nic"], policy=policy).start()
    return bench, bench.driver("top", Listener), bench.driver("nic", nic)


def begin(bench: Bench) -> list[dict[str, Any]]:
    answers = bench.command("nic", "reset")
    bench.settle()
    return answers


@pytest.mark.rule("N6-RST-01", "N6-RST-05")
def test_a_miniport_asks_for_a_reset_and_gets_it_later_between_start_and_end() -> None:
    bench, top, nic = stack()
    nic.answer = Status.SUCCESS
    nic.adapter.reset_miniport()
    nic.adapter.reset_miniport()
    assert nic.resets == 0
    bench.settle()
    assert (nic.resets, top.heard) == (1, ["RESET_START", "RESET_END"])
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-01")
def test_a_protocol_has_no_call_that_starts_a_reset() -> None:
    assert [name for name in dir(Binding) if "reset" in name and callable(getattr(Binding, name))] == []


@pytest.mark.rule("N6-RST-02")
def test_a_pending_reset_is_completed_once() -> None:
    bench, top, nic = stack()
    answers = begin(bench)
    assert (answers, top.heard) == ([], ["RESET_START"])
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    assert (answers, top.heard) == ([{"ok": True, "value": "SUCCESS"}], ["RESET_START", "RESET_END"])
    nic.adapter.reset_complete(Status.SUCCESS)
    assert bench.kinds() == [("nic", "N6-RST-02")]


@pytest.mark.rule("N6-RST-02")
@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        (Status.SUCCESS, []),
        (Status.SOFT_ERRORS, []),
        (Status.HARD_ERRORS, []),
        (Status.RESET_IN_PROGRESS, []),
        (Status.FAILURE, ["N6-RST-02"]),
    ],
)
def test_the_handler_answers_from_a_closed_set(answer: Status, rules: list[str]) -> None:
    bench, _, nic = stack()
    nic.answer = answer
    assert begin(bench) == [{"ok": True, "value": answer.name}]
    assert [rule for _, rule in bench.kinds()] == rules


@pytest.mark.rule("N6-RST-02")
def test_a_reset_completed_in_its_handler_must_return_pending() -> None:
    bench, _, nic = stack()
    nic.before = lambda: nic.adapter.reset_complete(Status.SUCCESS)
    assert begin(bench) == [{"ok": True, "value": "SUCCESS"}]
    nic.answer = Status.SUCCESS
    begin(bench)
    assert bench.kinds() == [("nic", "N6-RST-02")]


@pytest.mark.rule("N6-RST-02")
def test_a_reset_asked_for_during_another_one_is_the_same_one() -> None:
    bench, _, nic = stack()
    first, second = begin(bench), begin(bench)
    assert nic.resets == 1
    nic.adapter.reset_complete(Status.SUCCESS)
    assert first == second == [{"ok": True, "value": "SUCCESS"}]


@pytest.mark.rule("N6-RST-03")
@pytest.mark.parametrize(
    ("kind", "hold", "rules"),
    [
        (Nic, "by-version", ["N6-RST-03"]),
        (OldNic, "by-version", []),
        (Nic, "always", []),
        (OldNic, "never", ["N6-RST-03"]),
    ],
)
def test_what_may_be_held_across_a_reset_goes_by_the_declared_version(
    kind: type[Nic], hold: str, rules: list[str]
) -> None:
    bench, top, nic = stack(kind, hold=True, policy=Policy(reset_hold=hold))
    top.send(2)
    bench.settle()
    begin(bench)
    nic.adapter.reset_complete(Status.SUCCESS)
    assert [rule for _, rule in bench.kinds()] == rules
    nic.complete()
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS"] * 2


@pytest.mark.rule("N6-RST-04")
@pytest.mark.parametrize(
    ("status", "accepted", "rules"),
    [
        (Status.RESET_IN_PROGRESS, "reset-in-progress", []),
        (Status.REQUEST_ABORTED, "both", []),
        (Status.REQUEST_ABORTED, "reset-in-progress", ["N6-RST-04"]),
        (Status.FAILURE, "both", ["N6-RST-04"]),
        (Status.PAUSED, "both", ["N6-RST-04"]),
        (Status.SUCCESS, "both", []),
    ],
)
def test_a_send_aborted_by_reset_says_so(status: Status, accepted: str, rules: list[str]) -> None:
    bench, top, nic = stack(hold=True, policy=Policy(reset_status=accepted))
    top.send(3)
    bench.settle()
    begin(bench)
    nic.complete(status=status)
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    assert [name for _, name in top.back] == [status.name] * 3
    assert [rule for _, rule in bench.kinds()] == rules


@pytest.mark.rule("N6-RST-04")
def test_request_aborted_is_for_resets_only() -> None:
    bench, top, nic = stack(hold=True)
    begin(bench)
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    top.send(1)
    bench.settle()
    nic.complete(status=Status.REQUEST_ABORTED)
    assert bench.kinds() == [("nic", "N6-SEND-11")]


@pytest.mark.rule("N6-RST-05")
@pytest.mark.parametrize("code", [Status.RESET_START, Status.RESET_END])
def test_a_miniport_may_not_indicate_start_and_end_itself(code: Status) -> None:
    bench, top, nic = stack()
    nic.adapter.indicate_status(StatusIndication(code))
    bench.settle()
    assert (bench.kinds(), top.heard) == ([("nic", "N6-RST-05")], [])


@pytest.mark.rule("N6-RST-06", "N6-SEND-20")
@pytest.mark.parametrize(("switch", "kinds"), [("violation", [("top", "N6-RST-06")]), ("refused", [])])
def test_sends_between_start_and_end_are_refused(switch: str, kinds: list[tuple[str, str]]) -> None:
    bench, top, nic = stack(policy=Policy(reset_sends=switch))
    begin(bench)
    top.send(2)
    bench.settle()
    assert [status for _, status in top.back] == ["RESET_IN_PROGRESS"] * 2
    assert nic.handles == []
    assert bench.kinds() == kinds
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    top.send(1)
    bench.settle()
    assert top.back[-1][1] == "SUCCESS"


@pytest.mark.rule("N6-SEND-20")
def test_sends_and_oids_that_cross_the_start_are_refused_by_ndis() -> None:
    bench, top, nic = stack()
    top.send(1)
    request = OidRequest(Oid.GEN_LINK_STATE, RequestType.QUERY, output_length=64)
    top.bindings[0].oid_request(request)
    bench.nodes["top"].publish()
    bench.command("nic", "reset")
    bench.settle()
    assert [status for _, status in top.back] == ["RESET_IN_PROGRESS"]
    assert nic.sets == []
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-06")
def test_the_load_generator_holds_its_sends_during_a_reset() -> None:
    bench = Bench(
        {"top": (Traffic, {"packets": 500, "rate": 10_000}), "nic": (Nic, {})}, ["top -> nic"]
    ).start()
    nic = bench.driver("nic", Nic)
    bench.run_for(SECOND // 100)
    begin(bench)
    before = len(nic.handles)
    bench.run_for(SECOND // 100)
    assert 0 < len(nic.handles) == before
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.run_for(SECOND // 10)
    assert bench.statuses("top") == {"SUCCESS": 500}
    assert bench.kinds() == [("top", "done")]


@pytest.mark.rule("N6-IM-06", "N6-RST-06")
def test_an_intermediate_driver_holds_sends_and_receives_and_sends_again_what_was_aborted() -> None:
    layers: dict[str, Any] = {"top": Listener, "mux": Mux, "nic": (Nic, {"hold": True})}
    bench = Bench(layers, ["top -> mux -> nic"]).start()
    top, nic = bench.driver("top", Listener), bench.driver("nic", Nic)
    top.send(2)
    bench.settle()
    begin(bench)
    nic.complete(status=Status.RESET_IN_PROGRESS)
    nic.indicate(b"held" * 15)
    top.send(3)
    bench.settle()
    assert (top.back, top.received, top.heard) == ([], [], [])
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    nic.complete()
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS"] * 5
    assert len(top.received) == 1
    assert bench.kinds() == []


@pytest.mark.rule("N6-IM-06")
def test_an_intermediate_driver_has_no_reset_handler_of_its_own() -> None:
    assert not hasattr(Mux, "reset")
    assert not hasattr(Mux, "check_for_hang")


@pytest.mark.rule("N6-RST-07")
def test_no_spin_lock_is_held_when_a_reset_is_completed() -> None:
    bench, _, nic = stack()
    begin(bench)
    lock = nic.allocate_spin_lock("rings")
    with lock:
        nic.adapter.reset_complete(Status.SUCCESS)
    assert bench.kinds() == [("nic", "N6-RST-07")]


@pytest.mark.rule("N6-RST-09")
@pytest.mark.parametrize("reset_first", [True, False])
def test_a_pause_and_a_reset_end_in_either_order(reset_first: bool) -> None:
    bench, top, nic = stack()
    top.keep = True
    nic.indicate(b"p" * 60)
    bench.settle()
    reset = begin(bench)
    pause = bench.command("nic", "pause")
    bench.settle()
    assert (reset, pause) == ([], [])
    ends = [lambda: nic.adapter.reset_complete(Status.SUCCESS), top.return_kept]
    for end, answered in zip(ends if reset_first else ends[::-1], (1, 2), strict=True):
        end()
        bench.settle()
        assert len(reset) + len(pause) == answered
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-10")
@pytest.mark.parametrize("forgot", [True, False])
def test_what_a_reset_made_the_adapter_forget_is_set_again(forgot: bool) -> None:
    bench, top, nic = stack()
    wanted = PacketFilter.DIRECTED.to_bytes(4, "little")
    request = OidRequest(Oid.GEN_CURRENT_PACKET_FILTER, RequestType.SET, wanted)
    top.bindings[0].oid_request(request)
    bench.settle()
    nic.answer = (Status.SUCCESS, forgot)
    begin(bench)
    assert nic.sets == [(Oid.GEN_CURRENT_PACKET_FILTER, wanted)] * (2 if forgot else 1)


@pytest.mark.rule("N6-RST-11", "N6-RST-01")
def test_a_miniport_that_says_it_hangs_is_reset() -> None:
    bench, top, nic = stack(Hanging)
    assert isinstance(nic, Hanging)
    bench.run_for(5 * SECOND)
    assert (nic.asked, nic.resets) == (2, 0)
    nic.hangs = True
    bench.run_for(SECOND)
    assert (nic.asked, nic.resets, top.heard) == (3, 1, ["RESET_START", "RESET_END"])
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-11")
def test_the_hang_check_is_not_asked_before_initialisation_has_ended_nor_after_halt() -> None:
    bench = Bench({"top": Teller, "nic": Hanging}, ["top -> nic"])
    bench.run_for(5 * SECOND)
    bench.start()
    nic = bench.driver("nic", Hanging)
    bench.pause("nic")
    bench.command("nic", "halt")
    bench.run_for(5 * SECOND)
    assert nic.asked == 0


@pytest.mark.rule("N6-RST-11")
def test_a_hang_check_that_overlooks_a_stuck_send_is_reported() -> None:
    bench, top, _ = stack(Hanging, hold=True)
    top.send(1)
    bench.run_for(2 * SECOND + 1)
    assert ("nic", "N6-RST-11") in bench.kinds()


@pytest.mark.rule("N6-RST-12")
def test_handles_stay_valid_across_a_reset() -> None:
    bench, top, nic = stack()
    before = (top.bindings[0].handle, nic.adapter.handle)
    nic.answer = Status.SUCCESS
    begin(bench)
    assert (top.bindings[0].handle, nic.adapter.handle) == before
    top.send(1)
    bench.settle()
    assert top.back[-1][1] == "SUCCESS"


@pytest.mark.rule("N6-RST-03", "N6-RST-04")
def test_the_stock_miniport_aborts_what_waits_and_lets_the_line_run_empty() -> None:
    layers: dict[str, Any] = {"top": Listener, "nic": (StockMiniport, {"link": 1_000_000, "ring": 2})}
    bench = Bench(layers, ["top -> nic"]).start()
    top = bench.driver("top", Listener)
    top.send(5)
    bench.settle()
    assert steer(bench, "reset", "nic", stack=stack_of(bench)) == []
    bench.settle()
    assert sorted(status for _, status in top.back) == ["RESET_IN_PROGRESS"] * 3 + ["SUCCESS"] * 2
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-04")
@pytest.mark.parametrize(
    ("status", "rules"), [(Status.REQUEST_ABORTED, []), (Status.RESET_IN_PROGRESS, ["N6-RST-04"])]
)
def test_a_request_aborted_by_reset_says_so_in_its_own_words(status: Status, rules: list[str]) -> None:
    bench, top, nic = stack(Slow)
    assert isinstance(nic, Slow)
    top.bindings[0].oid_request(OidRequest(Oid.GEN_LINK_STATE))
    bench.settle()
    begin(bench)
    nic.adapter.oid_request_complete(nic.asked, status)
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    assert [rule for _, rule in bench.kinds()] == rules


@pytest.mark.rule("N6-RST-10")
@pytest.mark.parametrize(("knows", "rules"), [(b"\x01\0\0\0", []), (bytes(4), ["N6-RST-10"]), (b"", [])])
def test_a_miniport_that_lost_its_filter_in_a_reset_and_does_not_say_so_is_reported(
    knows: bytes, rules: list[str]
) -> None:
    bench, top, nic = stack(Addressed)
    assert isinstance(nic, Addressed)
    wanted = PacketFilter.DIRECTED.to_bytes(4, "little")
    top.bindings[0].oid_request(OidRequest(Oid.GEN_CURRENT_PACKET_FILTER, RequestType.SET, wanted))
    bench.settle()
    nic.knows = knows
    begin(bench)
    nic.adapter.reset_complete(Status.SUCCESS)
    bench.settle()
    assert [rule for _, rule in bench.kinds()] == rules


@pytest.mark.rule("N6-RST-11")
def test_a_hang_check_that_blocks_is_reported() -> None:
    bench, _, _ = stack(Blocking, policy=Policy(handler_limit=10))
    bench.run_for(2 * SECOND + 1)
    assert set(bench.kinds()) == {("nic", "N6-RST-11")}


@pytest.mark.rule("N6-RST-11")
def test_a_virtual_miniport_has_no_hang_check() -> None:
    assert not hasattr(Intermediate, "check_for_hang")


@pytest.mark.rule("N6-RST-01", "N6-OID-10")
def test_a_request_that_is_not_answered_for_two_hang_checks_leads_to_a_reset() -> None:
    bench, top, nic = stack(SlowChecked)
    assert isinstance(nic, SlowChecked)
    top.bindings[0].oid_request(OidRequest(Oid.GEN_LINK_STATE))
    bench.run_for(4 * SECOND - 1)
    assert nic.resets == 0
    nic.before = lambda: nic.adapter.oid_request_complete(nic.asked, Status.REQUEST_ABORTED)
    bench.run_for(2 * SECOND + 1)
    assert (nic.resets, top.heard) == (1, ["RESET_START", "RESET_END"])
    assert bench.kinds() == []
