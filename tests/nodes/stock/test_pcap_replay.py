"""The replay sends a capture's frames unchanged, in order, at the capture's pace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes.formats.captured import CapturedFrames
from nodes.metrics import Counter, HistogramRow
from nodes.status import Status
from nodes.stock.pcap_replay import PcapReplay, ReplayOptions, schedule
from tests.bench import BEGIN, Bench
from tests.layers import Floor

MS = 1_000_000
TIMES = [0, 3 * MS, 3 * MS, 10 * MS]
FRAMES = [b"first" * 10, b"", b"third" * 300, b"x" * 2048]
Save = Callable[..., str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Save frames with their times in the form in which a replaying node gets them; return the path."""

    def saved(frames: list[bytes] = FRAMES, times: list[int] = TIMES) -> str:
        lengths = np.array([len(frame) for frame in frames], np.int64)
        data = np.frombuffer(b"".join(frames), np.uint8)
        path = tmp_path / "frames.npz"
        CapturedFrames(data, np.cumsum(lengths) - lengths, lengths, np.array(times, np.int64)).save(path)
        return str(path)

    return saved


def bench(path: str, hold: bool = False, depth: int = 1024, **options: Any) -> Bench:
    layers = {"replay": (PcapReplay, {"file": path, **options}), "floor": (Floor, {"hold": hold})}
    return Bench(layers, ["replay -> floor"], depth=depth).start()


def floor(stack: Bench) -> Floor:
    return stack.driver("floor", Floor)


def offsets(stack: Bench) -> list[int]:
    return [at - BEGIN for at in floor(stack).times]


def test_frames_are_sent_unchanged_with_the_gaps_of_the_capture(save: Save) -> None:
    stack = bench(save())
    stack.run_out()
    assert floor(stack).frames == FRAMES
    assert offsets(stack) == TIMES
    assert stack.kinds() == [("replay", "done")]
    stack.stop()
    assert stack.in_use() == {}


def test_frames_due_together_are_one_call(save: Save) -> None:
    stack = bench(save())
    stack.run_out()
    assert [len(call) for call in floor(stack).calls] == [1, 2, 1]


def test_gaps_are_scaled(save: Save) -> None:
    stack = bench(save(), scale=0.5)
    stack.run_out()
    assert offsets(stack) == [at // 2 for at in TIMES]


def test_fast_timing_has_no_gaps(save: Save) -> None:
    stack = bench(save(), timing="fast")
    stack.settle()
    assert floor(stack).frames == FRAMES
    assert offsets(stack) == [0] * 4


def test_a_loop_begins_where_the_one_before_ended(save: Save) -> None:
    stack = bench(save(), loop=3)
    stack.run_out()
    assert floor(stack).frames == FRAMES * 3
    assert offsets(stack) == [loop * 10 * MS + at for loop in range(3) for at in TIMES]
    assert stack.kinds() == [("replay", "done")]


def test_endless_loops_go_on_until_the_pause(save: Save) -> None:
    stack = bench(save(), loop=0)
    stack.run_for(55 * MS)
    assert len(floor(stack).frames) == 5 * 4 + 3
    stack.pause("replay")
    stack.run_out()
    assert len(floor(stack).frames) == 23
    assert stack.kinds() == []


def test_times_that_go_backwards_make_no_gap() -> None:
    times = np.array([50, 40, 45, 41, 60], np.int64)
    assert schedule(times, 1.0).tolist() == [0, 0, 5, 5, 24]


def test_what_finds_no_room_below_waits_and_keeps_its_order(save: Save) -> None:
    frames = [b"%04d" % number for number in range(100)]
    stack = bench(save(frames, [0] * 100), hold=True, depth=16)
    stack.settle()
    assert floor(stack).frames == frames[:16]
    while stack.kinds() == []:
        floor(stack).complete(5)
        stack.settle()
    assert floor(stack).frames == frames
    assert stack.statuses("replay") == {"SUCCESS": 100}


def test_what_finds_no_packet_in_the_pool_waits(save: Save) -> None:
    stack = bench(save([b"frame"] * 50, [0] * 50), pool=4)
    stack.settle()
    assert floor(stack).frames == [b"frame"] * 50
    assert stack.kinds() == [("replay", "done")]


def test_a_frame_longer_than_a_cell_goes_out_over_several(save: Save) -> None:
    frames = [b"short", bytes(range(256)) * 30, b"end"]
    stack = bench(save(frames, [0, 0, 0]), pool=4)
    stack.settle()
    assert floor(stack).frames == frames
    stack.stop()
    assert stack.in_use() == {}


def test_a_frame_that_no_pool_of_this_size_can_hold_is_named(save: Save) -> None:
    stack = Bench(
        {"replay": (PcapReplay, {"file": save([b"a", b"b" * 9000], [0, 0]), "pool": 4}), "floor": Floor},
        ["replay -> floor"],
    )
    for command in ("initialize", "restart"):
        stack.command("floor", command)
    stack.command("replay", "initialize")
    [answer] = stack.command("replay", "restart")
    assert answer["error"] == (
        "PoolTooSmall: frame 2 has 9000 bytes and needs 5 packet slots, the pool has 4; give the node a larger `pool:`"
    )


def test_a_capture_without_frames_is_done_at_once(save: Save) -> None:
    stack = bench(save([], []), loop=0)
    stack.settle()
    assert stack.kinds() == [("replay", "done")]


def test_after_a_pause_it_goes_on_with_the_next_frame(save: Save) -> None:
    stack = bench(save())
    stack.run_for(5 * MS)
    stack.pause("replay")
    stack.run_for(95 * MS)
    assert len(floor(stack).frames) == 3
    stack.command("replay", "restart")
    stack.run_out()
    assert floor(stack).frames == FRAMES
    assert offsets(stack)[3] == 100 * MS


def test_refused_frames_count_as_sent(save: Save) -> None:
    stack = bench(save(), hold=True, timing="fast")
    stack.settle()
    floor(stack).complete(status=Status.FAILURE)
    stack.settle()
    assert stack.statuses("replay") == {"FAILURE": 4}
    assert stack.kinds() == [("replay", "done")]


def counts(stack: Bench) -> tuple[int, ...]:
    """Return how many frames were planned, how many left late, and the worst lag in us."""
    rows = (Counter.PLANNED, Counter.LATE, Counter.WORST_LAG_US)
    return tuple(stack.counter("replay", row) for row in rows)


def test_frames_that_could_have_left_and_did_not_are_late(save: Save) -> None:
    stack = bench(save([b"frame"] * 10, [number * MS for number in range(10)]), loop=2)
    stack.run_for(2 * MS)
    stack.clock.advance_to(BEGIN + 6 * MS)  # as when the processor was away
    stack.run_out()
    assert counts(stack) == (20, 2, 3000), "those planned for 3 and 4 ms are more than a tick late"
    assert stack.nodes["replay"].board.histograms[HistogramRow.PLANNED].counts.sum() == 20
    assert stack.counter("replay", Counter.STARVED_US) == 3000


@pytest.mark.parametrize("short", [{"hold": True, "depth": 16}, {"hold": True, "pool": 16}])
def test_frames_that_waited_for_room_or_for_a_packet_are_not_late(save: Save, short: dict[str, Any]) -> None:
    stack = bench(save([b"frame"] * 40, [0] * 40), **short)
    while stack.kinds() == []:
        stack.run_for(5 * MS)
        floor(stack).complete(8)
        stack.settle()
    assert counts(stack) == (40, 0, 0)
    assert stack.counter("replay", Counter.STARVED_US) == 5000


@pytest.mark.parametrize("options", [{"timing": "fast"}, {"scale": 0.0}])
def test_as_fast_as_it_goes_nothing_is_planned(save: Save, options: dict[str, Any]) -> None:
    stack = bench(save(), **options)
    stack.run_out()
    assert counts(stack) == (0, 0, 0)
    assert not stack.nodes["replay"].board.histograms[HistogramRow.PLANNED].counts.any()


def test_between_frames_and_in_a_pause_nobody_waits(save: Save) -> None:
    stack = bench(save([b"frame"] * 2, [0, 9 * MS]), hold=True)
    stack.run_for(2 * MS)
    floor(stack).complete()
    stack.run_for(8 * MS)
    stack.command("replay", "pause")
    stack.run_for(50 * MS)
    floor(stack).complete()
    stack.run_out()
    assert stack.counter("replay", Counter.STARVED_US) == 2000


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_a_scale_that_makes_no_sense_is_a_problem_of_the_option(scale: float) -> None:
    [(option, _)] = ReplayOptions(file="x", scale=scale).problems()
    assert option == "scale"
