"""What the contract asks of every layer that sends pass through, as functions of a bench.

Each takes a bench that was not started, with a `Teller` named ``top``; what is under test lies below it. Layers that
pass sends on have a `Floor` named ``floor`` under them.
"""

from __future__ import annotations

from nodes.status import SEND_STATUSES, Status, status_name
from tests.bench import Bench
from tests.layers import Floor, Teller

CALLS = (1, 2, 5, 8, 16, 32, 1, 3, 60)
ALLOWED = {status_name(status) for status in SEND_STATUSES}


def every_send_completes_once_with_an_allowed_status(bench: Bench) -> None:
    """N6-SEND-10, N6-SEND-11."""
    top = bench.start().driver("top", Teller)
    for count in CALLS:
        top.send(count)
    bench.run_for(10_000_000)
    bench.stop()
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    assert {status for _, status in top.back} <= ALLOWED
    assert bench.kinds() == []


def a_pause_ends_what_waits_and_waits_for_what_is_below(bench: Bench, layer: str) -> None:
    """N6-PNP-03, N6-PNP-09, N6-PNP-10, N6-PNP-12; the floor holds sends."""
    top = bench.start().driver("top", Teller)
    for count in (1, 7, 8, 5):
        top.send(count)
    bench.settle()
    below = bench.driver("floor", Floor).handles
    answers = bench.command(layer, "pause")
    bench.settle()
    assert answers == []
    assert top.back == [(handle, "PAUSED") for handle in top.sent if handle not in below]
    bench.driver("floor", Floor).complete()
    bench.settle()
    assert answers == [{"ok": True, "value": None}]
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    assert bench.held() == {}
    assert bench.kinds() == []


def nothing_is_held_after_the_pause(bench: Bench) -> None:
    """N6-PNP-03, N6-PNP-10, N6-SEND-22."""
    top = bench.start().driver("top", Teller)
    for count in CALLS:
        top.send(count)
    bench.settle()
    bench.stop()
    assert bench.held() == {}
    assert bench.in_use() == {}


def sends_to_a_paused_layer_come_back_with_paused(bench: Bench, layer: str) -> None:
    """N6-PNP-04: rejected at once, not queued."""
    top = bench.start().driver("top", Teller)
    bench.pause(layer)
    handles = top.send(5)
    bench.settle()
    assert top.back == [(handle, "PAUSED") for handle in handles]


def the_originator_finds_its_source_handle_again(bench: Bench) -> None:
    """N6-NBL-04, N6-IM-02."""
    top = bench.start().driver("top", Teller)
    top.send(20)
    bench.run_for(10_000_000)
    bench.stop()
    assert top.sources == [top.bindings[0].handle] * 20


def the_bottom_sees_sends_in_the_order_of_submission(bench: Bench) -> None:
    """N6-SEND-06, N6-IM-03."""
    top = bench.start().driver("top", Teller)
    for count in CALLS:
        top.send(count)
        if count == 8:
            bench.settle()
    bench.run_for(10_000_000)
    assert bench.driver("floor", Floor).handles == top.sent


def the_bottom_sees_the_very_packet_and_its_cell(bench: Bench) -> None:
    """The payload is not copied: a byte that the top writes later shows in the cell that the bottom has."""
    top = bench.start().driver("top", Teller)
    handles = top.send(8, text=b"written once")
    slots = [handle & 0xFFFFFFF for handle in handles]
    bench.settle()
    floor = bench.driver("floor", Floor)
    assert floor.handles == handles
    chain = floor.waiting[0]
    assert [bytes(nbl.data)[:12] for part in floor.waiting for nbl in part] == [b"written once"] * 8
    bench.nodes["top"].arena.cells[slots[0], :7] = list(b"WRITTEN")
    assert chain.header(12)[0].tobytes() == b"WRITTEN once"


def a_cancelled_send_comes_back_once_and_others_are_left_alone(bench: Bench) -> None:
    """N6-CAN-04 to N6-CAN-06: the id travels down to the bottom."""
    top = bench.start().driver("top", Teller)
    kept, cancelled = top.send(2, cancel_id=7), top.send(2, cancel_id=9)
    bench.settle()
    top.bindings[0].cancel_send_net_buffer_lists(9)
    bench.settle()
    assert bench.driver("floor", Floor).cancels == [9]
    assert [entry for entry in top.back if entry[0] in kept] == []
    bench.run_for(10_000_000)
    bench.driver("floor", Floor).complete()
    bench.stop()
    ends = dict(top.back)
    assert len(top.back) == 4
    assert {ends[handle] for handle in cancelled} <= {"SUCCESS", "SEND_ABORTED"}
    assert status_name(Status.SEND_ABORTED) not in {ends[handle] for handle in kept}
