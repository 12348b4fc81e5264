"""Cancelling sends (contract 1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.ndis import Adapter, Filter, Intermediate
from nodes.packets.chain import NblChain
from nodes.rng import Rng
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Gate, Teller
from tests.nodes.ndis.packet_layers import Doer, cancel_ids, stack

SLOW: Any = (StockMiniport, {"link": 1_000_000, "ring": 4})


class Queue(Floor):
    """A bottom that holds sends and completes those that are cancelled."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        super().cancel_send(adapter, cancel_id)
        chains = list(self.waiting)
        self.waiting.clear()
        for chain in chains:
            mask = self.picked(chain, cancel_id)
            self.end(chain[mask])
            if not mask.all():
                self.waiting.append(chain[~mask])

    def picked(self, chain: NblChain, cancel_id: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        mask: np.ndarray[Any, np.dtype[np.bool_]] = chain.cancel_id == np.uint64(cancel_id)
        return mask

    def end(self, chain: NblChain) -> None:
        if len(chain):
            chain.status = Status.SEND_ABORTED
            self.adapter.send_net_buffer_lists_complete(chain)


class Greedy(Queue):
    """Aborts everything, whatever the id."""

    def picked(self, chain: NblChain, cancel_id: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.ones(len(chain), np.bool_)


class Twice(Queue):
    """Completes what it cancels once more."""

    def end(self, chain: NblChain) -> None:
        super().end(chain)
        super().end(chain)


class HoldingFilter(Filter):
    """Queues sends and has no cancel handler."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        pass


class StoppingFilter(Filter):
    """Keeps cancels to itself."""

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        pass


class StoppingMux(Mux):
    """Keeps cancels to itself."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        pass


class HoldingMux(Mux):
    """Queues sends and has the default cancel handler."""

    cancel_send = Intermediate.cancel_send

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        pass


class HoldingFloor(Floor):
    """Queues sends and has no cancel handler."""

    cancel_send = StockMiniport.__mro__[1].cancel_send  # type: ignore[attr-defined]


def send_tagged(top: Teller, *numbers: int) -> list[int]:
    """Send a call of packets tagged with these numbers; return their handles."""
    binding = top.bindings[0]
    chain = binding.allocate_net_buffer_lists(len(numbers), 60)
    chain.cancel_id = cancel_ids(binding, *numbers)
    handles: list[int] = chain.handles.tolist()
    top.sent += handles
    binding.send_net_buffer_lists(chain)
    return handles


def cancel(top: Teller, number: int) -> None:
    """Cancel the sends with this number."""
    binding = top.bindings[0]
    binding.cancel_send_net_buffer_lists(int(cancel_ids(binding, number)[0]))


@pytest.mark.rule("N6-CAN-01")
def test_every_driver_has_a_partial_id_of_its_own() -> None:
    layers = {"one": Teller, "two": Teller, "mux": Mux, "floor": Floor}
    bench = Bench(layers, ["one -> mux -> floor", "two -> mux"]).start()
    bindings: list[Any] = [bench.driver(name, Teller).bindings[0] for name in ("one", "two")]
    bindings.append(bench.driver("mux", Mux).bindings[0])
    partials = [binding.generate_partial_cancel_id() for binding in bindings]
    assert len(set(partials)) == 3
    assert all(0 < partial < 256 for partial in partials)


@pytest.mark.rule("N6-CAN-01")
def test_a_home_made_high_byte_is_reported() -> None:
    bench, top, _ = stack()
    chain = top.bindings[0].allocate_net_buffer_lists(2, 60)
    chain.cancel_id = cancel_ids(top.bindings[0], 1, 2)
    chain.cancel_id = 0
    assert bench.kinds() == []
    chain.cancel_id = 7
    assert bench.kinds() == [("top", "N6-CAN-01")]


@pytest.mark.rule("N6-CAN-02")
def test_a_cancel_acts_on_one_binding() -> None:
    layers: dict[str, Any] = {
        "top": Teller,
        "left": (Queue, {"hold": True}),
        "right": (Queue, {"hold": True}),
    }
    bench = Bench(layers, ["top -> left", "top -> right"]).start()
    top = bench.driver("top", Teller)
    sent = []
    for binding in top.bindings:
        chain = binding.allocate_net_buffer_lists(1, 60)
        chain.cancel_id = cancel_ids(binding, 5)
        sent.append(int(chain.handles[0]))
        binding.send_net_buffer_lists(chain)
    for number, binding in enumerate(top.bindings):
        binding.cancel_send_net_buffer_lists(int(cancel_ids(binding, 5)[0]))
        bench.settle()
        assert [handle for handle, _ in top.back] == sent[: number + 1]
    assert bench.kinds() == []


@pytest.mark.rule("N6-CAN-03")
def test_a_cancel_of_what_nobody_holds_does_nothing() -> None:
    bench, top, floor = stack(PassThrough, Mux, hold=False)
    cancel(top, 5)
    bench.settle()
    assert floor.cancels == cancel_ids(top.bindings[0], 5).tolist()
    assert (top.back, bench.kinds()) == ([], [])


@pytest.mark.rule("N6-CAN-04", "N6-CAN-05", "N6-CAN-06")
@pytest.mark.parametrize("middle", [(), (PassThrough,), (Doer,), (Mux,), (Mux, Gate, PassThrough, Mux)])
@pytest.mark.parametrize("bottom", [(Queue, {"hold": True}), SLOW], ids=["queue", "nic"])
def test_cancelled_sends_come_back_once_as_aborted_and_others_are_left_alone(
    middle: tuple[Any, ...], bottom: Any
) -> None:
    layers: dict[str, Any] = {"top": Teller}
    layers |= {f"m{number}": layer for number, layer in enumerate(middle)} | {"floor": bottom}
    bench = Bench(layers, [" -> ".join(layers)]).start()
    top = bench.driver("top", Teller)
    sent = dict(zip(send_tagged(top, *[1, 2] * 10), [1, 2] * 10, strict=True))
    bench.settle()
    cancel(top, 2)
    bench.run_for(2_000_000)
    aborted = {handle for handle, status in top.back if status == "SEND_ABORTED"}
    assert aborted
    assert {sent[handle] for handle in aborted} == {2}
    if isinstance(bottom, tuple) and bottom[0] is Queue:
        bench.driver("floor", Queue).complete()
    bench.run_for(1_000_000_000)
    assert sorted(handle for handle, _ in top.back) == sorted(sent)
    assert {status for handle, status in top.back if sent[handle] == 1} == {"SUCCESS"}
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-CAN-04")
def test_what_the_nic_has_already_on_the_line_completes_normally() -> None:
    bench = Bench({"top": Teller, "nic": SLOW}, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    sent = send_tagged(top, *[3] * 10)
    bench.settle()
    cancel(top, 3)
    bench.run_for(1_000_000_000)
    ends = dict(top.back)
    assert [ends[handle] for handle in sent] == ["SUCCESS"] * 4 + ["SEND_ABORTED"] * 6


@pytest.mark.rule("N6-CAN-05")
def test_aborting_packets_of_another_id_is_reported() -> None:
    bench = Bench({"top": Teller, "floor": (Greedy, {"hold": True})}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    send_tagged(top, 1, 2, 1)
    bench.settle()
    cancel(top, 2)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-CAN-05")] * 2
    assert {event["handle"] for _, event in bench.events} == {top.sent[0], top.sent[2]}


@pytest.mark.rule("N6-CAN-06", "N6-IM-05")
@pytest.mark.parametrize("layer", [StoppingFilter, StoppingMux])
def test_a_layer_that_stops_a_cancel_is_reported(layer: Any) -> None:
    bench, top, floor = stack(layer, hold=True)
    send_tagged(top, 2)
    bench.settle()
    cancel(top, 2)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-CAN-06")]
    assert floor.cancels == []


@pytest.mark.rule("N6-CAN-07")
@pytest.mark.parametrize("layer", [HoldingFilter, HoldingMux])
def test_a_layer_that_queues_without_a_cancel_handler_is_reported(layer: Any) -> None:
    bench, top, floor = stack(layer)
    send_tagged(top, 1)
    bench.settle()
    cancel(top, 2)
    bench.settle()
    assert bench.kinds() == []
    cancel(top, 1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-CAN-07")]
    assert len(floor.cancels) == 2


@pytest.mark.rule("N6-CAN-07")
def test_a_bottom_that_queues_without_a_cancel_handler_is_reported() -> None:
    bench = Bench({"top": Teller, "floor": (HoldingFloor, {"hold": True})}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    send_tagged(top, 1)
    bench.settle()
    cancel(top, 1)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-CAN-07")]


@pytest.mark.rule("N6-CAN-08", "N6-CAN-04")
@pytest.mark.parametrize("seed", range(6))
def test_of_a_cancel_and_a_completion_that_race_one_wins(seed: int) -> None:
    layers: dict[str, Any] = {"top": Teller, "gate": Gate, "mux": Mux, "nic": SLOW}
    bench = Bench(layers, [" -> ".join(layers)], seed=seed, shuffled=True).start()
    top = bench.driver("top", Teller)
    draws = Rng(seed).bits("race", np.arange(60, dtype=np.uint64)).tolist()
    for draw in draws:
        send_tagged(top, *[draw % 5] * (1 + draw % 7))
        bench.run_for(draw % 700_000)
        cancel(top, draw % 3)
        bench.run_for(draw % 90_000)
    bench.run_for(10_000_000_000)
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    assert {status for _, status in top.back} == {"SUCCESS", "SEND_ABORTED"}
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-CAN-08")
def test_a_packet_that_both_paths_complete_comes_back_once_and_is_reported() -> None:
    bench = Bench({"top": Teller, "floor": (Twice, {"hold": True})}, ["top -> floor"]).start()
    top = bench.driver("top", Teller)
    send_tagged(top, 1)
    bench.settle()
    cancel(top, 1)
    bench.settle()
    assert [status for _, status in top.back] == ["SEND_ABORTED"]
    assert set(bench.kinds()) == {("floor", "N6-CAN-08"), ("floor", "N6-SEND-14")}
