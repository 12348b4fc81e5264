"""A neighbour dies: what it had comes back, and nobody waits for it or trips over what it left."""

from __future__ import annotations

import pytest

from nodes.crossings.dead_peer import STRAY_LIMIT, STRAY_LOOK
from nodes.metrics import Counter
from nodes.ndis import Binding, Filter, NetEvent
from nodes.ndis.oid import Oid, OidRequest
from nodes.status import Status, status_name
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from tests.bench import Bench
from tests.layers import Floor, Gate, Teller
from tests.nodes.ndis5.layers5 import Caller, Serial

HOLD = (Floor, {"hold": True})


class Asker(Teller):
    """Keeps the ends of the OID requests that it makes."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.ends: list[str] = []

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.ends.append(status_name(status))


def three(middle: type[Filter] | tuple[type[Gate], dict[str, int]] = Filter) -> tuple[Bench, Teller, Floor]:
    bench = Bench({"top": Teller, "mid": middle, "nic": HOLD}, ["top -> mid -> nic"]).start()
    return bench, bench.driver("top", Teller), bench.driver("nic", Floor)


def failed(handles: list[int]) -> list[tuple[int, str]]:
    return [(handle, "FAILURE") for handle in handles]


def test_sends_that_a_dead_miniport_had_fail_at_once_and_so_do_later_ones() -> None:
    bench = Bench({"top": Teller, "nic": HOLD}, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    first = top.send(5)
    bench.settle()
    bench.kill("nic")
    bench.settle()
    assert top.back == failed(first)
    second = top.send(3)
    bench.settle()
    assert top.back[5:] == failed(second)
    assert bench.statuses("top") == {"FAILURE": 8}
    bench.stop()
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_what_it_had_completed_before_is_not_lost() -> None:
    bench = Bench({"top": Teller, "nic": HOLD}, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    handles = top.send(4)
    bench.settle()
    bench.driver("nic", Floor).complete(2)
    bench.nodes["nic"].poll()
    bench.kill("nic")
    bench.settle()
    assert top.back == [(handle, "SUCCESS") for handle in handles[:2]] + failed(handles[2:])
    assert bench.kinds() == []


def test_a_packet_in_the_dead_ones_own_queue_comes_back_now() -> None:
    bench, top, _ = three((Gate, {"gather": 100}))
    handles = top.send(4)
    bench.settle()
    bench.kill("mid")
    bench.settle()
    assert top.back == failed(handles)


def test_a_packet_that_a_third_node_has_comes_back_when_that_has_let_go() -> None:
    bench, top, nic = three()
    handles = top.send(4)
    bench.settle()
    bench.kill("mid")
    bench.run_for(5 * STRAY_LOOK)
    assert top.back == []
    nic.complete(3)
    bench.run_for(5 * STRAY_LOOK)
    assert top.back == failed(handles[:3])
    nic.complete()
    bench.run_for(5 * STRAY_LOOK)
    assert top.back == failed(handles)
    bench.stop()
    assert (bench.in_use(), bench.held(), bench.kinds()) == ({}, {}, [])


def test_a_completion_that_the_dead_one_never_read_lets_go_too() -> None:
    bench, top, nic = three()
    handles = top.send(4)
    bench.settle()
    nic.complete()
    bench.nodes["nic"].poll()
    bench.kill("mid")
    bench.settle()
    assert top.back == failed(handles)


def test_a_packet_that_a_third_node_keeps_comes_back_in_the_end_but_is_not_used_again() -> None:
    bench, top, nic = three()
    handles = top.send(4)
    bench.settle()
    bench.kill("mid")
    bench.run_for(STRAY_LIMIT + 5 * STRAY_LOOK)
    assert top.back == failed(handles)
    pool = bench.nodes["top"].pool
    assert pool.quarantined == 4
    assert not set(handles) & set(top.send(100))
    bench.settle()
    nic.complete()
    bench.settle()
    bench.stop()
    assert (bench.in_use(), bench.kinds()) == ({"top": 4}, [])


class Resender(Teller):
    """Sends what comes back again, once, through its other binding."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain, flags: int) -> None:  # type: ignore[no-untyped-def]
        if binding is self.bindings[0]:
            chain.source_handle = self.bindings[1].handle
            self.bindings[1].send_net_buffer_lists(chain)
        else:
            super().send_net_buffer_lists_complete(binding, chain, flags)


def test_a_quarantined_packet_does_not_leave_its_node_again() -> None:
    layers = {"top": Resender, "mid": Filter, "nic": HOLD, "other": Floor}
    bench = Bench(layers, ["top -> mid -> nic", "top -> other"]).start()
    top = bench.driver("top", Resender)
    handles = top.send(4)
    bench.settle()
    bench.kill("mid")
    bench.run_for(STRAY_LIMIT + 5 * STRAY_LOOK)
    assert top.back == failed(handles)
    assert bench.driver("other", Floor).handles == []
    assert bench.kinds() == []


def test_receives_that_a_dead_protocol_had_are_returned() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"pool": 8})}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    top.keep = True
    nic.indicate(b"a" * 60, b"b" * 60)
    bench.settle()
    assert bench.in_use() == {"nic": 2}
    bench.kill("top")
    bench.settle()
    assert bench.in_use() == {}
    nic.indicate(b"c" * 60)
    bench.settle()
    bench.stop()
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_what_a_dead_protocol_had_sent_is_completed_into_the_void() -> None:
    bench = Bench({"top": Teller, "nic": HOLD}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(4)
    bench.nodes["top"].poll()
    bench.kill("top")
    bench.settle()
    bench.driver("nic", Floor).complete()
    bench.stop()
    assert (bench.held(), bench.kinds()) == ({}, [])


def test_oid_requests_to_a_dead_miniport_are_aborted() -> None:
    bench = Bench({"top": Asker, "nic": Floor}, ["top -> nic"]).start()
    top = bench.driver("top", Asker)
    assert top.bindings[0].oid_request(OidRequest(Oid.GEN_LINK_SPEED)) is Status.PENDING
    bench.nodes["top"].poll()
    bench.kill("nic")
    bench.settle()
    assert top.bindings[0].oid_request(OidRequest(Oid.GEN_LINK_SPEED)) is Status.PENDING
    bench.settle()
    assert top.ends == ["REQUEST_ABORTED"] * 2
    assert bench.counter("top", Counter.MALFORMED) == 0
    bench.stop()
    assert bench.kinds() == []


def test_frames_on_a_wire_whose_far_end_died_come_back_as_sent() -> None:
    layers = {"top": Teller, "sink": Teller, "nic": StockMiniport, "far": StockMiniport}
    bench = Bench(layers, ["top -> nic", "sink -> far"], wires=[("nic", "far")]).start()
    top = bench.driver("top", Teller)
    bench.kill("far")
    handles = top.send(4)
    bench.run_out()
    assert top.back == [(handle, "SUCCESS") for handle in handles]
    bench.stop()
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_source_handles_that_a_dead_mux_had_replaced_are_the_senders_again() -> None:
    bench = Bench({"top": Teller, "mid": Mux, "nic": HOLD}, ["top -> mid -> nic"]).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Floor)
    top.send(4)
    bench.settle()
    bench.kill("mid")
    nic.complete()
    bench.run_for(5 * STRAY_LOOK)
    assert set(top.sources) == {top.bindings[0].handle}


def test_a_pause_that_waits_for_the_dead_one_ends() -> None:
    bench, top, _ = three((Gate, {"gather": 100}))
    top.send(4)
    bench.settle()
    answers = bench.command("top", "pause")
    bench.settle()
    assert answers == []
    bench.kill("mid")
    bench.settle()
    assert answers == [{"ok": True, "value": None}]


class Stuck(Floor):
    """Never ends a reset."""

    def reset(self) -> Status:
        return Status.PENDING


@pytest.mark.rule("N6-RST-06")
def test_a_reset_whose_miniport_dies_is_over() -> None:
    bench = Bench({"top": Teller, "nic": Stuck}, ["top -> nic"]).start()
    top, port = bench.driver("top", Teller), bench.nodes["top"].ports[0]
    bench.driver("nic", Floor).adapter.reset_miniport()
    bench.nodes["nic"].poll()
    bench.nodes["top"].poll()
    assert (port.resetting, top.bindings[0].resetting) == (True, True)
    bench.kill("nic")
    bench.settle()
    assert (port.resetting, top.bindings[0].resetting) == (False, False)
    assert bench.kinds() == []


def test_a_call_to_an_ndis5_miniport_that_dies_meanwhile_returns_failure() -> None:
    bench = Bench({"top": Caller, "nic": Serial}, ["top -> nic"]).start()
    top = bench.driver("top", Caller)
    nic = bench.nodes["nic"]
    nic.poll = lambda: 0  # type: ignore[method-assign]
    nic.ready = lambda: False  # type: ignore[method-assign]
    top.set_timer(1000, lambda: bench.kill("nic"))
    top.send_one()
    assert top.log == [("verdict", "FAILURE")]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_a_dead_neighbour_does_not_disturb_the_settling_of_the_others() -> None:
    bench, top, _ = three()
    top.send(4)
    bench.settle()
    bench.kill("mid")
    bench.run_for(STRAY_LIMIT + STRAY_LOOK)
    answers = [bench.command(name, "settle")[0]["value"] for name in ("top", "nic")]
    assert all(answer["quiet"] and answer["sent"] == answer["received"] for answer in answers)
    assert top.net_pnp_event(top.bindings[0], NetEvent.PAUSE) is Status.SUCCESS
