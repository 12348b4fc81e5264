"""The source of OID requests in small real stacks."""

from __future__ import annotations

from typing import Any

from nodes.metrics import Counter
from nodes.ndis import Adapter
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.oid_storm import OidStorm
from tests.bench import Bench
from tests.nodes.ndis.oid_drivers import Answerer


def storm(bottom: Any = StockMiniport, **options: Any) -> Bench:
    return Bench({"storm": (OidStorm, options), "nic": bottom}, ["storm -> nic"]).start()


def test_every_request_is_answered_once_and_then_the_source_is_done() -> None:
    bench = storm(requests=500, window=40)
    bench.settle()
    assert bench.kinds() == [("storm", "done")]
    assert bench.counter("storm", Counter.OIDS) == 500
    assert bench.counter("storm", Counter.OIDS_FAILED) == 0
    bench.stop()
    assert bench.held() == {}


def test_the_window_bounds_what_is_outstanding() -> None:
    bench = storm(Answerer, window=10, direct=0)
    bench.settle()
    binding = bench.driver("storm", OidStorm).bindings[0]
    nic = bench.driver("nic", Answerer)
    for _ in range(30):
        assert binding.oids_below.outstanding == 10
        nic.answer(b"1234")
        bench.settle()
    assert len(nic.got) == 31


def test_options_say_how_many_are_sets_and_how_many_direct() -> None:
    bench = storm(Answerer, requests=100, window=100, sets=0.5, direct=0.5)
    nic = bench.driver("nic", Answerer)
    nic.how = nic.how_direct = lambda request: request.write(b"1234" * (request.type is RequestType.QUERY))
    bench.settle()
    sets = sum(request.type is RequestType.SET for request in nic.got)
    direct = sum(bool(request.delivery) for request in nic.got)
    assert 30 < sets < 70
    assert 0 < direct < 70


class Liar(StockMiniport):
    """Says that fewer packets were sent each time, and fails every other set."""

    told = 1000

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        if request.oid == Oid.GEN_XMIT_OK:
            self.told -= 1
            return request.write(self.told.to_bytes(8, "little"))
        if request.type is RequestType.SET:
            return Status.FAILURE
        return super().oid_request(adapter, request)


def test_wrong_answers_are_counted() -> None:
    bench = storm(Liar, requests=200)
    bench.settle()
    assert bench.counter("storm", Counter.OIDS_FAILED) > 20
    assert bench.kinds() == [("storm", "done")]


def test_a_pause_waits_for_the_answers_that_are_out() -> None:
    bench = storm(Answerer, window=5, direct=0)
    bench.settle()
    answers = bench.command("storm", "pause")
    nic = bench.driver("nic", Answerer)
    for _ in range(5):
        assert answers == []
        bench.settle()
        nic.answer(b"1234")
    bench.settle()
    assert answers == [{"ok": True, "value": None}]
    assert len(nic.got) == 5
