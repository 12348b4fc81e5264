"""Packets of several NBs: each NB is a frame, from the load generator over the wire to the receiver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nodes.formats.frames import check_frames
from nodes.metrics import Counter
from nodes.ndis import Adapter
from nodes.nic.wire import FRAME_OVERHEAD
from nodes.packets.chain import NblChain
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.receiver import Receiver
from nodes.stock.traffic import Traffic
from nodes.verifier.force import Force
from tests.bench import Bench
from tests.layers import Floor

MS = 1_000_000


class WholeFloor(Floor):
    """A floor that notes the frames of all NBs, packet by packet."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.packets = [
            *getattr(self, "packets", []),
            *([bytes(buffer.data) for buffer in nbl.net_buffers] for nbl in chain),
        ]
        super().send_net_buffer_lists(adapter, chain, flags)


def over_a_wire(
    near: dict[str, Any] | None = None, far: dict[str, Any] | None = None, **options: Any
) -> Bench:
    """Return a stack of a sender and one of a receiver, joined by a wire, with the sender done."""
    layers = {
        "bulk": (Traffic, {"buffers": 4, "packets": 200, **options}),
        "mux": Mux,
        "nic0": (StockMiniport, near or {}),
        "nic1": (StockMiniport, far or {}),
        "sink": Receiver,
    }
    stack = Bench(layers, ["bulk -> mux -> nic0", "sink -> nic1"], wires=[("nic0", "nic1")]).start()
    stack.run_out(lambda: ("bulk", "done") in stack.kinds())
    return stack


def arrived(stack: Bench) -> tuple[int, ...]:
    """Return what the receiver got, what of it was damaged, late or missing, and what found no buffer."""
    rows = (Counter.RECEIVED, Counter.CORRUPT, Counter.OUT_OF_ORDER, Counter.MISSING)
    return (*(stack.counter("sink", row) for row in rows), stack.counter("nic1", Counter.RX_MISSED))


@pytest.mark.parametrize("size", ["200", "64..1500"])
def test_each_nb_holds_the_next_frame_of_its_flow(size: str) -> None:
    layers = {
        "bulk": (Traffic, {"buffers": 3, "senders": 2, "packets": 100, "size": size}),
        "floor": WholeFloor,
    }
    stack = Bench(layers, ["bulk -> floor"]).start()
    stack.settle()
    packets = stack.driver("floor", WholeFloor).packets
    assert [len(packet) for packet in packets] == [3] * 100
    frames = [frame for packet in packets for frame in packet]
    rows = np.zeros((300, 2048), np.uint8)
    for row, frame in zip(rows, frames, strict=True):
        row[: len(frame)] = np.frombuffer(frame, np.uint8)
    read = check_frames(rows, np.arange(300), np.array([len(frame) for frame in frames], np.int64))
    assert read.ok.all()
    for flow in (0, 1):
        assert read.sequence[(read.flow & 0xFFFF) == flow].tolist() == list(range(150))
    assert len({len(frame) for frame in frames}) == (1 if size == "200" else len(set(map(len, frames))))
    assert stack.counter("bulk", Counter.SENT) == 100
    assert stack.counter("bulk", Counter.SENT_BYTES) == sum(map(len, frames))
    stack.stop()
    assert stack.in_use() == {}


@pytest.mark.parametrize("size", ["1500", "64..1500"])
def test_every_frame_arrives_once_whole_and_in_order(size: str) -> None:
    stack = over_a_wire(size=size, senders=2)
    assert arrived(stack) == (800, 0, 0, 0, 0)
    assert stack.counter("nic0", Counter.WIRE_SENT) == 800
    assert stack.counter("sink", Counter.RECEIVED_BYTES) == stack.counter("bulk", Counter.SENT_BYTES)
    stack.stop()
    assert stack.kinds() == [("bulk", "done")]
    assert stack.in_use() == {}


def test_each_frame_takes_its_own_time_on_the_line() -> None:
    one = over_a_wire({"link": 100_000_000}, buffers=1, packets=400, size="500").clock.now()
    four = over_a_wire({"link": 100_000_000}, buffers=4, packets=100, size="500").clock.now()
    line = 400 * (500 + FRAME_OVERHEAD) * 80
    assert one > line
    assert abs(four - one) < 5 * (500 + FRAME_OVERHEAD) * 80


@pytest.mark.parametrize(
    ("near", "far"), [({"complete": "early"}, {}), ({"ring": 1}, {}), ({}, {"buffers": 3})]
)
def test_neither_an_early_nic_nor_a_short_ring_nor_few_buffers_lose_a_frame(
    near: dict[str, Any], far: dict[str, Any]
) -> None:
    stack = over_a_wire(near, far)
    assert arrived(stack) == (800, 0, 0, 0, 0)


def test_without_flow_control_frames_that_find_no_buffer_are_counted_one_by_one() -> None:
    stack = over_a_wire(None, {"buffers": 3, "flow_control": False}, window=64)
    received, *_, missed = arrived(stack)
    assert 0 < received < 800
    assert received + missed == 800


def test_memory_that_is_short_delays_frames_and_loses_none() -> None:
    layers = {
        "bulk": (Traffic, {"buffers": 4, "packets": 100, "window": 32}),
        "nic0": StockMiniport,
        "nic1": StockMiniport,
        "sink": Receiver,
    }
    stack = Bench(
        layers, ["bulk -> nic0", "sink -> nic1"], wires=[("nic0", "nic1")], force=Force(low_resources=0.3)
    ).start()
    stack.run_out(lambda: ("bulk", "done") in stack.kinds())
    assert arrived(stack) == (400, 0, 0, 0, 0)


def test_a_packet_of_which_some_frames_have_arrived_is_given_up_once_at_a_pause() -> None:
    layers = {
        "bulk": (Traffic, {"buffers": 8, "packets": 2}),
        "nic0": StockMiniport,
        "nic1": (StockMiniport, {"buffers": 3}),
        "sink": (Receiver, {"hold": 500 * MS}),
    }
    stack = Bench(layers, ["bulk -> nic0", "sink -> nic1"], wires=[("nic0", "nic1")]).start()
    stack.run_for(MS)
    assert arrived(stack) == (3, 0, 0, 0, 0)
    stack.command("nic1", "pause")
    stack.run_for(MS)
    assert arrived(stack) == (3, 0, 0, 0, 13)
    assert stack.kinds() == [("bulk", "done")]


def test_a_later_nb_that_was_changed_below_is_noticed_when_its_packet_is_back() -> None:
    layers = {"bulk": (Traffic, {"buffers": 4, "packets": 8}), "floor": (Floor, {"hold": True})}
    stack = Bench(layers, ["bulk -> floor"]).start()
    stack.settle()
    arena, floor = stack.nodes["bulk"].arena, stack.driver("floor", Floor)
    second = int(arena.nb_next[floor.waiting[0].slots[5]]) - 1
    arena.nb_length[second] -= 1
    floor.complete()
    stack.settle()
    assert [kind for kind in stack.kinds() if kind[1] != "done"] == [("bulk", "N6-SEND-13")]


def test_a_list_of_nbs_that_leads_in_a_circle_ends_all_the_same() -> None:
    layers = {"bulk": (Traffic, {"buffers": 2, "packets": 4, "window": 4}), "floor": (Floor, {"hold": True})}
    stack = Bench(layers, ["bulk -> floor"])
    stack.command("floor", "initialize")
    stack.command("floor", "restart")
    stack.command("bulk", "initialize")
    arena = stack.nodes["bulk"].arena
    (roots,) = np.nonzero(arena.nb_next)
    later = int(arena.nb_next[roots[0]]) - 1
    arena.nb_next[later] = roots[0] + 1
    stack.command("bulk", "restart")
    stack.settle()
    stack.driver("floor", Floor).complete()
    stack.settle()
    assert stack.counter("bulk", Counter.COMPLETED) == 4


def test_a_pool_that_holds_no_packet_of_so_many_nbs_is_refused() -> None:
    layers = {"bulk": (Traffic, {"buffers": 8, "pool": 7}), "floor": Floor}
    [answer] = Bench(layers, ["bulk -> floor"]).command("bulk", "initialize")
    assert answer["error"] == "ValueError: a pool of 7 packets does not do for 1 bindings of 8 NBs"
