"""The loopback NIC gives back as received what is sent."""

from __future__ import annotations

from typing import Any

from nodes.metrics import Counter
from nodes.stock.loopback import Loopback
from nodes.stock.receiver import Receiver
from nodes.stock.traffic import Traffic
from tests.bench import Bench, Layer
from tests.layers import Teller


def bench(**options: Any) -> Bench:
    return Bench({"top": Teller, "nic": (Loopback, options)}, ["top -> nic"]).start()


def top(stack: Bench) -> Teller:
    return stack.driver("top", Teller)


def test_every_frame_is_completed_and_comes_back_in_a_packet_of_the_nic() -> None:
    stack = bench()
    top(stack).keep = True
    handles = top(stack).send(3, text=b"hello")
    stack.settle()
    assert top(stack).back == [(handle, "SUCCESS") for handle in handles]
    [(_, chain)] = top(stack).kept
    assert [bytes(nbl.data) for nbl in chain] == [b"hello" + bytes(59)] * 3
    assert not set(handles) & set(top(stack).received)
    top(stack).return_kept()
    stack.stop()
    assert stack.in_use() == {}


def test_a_looped_frame_keeps_its_packet_id() -> None:
    stack = bench()
    top(stack).keep = True
    top(stack).send(2)
    stack.settle()
    [(_, chain)] = top(stack).kept
    pool = stack.nodes["top"].pool.number
    assert chain.packet_id.tolist() == [pool << 48, pool << 48 | 1]


def test_frames_without_a_receive_packet_are_missed_and_their_sends_complete() -> None:
    stack = bench(pool=4)
    top(stack).keep = True
    handles = top(stack).send(6)
    stack.settle()
    assert len(top(stack).received) == 4
    assert stack.counter("nic", Counter.RX_MISSED) == 2
    assert top(stack).back == [(handle, "SUCCESS") for handle in handles]
    top(stack).return_kept()
    stack.settle()
    top(stack).send(4)
    stack.settle()
    assert len(top(stack).received) == 8


def test_frames_without_room_above_are_missed() -> None:
    stack = Bench({"top": Teller, "nic": Loopback}, ["top -> nic"], depth=16).start()
    top(stack).keep = True
    top(stack).send(16)
    stack.settle()
    assert len(top(stack).received) == 8
    assert stack.counter("nic", Counter.RX_MISSED) == 8
    assert stack.counter("nic", Counter.DROPPED) == 0


def test_frames_over_several_cells_and_several_buffers_come_back_whole() -> None:
    stack = bench(pool=8)
    top(stack).keep = True
    top(stack).send_pieces([b"a" * 100, b"b" * 200], as_net_buffers=True)
    top(stack).send_pieces([b"c" * 2048, b"d" * 2048, b"e" * 10], as_net_buffers=False)
    stack.settle()
    frames = [bytes(nbl.data) for _, chain in top(stack).kept for nbl in chain]
    assert frames == [b"a" * 100, b"b" * 200, b"c" * 2048 + b"d" * 2048 + b"e" * 10]
    top(stack).return_kept()
    stack.stop()
    assert stack.in_use() == {}


def test_a_long_frame_that_finds_too_few_cells_is_missed() -> None:
    stack = bench(pool=2)
    top(stack).send_pieces([b"c" * 2048, b"d" * 2048, b"e" * 10], as_net_buffers=False)
    stack.settle()
    assert top(stack).received == []
    assert stack.counter("nic", Counter.RX_MISSED) == 1
    assert len(top(stack).back) == 1


def test_a_load_generator_beside_a_receiver_gets_nothing_back() -> None:
    layers: dict[str, Layer] = {"bulk": (Traffic, {"packets": 500}), "sink": Receiver, "nic": Loopback}
    stack = Bench(layers, ["bulk -> nic", "sink -> nic"]).start()
    stack.settle()
    assert stack.counter("sink", Counter.RECEIVED) == 500 - stack.counter("nic", Counter.RX_MISSED)
    assert stack.counter("bulk", Counter.RECEIVED) == 0
    assert stack.counter("sink", Counter.CORRUPT) == 0
