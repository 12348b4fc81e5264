"""The mux carries several drivers over few: in order, fairly, and every packet back to where it came from."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.formats.frames import node_mac
from nodes.metrics import Counter
from nodes.stock.mux import Mux
from nodes.stock.queues import QUANTUM
from nodes.stock.traffic import Traffic
from tests.bench import Bench, Layer
from tests.layers import Floor, Ipv6Teller, Teller

BROADCAST = b"\xff" * 6
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"


def frame(destination: bytes = BROADCAST, ether_type: bytes = IPV4) -> bytes:
    return destination + bytes(6) + ether_type + bytes(46)


def bench(
    *uppers: type[Teller], lowers: int = 1, depth: int = 1024, hold: bool = False, **options: Any
) -> Bench:
    """Return tellers up0, up1, ... over a mux over floors low0, low1, ..."""
    layers: dict[str, Layer] = {f"up{number}": teller for number, teller in enumerate(uppers)}
    bindings = [f"{name} -> mux" for name in layers]
    layers["mux"] = (Mux, options)
    for number in range(lowers):
        layers[f"low{number}"] = (Floor, {"hold": hold})
        bindings.append(f"mux -> low{number}")
    return Bench(layers, bindings, depth=depth).start()


def top(stack: Bench, number: int) -> Teller:
    return stack.driver(f"up{number}", Teller)


def floor(stack: Bench, number: int = 0) -> Floor:
    return stack.driver(f"low{number}", Floor)


def full() -> tuple[Bench, list[int]]:
    """Return a bench with two tellers where the first one's packets fill all the room below; they are given too."""
    stack = bench(Teller, Teller, depth=16, hold=True)
    below = top(stack, 0).send(16)
    stack.settle()
    return stack, below


def origins(stack: Bench) -> list[int]:
    """Return the pool that each packet at the floor was drawn from: 1 for up0, 2 for up1, ..."""
    return [handle >> 28 & 0xFFF for handle in floor(stack).handles]


def test_each_packet_comes_back_to_the_driver_that_sent_it() -> None:
    stack = bench(Teller, Teller, Teller)
    sent = [top(stack, number).send(number + 1) for number in range(3)]
    stack.settle()
    for number in range(3):
        assert top(stack, number).back == [(handle, "SUCCESS") for handle in sent[number]]
        assert set(top(stack, number).sources) == {top(stack, number).bindings[0].handle}


def test_below_the_mux_packets_bear_the_handle_of_its_binding() -> None:
    stack = bench(Teller, hold=True)
    top(stack, 0).send(3)
    stack.settle()
    [binding] = stack.driver("mux", Mux).bindings
    assert floor(stack).waiting[0].source_handle.tolist() == [binding.handle] * 3


def test_without_need_to_wait_calls_go_down_as_made() -> None:
    stack = bench(Teller)
    calls = [top(stack, 0).send(count) for count in (1, 5, 2)]
    stack.settle()
    assert floor(stack).calls == calls


def test_what_finds_no_room_waits_and_nothing_is_refused() -> None:
    stack = bench(Teller, Teller, depth=16, hold=True)
    for number in (0, 1):
        for count in (3, 5, 8):
            top(stack, number).send(count)
    stack.settle()
    assert len(floor(stack).handles) == 16
    while len(top(stack, 0).back) + len(top(stack, 1).back) < 32:
        floor(stack).complete(3)
        stack.settle()
    for number in (0, 1):
        mine = [handle for handle in floor(stack).handles if handle in top(stack, number).sent]
        assert mine == top(stack, number).sent, "order within one driver is kept"
        assert {status for _, status in top(stack, number).back} == {"SUCCESS"}
    assert stack.kinds() == []


def test_drivers_that_wait_take_turns_of_a_quantum_however_little_room_comes_at_a_time() -> None:
    stack = bench(Teller, Teller, Teller, depth=256, hold=True)
    top(stack, 2).send(256)
    stack.settle()
    top(stack, 0).send(128)
    stack.settle()
    for _ in range(32):
        top(stack, 1).send(4)
    stack.settle()
    for _ in range(32):
        floor(stack).complete(8)
        stack.settle()
    loud, quiet = [1] * QUANTUM, [2] * QUANTUM
    assert origins(stack)[256:] == loud + quiet + loud + quiet


def test_drivers_above_are_spread_over_bindings_below_in_order() -> None:
    stack = bench(Teller, Teller, Teller, lowers=2)
    sent = [top(stack, number).send(2) for number in range(3)]
    stack.settle()
    assert sorted(floor(stack, 0).handles) == sorted(sent[0] + sent[2])
    assert floor(stack, 1).handles == sent[1]


def test_spread_by_hash_a_driver_keeps_its_binding_in_whatever_company() -> None:
    alone = bench(Teller, lowers=3, balance="hash")
    company = bench(Teller, Teller, Teller, lowers=3, balance="hash")
    for stack in (alone, company):
        top(stack, 0).send(1)
        stack.settle()
    places = [[len(floor(stack, number).handles) for number in range(3)] for stack in (alone, company)]
    assert places[0] == places[1]


def test_a_pause_completes_what_waits_and_waits_for_what_is_below() -> None:
    stack, below = full()
    waiting = [top(stack, 1).send(4), top(stack, 1).send(3)]
    stack.settle()
    answers = stack.command("mux", "pause")
    stack.settle()
    assert top(stack, 1).back == [(handle, "PAUSED") for call in waiting for handle in call]
    assert answers == []
    floor(stack).complete()
    stack.settle()
    assert answers == [{"ok": True, "value": None}]
    assert top(stack, 0).back == [(handle, "SUCCESS") for handle in below]
    assert floor(stack).handles == below


def test_a_cancel_ends_waiting_packets_of_that_id_and_goes_on_down() -> None:
    stack, _ = full()
    other = top(stack, 1).send(2, cancel_id=5)
    mine = top(stack, 1).send(3, cancel_id=9)
    stack.settle()
    top(stack, 1).bindings[0].cancel_send_net_buffer_lists(9)
    stack.settle()
    assert top(stack, 1).back == [(handle, "SEND_ABORTED") for handle in mine]
    assert floor(stack).cancels == [9]
    floor(stack).complete()
    stack.settle()
    assert floor(stack).handles[16:] == other


def test_a_cancel_reaches_only_packets_of_the_driver_that_asked() -> None:
    stack, _ = full()
    waiting = top(stack, 1).send(4, cancel_id=9)
    stack.settle()
    top(stack, 0).bindings[0].cancel_send_net_buffer_lists(9)
    stack.settle()
    assert top(stack, 1).back == []
    floor(stack).complete()
    stack.settle()
    assert floor(stack).handles[16:] == waiting


def test_a_broadcast_goes_to_the_first_driver_that_takes_its_type() -> None:
    stack = bench(Ipv6Teller, Teller, Teller)
    handles = floor(stack).indicate(frame(), frame(ether_type=IPV6), frame())
    stack.settle()
    assert top(stack, 0).received == handles[1:2]
    assert top(stack, 1).received == [handles[0], handles[2]]
    assert top(stack, 2).received == []
    assert stack.in_use() == {}


def test_a_frame_goes_to_the_driver_whose_address_it_bears() -> None:
    stack = bench(Teller, Teller)
    handles = floor(stack).indicate(frame(node_mac(2)), frame(), frame(node_mac(1)), frame(b"\x02" * 6))
    stack.settle()
    assert top(stack, 0).received == handles[1:]
    assert top(stack, 1).received == handles[:1]


def test_a_frame_that_nobody_takes_goes_straight_back() -> None:
    stack = Bench(
        {"bulk": (Traffic, {"rate": 1, "packets": 1}), "up": Ipv6Teller, "mux": Mux, "low0": Floor},
        ["bulk -> mux", "up -> mux", "mux -> low0"],
    ).start()
    floor(stack).indicate(frame(), frame())
    stack.settle()
    assert stack.counter("mux", Counter.DROPPED) == 2
    assert stack.held() == stack.in_use() == {"bulk": 1024}


def test_received_packets_go_back_to_the_binding_they_came_from() -> None:
    stack = bench(Teller, lowers=2)
    top(stack, 0).keep = True
    for number in (0, 1):
        floor(stack, number).indicate(frame(), frame())
    stack.settle()
    sources = {source for _, chain in top(stack, 0).kept for source in chain.source_handle.tolist()}
    assert sources == {stack.driver("mux", Mux).adapters[0].handle}
    top(stack, 0).return_kept()
    stack.settle()
    assert stack.in_use() == {}
    assert stack.kinds() == []


@pytest.mark.parametrize("seed", range(5))
def test_many_drivers_over_many_in_any_order_of_polls(seed: int) -> None:
    layers: dict[str, Layer] = {
        f"bulk{number}": (Traffic, {"packets": 500, "senders": 2}) for number in range(5)
    }
    uppers = [f"{name} -> mux" for name in layers]
    layers |= {"mux": Mux, "low0": Floor, "low1": Floor}
    bindings = [*uppers, "mux -> low0", "mux -> low1"]
    stack = Bench(layers, bindings, depth=64, seed=seed, shuffled=True).start()
    stack.settle()
    assert sorted(stack.kinds()) == [(f"bulk{number}", "done") for number in range(5)]
    stack.stop()
    assert stack.in_use() == {}
    assert stack.held() == {}
