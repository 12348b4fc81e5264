"""Filters (contract 1.10)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.crossings.crossing import SendFlags
from nodes.metrics import Counter, NodeState
from nodes.ndis import Filter, FilterModule
from nodes.ndis.filter_rules import HandlerMissing
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Gate, Teller
from tests.nodes.ndis.packet_layers import Doer, stack

BROADCAST = b"\xff" * 6 + b"\x02" * 6 + bytes(48)


class Prober(Filter):
    """Sends packets of its own beside those that pass, and keeps what comes back of them."""

    originates = True
    default_pool_size = 32

    def attach(self, module: FilterModule) -> None:
        self.back: list[tuple[int, int]] = []
        self.chains: list[int] = []
        self.mistake = False

    def probe(self, count: int) -> list[int]:
        chain = self.module.allocate_net_buffer_lists(count, 60)
        handles: list[int] = chain.handles.tolist()
        self.module.send_net_buffer_lists(chain)
        return handles

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        self.chains.append(len(chain))
        own = chain.source_handle == np.uint64(self.module.handle)
        if self.mistake:
            own[:] = False
        if own.any():
            mine = chain[own]
            self.back += zip(mine.handles.tolist(), mine.status.tolist(), strict=True)
            self.free(mine)
        if not own.all():
            self.module.send_net_buffer_lists_complete(chain[~own], flags)


class Injector(Filter):
    """Indicates packets of its own, and keeps what is returned of them."""

    originates = True
    default_pool_size = 32
    back = 0
    mistake = False

    def inject(self, count: int) -> None:
        self.module.indicate_receive_net_buffer_lists(self.module.allocate_net_buffer_lists(count, 60))

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        own = chain.source_handle == np.uint64(self.module.handle)
        if self.mistake:
            own[:] = False
        if own.any():
            self.back += int(own.sum())
            self.free(chain[own])
        if not own.all():
            self.module.return_net_buffer_lists(chain[~own], flags)


class Careless(Filter):
    """Originates packets and has no handler that takes them back."""

    originates = True


class OneSided(Prober):
    """Indicates packets of its own, with a handler for sends only."""

    def inject(self) -> None:
        self.module.indicate_receive_net_buffer_lists(self.module.allocate_net_buffer_lists(1, 60))


class Dropper(Filter):
    """Does one of the four things a filter may do with a send, in turn: pass, drop, queue, copy and complete."""

    originates = True
    default_pool_size = 64

    def attach(self, module: FilterModule) -> None:
        self.number = 0
        self.queue: list[NblChain] = []

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        for index in range(len(chain)):
            self.treat(chain[index : index + 1], flags)
            self.number += 1

    def treat(self, one: NblChain, flags: int) -> None:
        way = self.number % 4
        if way == 0:
            self.module.send_net_buffer_lists(one, flags)
        elif way == 1:
            self.end(one)
        elif way == 2:
            self.queue.append(one)
        else:
            copy = self.module.allocate_net_buffer_lists(1, one.length)
            copy.write(one.header(int(one.length[0])))
            self.module.send_net_buffer_lists(copy, flags)
            self.end(one)

    def end(self, chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        self.module.send_net_buffer_lists_complete(chain)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        super().cancel_send_net_buffer_lists(cancel_id)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        own = chain.source_handle == np.uint64(self.module.handle)
        self.free(chain[own])
        if not own.all():
            self.module.send_net_buffer_lists_complete(chain[~own], flags)

    def release(self) -> None:
        for chain in self.queue:
            self.end(chain)
        self.queue = []


class Ends(Filter):
    """Notes how it is attached and detached."""

    def attach(self, module: FilterModule) -> None:
        self.log = ["attach"]

    def detach(self) -> None:
        self.log.append("detach")


@pytest.mark.rule("N6-FLT-01")
def test_a_filter_that_originates_needs_a_handler_that_takes_its_packets_back() -> None:
    bench = Bench({"top": Teller, "m": Careless, "floor": Floor}, ["top -> m -> floor"])
    answers = bench.command("m", "initialize")
    assert answers[0]["ok"] is False
    assert HandlerMissing.__name__ in answers[0]["error"]
    assert "neither send_net_buffer_lists_complete nor return_net_buffer_lists" in answers[0]["error"]
    assert bench.nodes["m"].lifecycle.state is NodeState.FAILED


@pytest.mark.rule("N6-FLT-01")
def test_a_filter_without_a_return_handler_may_not_indicate_packets_of_its_own() -> None:
    bench, top, _ = stack(OneSided)
    bench.driver("m0", OneSided).inject()
    bench.settle()
    assert bench.kinds() == [("m0", "N6-FLT-01")]
    assert top.received == []
    bench.stop()
    assert bench.in_use() == {}


@pytest.mark.rule("N6-FLT-01")
def test_a_handler_for_completed_requests_needs_one_for_requests() -> None:
    class Half(Filter):
        def oid_request_complete(self, *arguments: Any) -> None:
            pass

    globals()["Half"] = Half
    Half.__qualname__ = "Half"
    bench = Bench({"top": Teller, "m": Half, "floor": Floor}, ["top -> m -> floor"])
    assert "N6-FLT-01" in bench.command("m", "initialize")[0]["error"]


@pytest.mark.rule("N6-FLT-02")
def test_every_send_has_exactly_one_outcome_whichever_a_filter_chooses() -> None:
    bench, top, floor = stack(Dropper)
    top.send(12)
    bench.settle()
    assert len(top.back) == 9
    bench.driver("m0", Dropper).release()
    bench.stop()
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    assert len(floor.handles) == 6
    assert (bench.kinds(), bench.in_use(), bench.held()) == ([], {}, {})


@pytest.mark.rule("N6-FLT-02")
def test_a_send_that_a_filter_passes_on_and_completes_too_is_reported() -> None:
    bench, top, _ = stack(Doer)
    doer = bench.driver("m0", Doer)

    def complete(chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        doer.module.send_net_buffer_lists_complete(chain)

    doer.down = complete
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-FLT-02")]
    assert len(top.back) == 1


@pytest.mark.rule("N6-FLT-03", "N6-SEND-02")
def test_a_filter_keeps_its_own_sends_and_completes_those_of_others_from_mixed_chains() -> None:
    bench, top, floor = stack(Prober, PassThrough, hold=True)
    prober = bench.driver("m0", Prober)
    top.send(3)
    bench.settle()
    own = prober.probe(2)
    bench.settle()
    top.send(3)
    bench.settle()
    everything = NblChain.join(list(floor.waiting))
    floor.waiting.clear()
    everything.status = Status.SUCCESS
    floor.adapter.send_net_buffer_lists_complete(everything[np.array([3, 0, 4, 1, 2, 7, 6, 5])])
    bench.settle()
    assert prober.chains == [8]
    assert prober.back == [(handle, 0) for handle in own]
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    for name, count in ("top", 6), ("m0", 2):
        assert (bench.counter(name, Counter.SENT), bench.counter(name, Counter.COMPLETED)) == (count, count)
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-FLT-03")
def test_completing_its_own_send_upwards_is_reported() -> None:
    bench, top, _ = stack(Prober)
    prober = bench.driver("m0", Prober)
    prober.mistake = True
    prober.probe(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-FLT-03")]
    assert top.back == []


@pytest.mark.rule("N6-FLT-03")
def test_what_a_filter_sends_beyond_the_room_below_comes_back_to_itself() -> None:
    bench = Bench(
        {"top": Teller, "m": (Prober, {"pool": 600}), "floor": (Floor, {"hold": True})},
        ["top -> m -> floor"],
        depth=256,
    ).start()
    prober = bench.driver("m", Prober)
    prober.probe(300)
    bench.settle()
    assert [status for _, status in prober.back] == [Status.RESOURCES] * 44
    bench.driver("floor", Floor).complete()
    bench.stop()
    assert (len(prober.back), bench.kinds(), bench.in_use()) == (300, [], {})


@pytest.mark.rule("N6-FLT-04")
def test_a_filter_keeps_its_own_receives_and_returns_those_of_others() -> None:
    bench, top, floor = stack(Injector)
    injector = bench.driver("m0", Injector)
    top.keep = True
    floor.indicate(bytes(60), bytes(60))
    bench.settle()
    injector.inject(3)
    bench.settle()
    assert len(top.received) == 5
    top.return_kept()
    bench.settle()
    assert injector.back == 3
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-FLT-04")
def test_returning_its_own_receive_downwards_is_reported() -> None:
    bench, _, _ = stack(Injector)
    bench.driver("m0", Injector).mistake = True
    bench.driver("m0", Injector).inject(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-FLT-04")]


@pytest.mark.rule("N6-FLT-05")
def test_a_shortened_send_is_made_whole_again_before_it_is_completed() -> None:
    for undone in (True, False):
        bench, top, floor = stack(Doer)
        doer = bench.driver("m0", Doer)
        doer.down = lambda chain: setattr(chain, "length", 40)
        if undone:
            doer.up = lambda chain: setattr(chain, "length", 64)
        top.send(2)
        bench.settle()
        assert [len(frame) for frame in floor.frames] == [40, 40]
        assert bench.kinds() == ([] if undone else [("m0", "N6-FLT-05")] * 2)


@pytest.mark.rule("N6-FLT-06")
def test_a_filter_that_drops_the_loopback_flag_is_reported_and_the_loopback_lost() -> None:
    bench, top, _ = stack(Doer)
    bench.driver("m0", Doer).mask = ~SendFlags.CHECK_FOR_LOOPBACK
    chain = top.bindings[0].allocate_net_buffer_lists(1, 60)
    chain.write(np.frombuffer(BROADCAST, np.uint8))
    top.bindings[0].send_net_buffer_lists(chain, SendFlags.CHECK_FOR_LOOPBACK)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-FLT-06")]
    assert top.received == []


@pytest.mark.rule("N6-FLT-07")
@pytest.mark.parametrize("depth", [1, 4])
def test_a_filter_without_handlers_is_bypassed(depth: int) -> None:
    bench, top, floor = stack(*[PassThrough] * depth)
    top.send(5)
    floor.indicate(bytes(60))
    bench.settle()
    assert (len(top.back), len(top.received)) == (5, 1)
    for number in range(depth):
        assert not bench.nodes[f"m{number}"].custody.since.any()
    assert bench.kinds() == []


@pytest.mark.rule("N6-FLT-08")
def test_a_filter_that_keeps_sends_or_receives_too_long_is_reported() -> None:
    layers: dict[str, Any] = {
        "top": Teller,
        "gate": (Gate, {"gather": 100, "patience": 1_000_000_000_000}),
        "floor": Floor,
    }
    bench = Bench(layers, [" -> ".join(layers)]).start()
    sent = bench.driver("top", Teller).send(2)
    bench.run_for(29_000_000_000)
    assert bench.kinds() == []
    bench.run_for(10_000_000_000)
    assert bench.kinds() == [("gate", "N6-FLT-08")] * 2
    assert [event["handle"] for _, event in bench.events] == sent


@pytest.mark.rule("N6-FLT-08")
def test_what_lies_below_a_filter_is_not_its_own_delay() -> None:
    bench, top, _ = stack(Doer, hold=True)
    top.send(1)
    bench.run_for(40_000_000_000)
    assert {node for node, _ in bench.kinds()} == {"floor"}


@pytest.mark.rule("N6-FLT-09")
def test_a_filter_is_taken_away_by_the_runtime_when_the_layer_halts() -> None:
    bench, _, _ = stack(Ends)
    ends = bench.driver("m0", Ends)
    assert ends.log == ["attach"]
    bench.stop()
    assert ends.log[1:] == ["detach"]
    assert not [name for name in dir(FilterModule) + dir(Filter) if "deregister" in name]
