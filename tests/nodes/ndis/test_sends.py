"""Connectionless sends (contract 1.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.crossings.crossing import ReceiveFlags, SendCompleteFlags, SendFlags
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Miniport
from nodes.packets.chain import NblChain
from nodes.packets.nbl_flags import NblFlags
from nodes.status import Status
from nodes.stock.loopback import Loopback
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Gate, Teller
from tests.nodes.ndis.packet_layers import Doer, cancel_ids, filled, stack

BROADCAST = b"\xff" * 6 + b"\x02" * 6 + bytes(48)
TO_ITSELF = b"\x02" * 6 + b"\x02" * 6 + bytes(48)
TO_ANOTHER = b"\x04" * 6 + b"\x02" * 6 + bytes(48)


class Wrong(Floor):
    """A bottom that does something to what it completes."""

    def complete(self, count: int = 1 << 30, status: Status = Status.SUCCESS) -> None:
        for chain in self.waiting:
            self.spoil(chain)
        super().complete(count, status)

    def spoil(self, chain: NblChain) -> None:
        raise NotImplementedError


class Unlinker(Wrong):
    """Completes packets with their first NB only."""

    def spoil(self, chain: NblChain) -> None:
        chain[0].relink(list(chain[0].net_buffers)[:1])


class Keeper(Wrong):
    """Takes packets apart, and puts them together again."""

    def spoil(self, chain: NblChain) -> None:
        buffers = list(chain[0].net_buffers)
        chain[0].relink(buffers[:1])
        chain[0].relink([buffers[0], *reversed(buffers[1:])])
        chain[0].relink(buffers)


class Judge(Floor):
    """A bottom that fails a packet of which one NB is longer than 100 bytes."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for index, nbl in enumerate(chain):
            fits = all(buffer.data_length <= 100 for buffer in nbl.net_buffers)
            nbl.status = Status.SUCCESS if fits else Status.INVALID_LENGTH
            adapter.send_net_buffer_lists_complete(chain[index : index + 1])


class Silent(Miniport):
    """A bottom that loses what it is sent."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        pass


class FlagFloor(Floor):
    """A bottom that notes the flags of sends."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.flags: list[int] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.flags.append(flags)
        super().send_net_buffer_lists(adapter, chain, flags)


class FlagTeller(Teller):
    """A top that notes the flags of completions."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.flags: list[int] = []

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.flags.append(flags)
        super().send_net_buffer_lists_complete(binding, chain, flags)


class Nested(Teller):
    """Notes how deep its handlers and calls are inside one another."""

    deepest = 0
    depth = 0

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        super().send_net_buffer_lists_complete(binding, chain, flags)
        if len(self.sent) < 50:
            self.send(1)
        self.depth -= 1


def pass_time(bench: Bench, seconds: int) -> None:
    """Let time pass second by second, as it does where nodes poll now and then."""
    for _ in range(seconds):
        bench.run_for(1_000_000_000)


@pytest.mark.rule("N6-SEND-02", "N6-SEND-03", "N6-SEND-04")
def test_what_has_been_sent_is_off_limits_until_it_is_back() -> None:
    bench, top, floor = stack(hold=True)
    chain = top.bindings[0].allocate_net_buffer_lists(2, 60)
    top.bindings[0].send_net_buffer_lists(chain)
    for touch in (lambda: chain.status, lambda: chain[0].data, lambda: top.free(chain)):
        touch()
    top.bindings[0].send_net_buffer_lists(chain)
    assert {node for node, _ in bench.kinds()} == {"top"}
    assert {rule for _, rule in bench.kinds()} == {"N6-SEND-03"}
    bench.settle()
    floor.complete()
    bench.settle()
    assert len(top.back) == 2


@pytest.mark.rule("N6-SEND-02")
def test_a_foreign_source_handle_is_reported_by_the_sender_itself() -> None:
    bench, top, _ = stack()
    chain = top.bindings[0].allocate_net_buffer_lists(1, 60)
    chain.source_handle = 5
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert bench.kinds() == [("top", "N6-SEND-02")]


@pytest.mark.rule("N6-SEND-06", "N6-SEND-07")
def test_completions_come_in_any_order_and_grouping_and_sends_in_theirs() -> None:
    bench, top, floor = stack(PassThrough, Mux, hold=True)
    for count in (3, 1, 4):
        top.send(count)
    bench.settle()
    assert floor.calls == [top.sent[:3], top.sent[3:4], top.sent[4:]]
    everything = NblChain.join(list(floor.waiting))
    everything.status = Status.SUCCESS
    for picked in (np.array([7, 0]), np.array([3]), np.array([5, 4, 1, 2, 6])):
        floor.adapter.send_net_buffer_lists_complete(everything[picked])
    bench.settle()
    assert [handle for handle, _ in top.back] == everything.handles[[7, 0, 3, 5, 4, 1, 2, 6]].tolist()
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-08")
def test_the_wire_carries_the_buffers_of_a_packet_and_packets_in_order() -> None:
    layers = {"top": Teller, "a": StockMiniport, "b": StockMiniport, "sink": Teller}
    bench = Bench(layers, ["top -> a", "sink -> b"], wires=[("a", "b")]).start()
    top, sink = bench.driver("top", Teller), bench.driver("sink", Teller)
    sink.keep = True
    frames = []
    for _ in range(3):
        chain, datas = filled(top.bindings[0], [70], [80, 30], [90])
        frames += datas
        top.bindings[0].send_net_buffer_lists(chain)
    bench.run_for(10_000_000)
    assert [bytes(nbl.data) for _, chain in sink.kept for nbl in chain] == frames


@pytest.mark.rule("N6-SEND-09", "N6-SEND-10")
def test_a_miniport_that_loses_packets_is_found_out() -> None:
    layers = {"top": Teller, "floor": Silent}
    bench = Bench(layers, ["top -> floor"]).start()
    bench.driver("top", Teller).send(3)
    bench.settle()
    answers = bench.command("top", "pause")
    bench.run_for(31_000_000_000)
    assert answers == []
    assert bench.held() == {"floor": 3}
    assert bench.kinds().count(("floor", "N6-SEND-19")) == 4


@pytest.mark.rule("N6-SEND-09")
def test_what_a_send_handler_returns_is_nothing_to_anyone() -> None:
    class Answering(Floor):
        def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
            super().send_net_buffer_lists(adapter, chain, flags)
            return Status.RESOURCES  # type: ignore[return-value]

    globals()["Answering"] = Answering
    Answering.__qualname__ = "Answering"
    bench = Bench({"top": Teller, "floor": Answering}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    top.send(2)
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS"] * 2
    assert bench.kinds() == [("floor", "N6-SEND-09")]


@pytest.mark.rule("N6-SEND-10", "N6-SEND-14")
def test_a_packet_is_completed_once_and_not_touched_afterwards() -> None:
    bench, top, floor = stack(hold=True)
    top.send(1)
    bench.settle()
    chain = floor.waiting[0]
    floor.complete()
    bench.settle()
    chain.status = Status.FAILURE
    floor.adapter.send_net_buffer_lists_complete(chain)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-SEND-14"), ("floor", "N6-SEND-10")]
    assert [status for _, status in top.back] == ["SUCCESS"]
    assert bench.counter("floor", Counter.DUPLICATED) == 1


@pytest.mark.rule("N6-SEND-11")
@pytest.mark.parametrize("status", list(Status))
def test_completions_carry_a_status_of_the_closed_set(status: Status) -> None:
    bench, top, floor = stack(hold=True)
    top.send(1)
    bench.settle()
    floor.complete(status=status)
    bench.settle()
    allowed = {
        "SUCCESS",
        "INVALID_LENGTH",
        "RESOURCES",
        "PAUSED",
        "SEND_ABORTED",
        "RESET_IN_PROGRESS",
        "FAILURE",
    }
    assert (bench.kinds() == []) is (status.name in allowed)


@pytest.mark.rule("N6-SEND-11")
def test_a_status_left_unset_is_reported() -> None:
    bench, top, floor = stack(hold=True)
    top.send(1)
    bench.settle()
    floor.adapter.send_net_buffer_lists_complete(floor.waiting.popleft())
    assert bench.kinds() == [("floor", "N6-SEND-11")]


@pytest.mark.rule("N6-SEND-12")
def test_one_status_covers_all_buffers_of_a_packet() -> None:
    bench = Bench({"top": Teller, "floor": Judge}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    for sizes in ([100], [101], [50]), ([100], [100]):
        chain, _ = filled(top.bindings[0], *sizes)
        top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert [status for _, status in top.back] == ["INVALID_LENGTH", "SUCCESS"]


@pytest.mark.rule("N6-SEND-13")
@pytest.mark.parametrize(("floor", "broken"), [(Keeper, False), (Unlinker, True)])
def test_buffers_taken_apart_are_put_together_again_before_completion(floor: Any, broken: bool) -> None:
    bench = Bench({"top": Teller, "floor": floor}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    chain, _ = filled(top.bindings[0], [10], [20], [30])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert bench.kinds() == ([("floor", "N6-SEND-13")] if broken else [])
    bench.stop()
    assert bench.in_use() == {}


@pytest.mark.rule("N6-SEND-13")
def test_the_sender_sees_that_its_buffers_came_back_other_than_sent() -> None:
    bench, top, floor = stack(hold=True)
    chain, _ = filled(top.bindings[0], [10], [20])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    bench.nodes["floor"].arena.nb_next[chain.slots[0]] = 0
    floor.complete()
    bench.settle()
    assert bench.kinds() == [("top", "N6-SEND-13")]


@pytest.mark.rule("N6-SEND-15")
def test_success_can_come_before_anything_is_on_the_wire() -> None:
    layers: dict[str, Any] = {
        "top": Teller,
        "a": (StockMiniport, {"complete": "early", "link": 1_000_000}),
        "b": StockMiniport,
        "sink": Teller,
    }
    bench = Bench(layers, ["top -> a", "sink -> b"], wires=[("a", "b")]).start()
    top = bench.driver("top", Teller)
    top.send(10)
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS"] * 10
    assert bench.driver("sink", Teller).received == []


def loop(frame: bytes, flags: int, *middle: Any) -> tuple[Bench, list[Teller]]:
    """Return a stack of two senders, of which the first has sent one frame with these flags."""
    layers: dict[str, Any] = {"one": Teller, "two": Teller}
    layers |= {f"m{number}": layer for number, layer in enumerate(middle)} | {"floor": Floor}
    path = [*(f"m{number}" for number in range(len(middle))), "floor"]
    bench = Bench(layers, [f"one -> {' -> '.join(path)}", f"two -> {path[0]}"]).start()
    tops = [bench.driver(name, Teller) for name in ("one", "two")]
    chain = tops[0].bindings[0].allocate_net_buffer_lists(1, len(frame))
    chain.write(np.frombuffer(frame, np.uint8))
    tops[0].bindings[0].send_net_buffer_lists(chain, flags)
    bench.settle()
    return bench, tops


@pytest.mark.rule("N6-SEND-16", "N6-FLT-06")
@pytest.mark.parametrize("middle", [(), (PassThrough,), (Mux,), (Doer, PassThrough), (Mux, Doer)])
@pytest.mark.parametrize("frame", [BROADCAST, TO_ITSELF, TO_ANOTHER], ids=["group", "itself", "another"])
def test_ndis_loops_matching_sends_back_to_the_sender_alone_and_only_on_request(
    middle: tuple[Any, ...], frame: bytes
) -> None:
    for flags in (SendFlags.NONE, SendFlags.CHECK_FOR_LOOPBACK):
        bench, (one, two) = loop(frame, flags, *middle)
        assert len(one.received) == int(flags != 0 and frame is not TO_ANOTHER)
        assert two.received == []
        bench.stop()
        assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-SEND-16")
def test_a_looped_packet_is_a_marked_copy() -> None:
    bench = Bench({"top": Teller, "floor": (Floor, {"hold": True})}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    top.keep = True
    arena = bench.nodes["top"].arena
    chain = top.bindings[0].allocate_net_buffer_list([60], [2048, 100])
    for buffer in chain[0].net_buffers:
        next(buffer.pieces)[:12] = BROADCAST[:12]
    top.bindings[0].send_net_buffer_lists(chain, SendFlags.CHECK_FOR_LOOPBACK)
    bench.settle()
    copies = [(int(arena.flags[kept.slot]), len(kept.data)) for _, chain in top.kept for kept in chain]
    assert copies == [(NblFlags.IS_LOOPBACK_PACKET, 60), (NblFlags.IS_LOOPBACK_PACKET, 2148)]
    assert top.back == []
    top.return_kept()
    bench.driver("floor", Floor).complete()
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-SEND-16")
def test_a_miniport_that_declared_no_loopback_loops_nothing_back() -> None:
    bench, _, floor = stack()
    chain = floor.adapter.allocate_net_buffer_lists(1, 60)
    floor.adapter.indicate_receive_net_buffer_lists(chain, ReceiveFlags.LOOPBACK)
    assert bench.kinds() == [("floor", "N6-SEND-16")]
    assert Loopback.no_loopback is False


@pytest.mark.rule("N6-SEND-17")
def test_the_miniport_pads_short_frames_with_zeros() -> None:
    layers: dict[str, Any] = {"top": Teller, "a": StockMiniport, "b": StockMiniport, "sink": Teller}
    bench = Bench(layers, ["top -> a", "sink -> b"], wires=[("a", "b")]).start()
    bench.driver("sink", Teller).keep = True
    bench.driver("top", Teller).send(1, length=20, text=b"short")
    bench.run_for(10_000_000)
    ((_, chain),) = bench.driver("sink", Teller).kept
    assert bytes(chain[0].data) == b"short".ljust(60, b"\0")


@pytest.mark.rule("N6-SEND-18", "N6-SEND-05", "N6-SEND-21")
def test_one_dispatcher_calls_handlers_one_after_the_other() -> None:
    bench = Bench({"top": Nested, "floor": Floor}, ["top -> floor"]).start()
    top = bench.driver("top", Nested)
    top.send(1)
    bench.settle()
    assert (len(top.back), top.deepest) == (50, 1)
    bench.stop()
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-19")
def test_a_send_that_takes_too_long_is_reported_once_and_so_is_a_bottom_that_hangs() -> None:
    bench, top, floor = stack(hold=True)
    top.send(1)
    pass_time(bench, 20)
    assert bench.kinds() == []
    top.send(1)
    floor.complete(1)
    pass_time(bench, 20)
    assert bench.kinds() == []
    pass_time(bench, 9)
    assert bench.kinds() == [("floor", "N6-SEND-19")]
    assert "none was completed" in bench.events[0][1]["message"]
    pass_time(bench, 40)
    messages = [event["message"] for _, event in bench.events]
    assert sum("has been here" in message for message in messages) == 1
    floor.complete()
    bench.settle()
    before = len(bench.events)
    bench.run_for(100_000_000_000)
    assert len(bench.events) == before


@pytest.mark.rule("N6-SEND-19")
def test_packets_on_a_wire_that_does_not_take_them_are_the_miniports() -> None:
    layers: dict[str, Any] = {
        "top": Teller,
        "a": StockMiniport,
        "b": (StockMiniport, {"buffers": 1}),
        "sink": Teller,
    }
    bench = Bench(layers, ["top -> a", "sink -> b"], wires=[("a", "b")]).start()
    bench.driver("sink", Teller).keep = True
    bench.driver("top", Teller).send(3)
    bench.run_for(31_000_000_000)
    late = [
        event["handle"] for node, event in bench.events if node == "a" and "been here" in event["message"]
    ]
    assert sorted(late) == sorted(bench.driver("top", Teller).sent[1:])


@pytest.mark.rule("N6-SEND-21")
def test_a_packet_sent_again_with_its_old_cancel_id_is_reported() -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    kept: list[NblChain] = []
    setattr(top, "free", kept.append)  # noqa: B010
    chain = binding.allocate_net_buffer_lists(1, 60)
    chain.cancel_id = cancel_ids(binding, 3)
    binding.send_net_buffer_lists(chain)
    bench.settle()
    kept[0].cancel_id = 0
    binding.send_net_buffer_lists(kept[0])
    bench.settle()
    kept[1].cancel_id = cancel_ids(binding, 3)
    binding.send_net_buffer_lists(kept[1])
    bench.settle()
    assert bench.kinds() == []
    binding.send_net_buffer_lists(kept[2])
    assert bench.settle()
    assert bench.kinds() == [("top", "N6-SEND-21")]


@pytest.mark.rule("N6-SEND-22")
def test_a_layer_that_holds_sends_is_not_halted() -> None:
    layers: dict[str, Any] = {"top": Teller, "gate": (Gate, {"gather": 100}), "floor": Floor}
    bench = Bench(layers, ["top -> gate -> floor"]).start()
    gate = bench.driver("gate", Gate)
    bench.driver("top", Teller).send(3)
    bench.settle()
    setattr(gate, "pause", lambda: Status.SUCCESS)  # noqa: B010
    bench.pause("gate")
    assert "3 sends not completed" in bench.command("gate", "halt")[0]["error"]


@pytest.mark.rule("N6-SEND-22")
def test_a_driver_that_halts_with_received_packets_is_reported() -> None:
    bench, top, floor = stack()
    top.keep = True
    floor.indicate(bytes(60), bytes(60))
    bench.settle()
    bench.pause("top")
    bench.command("top", "halt")
    assert ("top", "N6-SEND-22") in bench.kinds()


@pytest.mark.rule("N6-SEND-23", "N6-SEND-06")
def test_flags_of_sends_and_completions_travel_with_their_calls() -> None:
    layers: dict[str, Any] = {
        "top": FlagTeller,
        "m0": Doer,
        "mux": Mux,
        "floor": (FlagFloor, {"hold": True}),
    }
    bench = Bench(layers, [" -> ".join(layers)]).start()
    top, floor = bench.driver("top", FlagTeller), bench.driver("floor", FlagFloor)
    for flags in (SendFlags.SINGLE_QUEUE, SendFlags.NONE):
        chain = top.bindings[0].allocate_net_buffer_lists(1, 60)
        top.bindings[0].send_net_buffer_lists(chain, flags)
    bench.settle()
    assert floor.flags == [SendFlags.SINGLE_QUEUE, 0] == bench.driver("m0", Doer).flags
    for chain, mark in zip(floor.waiting, (SendCompleteFlags.SINGLE_QUEUE, 0), strict=True):
        chain.status = Status.SUCCESS
        floor.adapter.send_net_buffer_lists_complete(chain, mark)
    floor.waiting.clear()
    bench.settle()
    assert top.flags == [SendCompleteFlags.SINGLE_QUEUE, 0]
    assert bench.kinds() == []
