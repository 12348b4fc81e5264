"""Status indications through real nodes, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.metrics import Counter
from nodes.ndis import Adapter, Filter
from nodes.ndis.indication import INDICATION_LIMIT, LinkState, StatusIndication
from nodes.policy import Policy
from nodes.status import Status
from tests.bench import Bench
from tests.nodes.ndis.oid_drivers import Answerer, Asker, Cloner, Proxy, Relay, Transparent, stack

SECOND = 1_000_000_000
UP = StatusIndication(Status.LINK_STATE, LinkState(True, 10**10, 10**9).pack())
OWN = StatusIndication(0x40039999, b"anything a driver wants to say")


@pytest.mark.parametrize(
    "middle", [(), (Transparent,), (Cloner, Transparent), (Relay,), (Transparent, Proxy)]
)
@pytest.mark.parametrize("indication", [UP, OWN, StatusIndication(Status.MEDIA_DISCONNECT)])
def test_an_indication_passes_every_layer(middle: tuple[Any, ...], indication: StatusIndication) -> None:
    bench, top, nic = stack(*middle)
    nic.adapter.indicate_status(indication)
    bench.settle()
    assert top.heard == [indication]
    assert bench.counter("nic", Counter.STATUS_INDICATIONS) == 1
    assert (bench.kinds(), bench.held()) == ([], {})


@pytest.mark.rule("N6-IND-02")
def test_an_indication_for_all_reaches_every_binding() -> None:
    bench = Bench({"one": Asker, "two": Asker, "nic": Answerer}, ["one -> nic", "two -> nic"]).start()
    bench.driver("nic", Answerer).adapter.indicate_status(UP)
    bench.settle()
    assert [bench.driver(name, Asker).heard for name in ("one", "two")] == [[UP], [UP]]


@pytest.mark.rule("N6-IND-02")
def test_an_indication_for_one_needs_a_request_id() -> None:
    bench, top, nic = stack()
    nic.adapter.indicate_status(StatusIndication(OWN.code, b"", top.bindings[0].handle, 0))
    bench.settle()
    assert (top.heard, bench.kinds()) == ([], [("nic", "N6-IND-02")])


class Eager(Answerer):
    """Indicates from within initialise and from within halt."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        adapter.indicate_status(UP)

    def halt(self) -> None:
        self.adapter.indicate_status(StatusIndication(Status.MEDIA_DISCONNECT))


@pytest.mark.rule("N6-IND-01")
def test_indications_are_allowed_from_initialise_to_the_end_of_halt_and_not_after() -> None:
    bench = Bench({"top": Asker, "nic": Eager}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Asker), bench.driver("nic", Eager)
    bench.settle()
    assert top.heard == [UP]
    bench.stop()
    assert bench.kinds() == []
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert bench.kinds() == [("nic", "N6-IND-01")]


@pytest.mark.rule("N6-IND-03")
@pytest.mark.parametrize(
    "wrong",
    [
        StatusIndication(Status.LINK_STATE, b"up"),
        StatusIndication(Status.MEDIA_CONNECT, b"1"),
        StatusIndication(OWN.code, bytes(INDICATION_LIMIT + 1)),
    ],
)
def test_a_buffer_that_does_not_fit_its_code_is_reported_and_dropped(wrong: StatusIndication) -> None:
    bench, top, nic = stack()
    nic.adapter.indicate_status(wrong)
    bench.settle()
    assert (top.heard, bench.kinds()) == ([], [("nic", "N6-IND-03")])


@pytest.mark.rule("N6-IND-04")
def test_indications_pass_while_everything_is_paused() -> None:
    bench, top, nic = stack(Cloner)
    for name in ("top", "layer0", "nic"):
        bench.pause(name)
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert (top.heard, bench.kinds()) == ([UP], [])


@pytest.mark.rule("N6-IND-04")
def test_indications_pass_while_a_pause_is_pending() -> None:
    bench = Bench({"top": Asker, "nic": (Answerer, {"hold": True})}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Asker), bench.driver("nic", Answerer)
    top.send(3)
    bench.settle()
    answers = bench.command("top", "pause")
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert (answers, top.heard) == ([], [UP])


@pytest.mark.rule("N6-IND-05")
def test_a_slow_handler_is_reported() -> None:
    bench, top, nic = stack(Transparent)
    top.listen = lambda indication: bench.clock.advance_to(bench.clock.now() + SECOND)
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert bench.kinds() == [("top", "N6-IND-05")]


class Rewriter(Filter):
    """Hears of the link and says something of its own."""

    def status(self, indication: StatusIndication) -> None:
        super().status(indication)
        self.module.indicate_status(OWN)


def test_a_filter_may_indicate_on_its_own() -> None:
    bench, top, nic = stack(Rewriter)
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert top.heard == [UP, OWN]


def test_indications_keep_their_order_among_sends_completed_and_each_other() -> None:
    bench, top, nic = stack(Transparent)
    for number in range(100):
        nic.adapter.indicate_status(StatusIndication(OWN.code, number.to_bytes(2, "little")))
    bench.settle()
    assert [int.from_bytes(of.buffer, "little") for of in top.heard] == list(range(100))


def test_handlers_of_indications_run_at_the_level_of_the_policy() -> None:
    bench, top, nic = stack(policy=Policy(delivery_irql="dispatch"))
    levels: list[str] = []
    top.listen = lambda indication: levels.append(top.current_irql().name)
    nic.adapter.indicate_status(UP)
    bench.settle()
    assert levels == ["DISPATCH"]


def test_a_link_state_is_the_structure_of_windows() -> None:
    assert len(UP.buffer) == 40
    assert LinkState.unpack(UP.buffer) == LinkState(True, 10**10, 10**9)
