"""The load generator sends what it is told to, at the time it is told to, and no more than may be in flight."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from nodes.formats.frames import check_frames
from nodes.metrics import Counter, HistogramRow
from nodes.stock.traffic import Traffic, TrafficOptions
from shm.histogram import bucket_bounds
from tests.bench import BEGIN, Bench, Layer
from tests.layers import Floor

MS = 1_000_000


def bench(hold: bool = False, depth: int = 1024, **options: Any) -> Bench:
    layers = {"bulk": (Traffic, options), "floor": (Floor, {"hold": hold})}
    return Bench(layers, ["bulk -> floor"], depth=depth).start()


def floor(stack: Bench, name: str = "floor") -> Floor:
    return stack.driver(name, Floor)


def stamps(stack: Bench) -> list[tuple[int, int, int]]:
    """Return flow place, sequence number and planned time of each frame at the bottom, all of them undamaged."""
    frames = floor(stack).frames
    rows = np.zeros((len(frames), 2048), np.uint8)
    for row, frame in zip(rows, frames, strict=True):
        row[: len(frame)] = np.frombuffer(frame, np.uint8)
    lengths = np.array([len(frame) for frame in frames], np.int64)
    read = check_frames(rows, np.arange(len(frames)), lengths)
    assert read.ok.all()
    flows = (read.flow & 0xFFFF).tolist()
    return list(zip(flows, read.sequence.tolist(), read.planned_ns.tolist(), strict=True))


def test_the_packets_asked_for_are_sent_and_then_it_is_done() -> None:
    stack = bench(packets=1000, senders=3)
    stack.settle()
    assert stack.kinds() == [("bulk", "done")]
    assert stack.statuses("bulk") == {"SUCCESS": 1000}
    assert stack.counter("bulk", Counter.SENT) == 1000


def test_each_sender_numbers_its_own_frames_without_a_gap() -> None:
    stack = bench(packets=100, senders=3)
    stack.settle()
    for place, count in ((0, 34), (1, 33), (2, 33)):
        numbers = [sequence for flow, sequence, _ in stamps(stack) if flow == place]
        assert numbers == list(range(count))


def test_senders_take_turns() -> None:
    stack = bench(packets=240, senders=3, burst=8, window=24)
    stack.settle()
    places = [flow for flow, _, _ in stamps(stack)]
    assert [places[start] for start in range(0, 240, 8)] == [0, 1, 2] * 10


def test_a_call_has_at_most_a_burst_of_one_sender() -> None:
    stack = bench(packets=100, senders=2, burst=16)
    stack.settle()
    assert sorted(map(len, floor(stack).calls)) == [2, 2, 16, 16, 16, 16, 16, 16]


def test_never_more_than_the_window_is_in_flight() -> None:
    stack = bench(hold=True, window=96, burst=32)
    stack.settle()
    assert len(floor(stack).handles) == 96
    floor(stack).complete(31)
    stack.settle()
    assert len(floor(stack).handles) == 96, "it waits for a whole burst"
    floor(stack).complete(1)
    stack.settle()
    assert len(floor(stack).handles) == 128


def test_the_window_is_at_most_what_the_binding_takes() -> None:
    stack = bench(hold=True, window=4096, depth=64)
    stack.settle()
    assert len(floor(stack).handles) == 64
    assert stack.statuses("bulk") == {}


def test_packets_are_used_again_under_a_new_id() -> None:
    stack = bench(packets=64, window=8, burst=8)
    stack.settle()
    assert len(set(floor(stack).handles)) == 8
    assert stack.in_use() == {"bulk": 8}
    stack.stop()
    assert stack.in_use() == {}


def test_at_a_rate_every_frame_leaves_at_its_planned_time() -> None:
    stack = bench(packets=10, senders=2, rate=3000)
    stack.run_for(20 * MS)
    planned = [BEGIN + -(-place * 1_000_000_000 // 3000) for place in range(10)]
    assert floor(stack).times == planned
    assert stamps(stack) == [(place % 2, place // 2, planned[place]) for place in range(10)]
    assert stack.kinds() == [("bulk", "done")]


def test_a_frame_that_had_to_wait_carries_the_time_it_was_planned_for() -> None:
    stack = bench(hold=True, packets=4, rate=1000, window=2, burst=2)
    stack.run_for(10 * MS)
    assert floor(stack).times == [BEGIN, BEGIN + MS]
    floor(stack).complete()
    stack.settle()
    assert floor(stack).times[2:] == [BEGIN + 10 * MS] * 2
    assert [planned for _, _, planned in stamps(stack)] == [BEGIN + number * MS for number in range(4)]


def said(stack: Bench) -> list[tuple[str, str]]:
    """Return what nodes reported, but for the phases that a source comes to."""
    return [(node, kind) for node, kind in stack.kinds() if kind != "phase"]


def counts(stack: Bench) -> tuple[int, int, int]:
    """Return how many packets were planned, how many of them left late, and the worst lag in us."""
    planned, late, worst = Counter.PLANNED, Counter.LATE, Counter.WORST_LAG_US
    return stack.counter("bulk", planned), stack.counter("bulk", late), stack.counter("bulk", worst)


def planned_latencies(stack: Bench) -> dict[int, int]:
    """Return how many packets came back how many whole ms after their planned time, buckets being narrow."""
    histogram = stack.nodes["bulk"].board.histograms[HistogramRow.PLANNED].counts
    lower, _ = bucket_bounds()
    found = np.flatnonzero(histogram)
    return {round(lower[bucket] / MS): int(histogram[bucket]) for bucket in found}


def test_latency_counts_from_the_planned_time_of_packets_that_had_to_wait() -> None:
    stack = bench(hold=True, packets=4, rate=1000, window=2, burst=2)
    stack.run_for(8 * MS)
    floor(stack).complete()
    stack.settle()
    floor(stack).complete()
    stack.settle()
    assert planned_latencies(stack) == {8: 1, 7: 1, 6: 1, 5: 1}


def test_a_packet_that_waited_for_the_window_is_not_late() -> None:
    stack = bench(hold=True, packets=4, rate=1000, window=2, burst=2)
    stack.run_for(10 * MS)
    floor(stack).complete()
    stack.settle()
    assert counts(stack) == (4, 0, 0)


def test_packets_that_could_have_left_and_did_not_are_late() -> None:
    stack = bench(packets=10, rate=1000)
    stack.run_for(2 * MS)
    stack.clock.advance_to(BEGIN + 6 * MS)  # as when the processor was away
    stack.run_for(10 * MS)
    assert [at - BEGIN for at in floor(stack).times] == [0, MS, 2 * MS, *[6 * MS] * 4, 7 * MS, 8 * MS, 9 * MS]
    assert counts(stack) == (10, 2, 3000), "those planned for 3 and 4 ms are more than a tick late"


def test_without_a_rate_nothing_is_planned_and_nothing_late() -> None:
    stack = bench(packets=100)
    stack.settle()
    assert counts(stack) == (0, 0, 0)
    assert planned_latencies(stack) == {}


def test_phases_follow_each_other_and_then_it_is_done() -> None:
    stack = bench(senders=2, phases="3ms@1000, 4ms@0, 2ms@4x1ms, 1ms@0")
    stack.run_for(9 * MS)
    assert [at - BEGIN for at in floor(stack).times] == [0, MS, 2 * MS, *[7 * MS] * 4, *[8 * MS] * 4]
    assert said(stack) == [], "the last phase is quiet, but not over"
    stack.run_for(MS)
    assert said(stack) == [("bulk", "done")]
    assert counts(stack) == (11, 0, 0)


def test_a_phase_in_the_closed_model_sends_what_the_window_lets_through() -> None:
    stack = bench(hold=True, senders=3, window=8, burst=4, phases="3ms@1000, 5ms@max, 2ms@1000")
    stack.run_for(2 * MS)
    assert len(floor(stack).frames) == 3
    stack.run_for(4 * MS)
    assert len(floor(stack).frames) == 7, "a whole burst fits into the window"
    floor(stack).complete()
    stack.settle()
    assert len(floor(stack).frames) == 15
    stack.run_for(MS)
    floor(stack).complete()
    stack.settle()
    assert len(floor(stack).frames) == 23
    stack.run_for(2 * MS)
    floor(stack).complete()
    stack.run_for(3 * MS)
    floor(stack).complete()
    stack.settle()
    assert said(stack) == [("bulk", "done")]
    assert counts(stack) == (5, 0, 0), "only packets of the open model have a plan"
    assert sum(planned_latencies(stack).values()) == 5
    assert len(stamps(stack)) == stack.counter("bulk", Counter.SENT) == 25


def test_what_was_planned_before_a_closed_phase_leaves_first() -> None:
    stack = bench(hold=True, window=2, burst=2, phases="4ms@1000, 10ms@max")
    stack.run_for(6 * MS)
    assert [planned for _, _, planned in stamps(stack)] == [BEGIN, BEGIN + MS]
    floor(stack).complete()
    stack.settle()
    assert [planned for _, _, planned in stamps(stack)[2:]] == [BEGIN + 2 * MS, BEGIN + 3 * MS]
    floor(stack).complete()
    stack.settle()
    assert [planned for _, _, planned in stamps(stack)[4:]] == [BEGIN + 6 * MS] * 2


def test_lanes_at_rest_learn_that_a_closed_phase_has_begun() -> None:
    layers: dict[str, Layer] = {
        "bulk": (Traffic, {"senders": 2, "window": 8, "burst": 4, "phases": "2ms@1000, 3ms@max"}),
        "left": (Floor, {"hold": True}),
        "right": (Floor, {"hold": True}),
    }
    stack = Bench(layers, ["bulk -> left", "bulk -> right"]).start()
    stack.run_for(4 * MS)
    assert [len(floor(stack, name).frames) for name in ("left", "right")] == [1, 1], "no whole burst is free"
    for name in ("left", "right"):
        floor(stack, name).complete()
    stack.settle()
    assert [len(floor(stack, name).frames) for name in ("left", "right")] == [5, 5]


def test_packets_end_a_schedule_that_would_go_on() -> None:
    stack = bench(packets=5, phases="1s@1000, 1s@max")
    stack.run_for(20 * MS)
    assert said(stack) == [("bulk", "done")]
    assert [at - BEGIN for at in floor(stack).times] == [number * MS for number in range(5)]


def test_the_schedule_stands_still_while_it_is_paused() -> None:
    stack = bench(phases="2ms@1000, 4ms@0, 2ms@1000")
    stack.run_for(3 * MS)
    stack.pause("bulk")
    stack.run_for(50 * MS)
    stack.command("bulk", "restart")
    stack.run_for(10 * MS)
    assert [at - BEGIN for at in floor(stack).times] == [0, MS, 56 * MS, 57 * MS]
    assert said(stack) == [("bulk", "done")]


def test_arrivals_by_chance_leave_at_their_times_and_the_same_ones_again() -> None:
    found = []
    for window in (1024, 4):
        stack = bench(packets=200, senders=3, rate=10_000, arrivals="poisson", window=window)
        stack.run_for(60 * MS)
        assert [planned for _, _, planned in stamps(stack)] == floor(stack).times
        found.append(floor(stack).times)
    assert found[0] == found[1]
    gaps = {after - before for before, after in pairwise(found[0])}
    assert len(gaps) > 190


def test_each_flow_is_counted_in_its_place() -> None:
    stack = bench(packets=100, senders=3)
    stack.settle()
    assert stack.counter("bulk", Counter.FLOWS) == 3
    assert list(stack.nodes["bulk"].board.flows[:4]) == [34, 33, 33, 0]


def test_a_pause_stops_it_at_once_and_a_restart_goes_on_from_there() -> None:
    stack = bench(packets=10, rate=1000)
    stack.run_for(4 * MS)
    stack.pause("bulk")
    stack.run_for(50 * MS)
    assert len(floor(stack).frames) == 5
    stack.command("bulk", "restart")
    stack.run_for(4 * MS)
    assert [at - BEGIN for at in floor(stack).times[5:]] == [54 * MS + number * MS for number in range(5)]
    assert [sequence for _, sequence, _ in stamps(stack)] == list(range(10))
    assert stack.kinds() == [("bulk", "done")]


def test_an_endless_source_never_ends_of_its_own() -> None:
    stack = bench(hold=True, window=32)
    stack.settle()
    floor(stack).complete()
    stack.settle()
    assert stack.kinds() == []
    assert len(floor(stack).frames) == 64


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [("512", 512, 512), ("64..300", 70, 300), ("imix", 70, 1514), ("2048", 2048, 2048)],
)
def test_frames_have_the_sizes_asked_for(size: str, low: int, high: int) -> None:
    stack = bench(packets=600, size=size)
    stack.settle()
    lengths = {len(frame) for frame in floor(stack).frames}
    assert min(lengths) == low
    assert max(lengths) == high
    assert len(stamps(stack)) == 600


def test_drawn_sizes_depend_on_flow_and_number_alone() -> None:
    fast = bench(packets=90, senders=2, size="64..1500")
    slow = bench(packets=90, senders=2, size="64..1500", rate=1000, window=4, burst=1)
    sizes = []
    for stack in (fast, slow):
        stack.run_for(100 * MS)
        frames = zip(stamps(stack), map(len, floor(stack).frames), strict=True)
        sizes.append({(flow, sequence): length for (flow, sequence, _), length in frames})
    assert sizes[0] == sizes[1]


def test_several_bindings_share_the_senders() -> None:
    layers: dict[str, Layer] = {
        "bulk": (Traffic, {"packets": 80, "senders": 4}),
        "left": Floor,
        "right": Floor,
    }
    stack = Bench(layers, ["bulk -> left", "bulk -> right"]).start()
    stack.settle()
    assert [len(floor(stack, name).frames) for name in ("left", "right")] == [40, 40]
    assert stack.kinds() == [("bulk", "done")]


def test_a_pool_too_small_for_its_bindings_is_refused() -> None:
    layers: dict[str, Layer] = {"bulk": (Traffic, {"pool": 1}), "left": Floor, "right": Floor}
    stack = Bench(layers, ["bulk -> left", "bulk -> right"])
    [answer] = stack.command("bulk", "initialize")
    assert answer["error"] == "ValueError: a pool of 1 packets does not do for 2 bindings"


@pytest.mark.parametrize("size", ["", "big", "0", "9..", "300..200", "4096", "-5", "1e3"])
def test_a_size_that_makes_no_sense_is_a_problem_of_the_option(size: str) -> None:
    [(option, message)] = TrafficOptions(size=size).problems()
    assert option == "size"
    assert size in message


def test_ids_of_packets_grow_with_the_order_of_the_schedule() -> None:
    stack = bench(hold=True, packets=6, rate=1000)
    stack.run_for(10 * MS)
    ids = [int(chain.packet_id[0]) for chain in floor(stack).waiting]
    assert [after - before for before, after in pairwise(ids)] == [1] * 5
