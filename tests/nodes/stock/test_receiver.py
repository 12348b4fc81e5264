"""The receiver accounts for every frame, writes what it is told to, and returns every packet once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes.formats.frames import FrameTemplate, UdpFlow, node_mac
from nodes.metrics import Counter, HistogramRow
from nodes.stock.capture_file import NoOutputDirectory
from nodes.stock.receiver import Receiver
from orchestrator.captures import read_capture
from shm.histogram import bucket_bounds
from tests.bench import BEGIN, Bench, Layer
from tests.layers import Floor

FLOWS = [FrameTemplate(UdpFlow(node_mac(1), b"\xff" * 6, 1, 2, 3, number), number) for number in range(2)]
FOREIGN = b"\xff" * 6 + bytes(54)


def stamped(*numbers: int, flow: int = 0, size: int = 200, planned: int = BEGIN) -> list[bytes]:
    sequence = np.array(numbers, np.uint64)
    built = FLOWS[flow].build(size, sequence, np.full(len(numbers), planned, np.uint64))
    return [frame.tobytes() for frame in built]


def bench(output: Path | None = None, **options: Any) -> Bench:
    layers: dict[str, Layer] = {"sink": (Receiver, options), "floor": Floor}
    return Bench(layers, ["sink -> floor"], output=output).start()


def deliver(stack: Bench, *frames: bytes) -> None:
    stack.driver("floor", Floor).indicate(*frames)
    stack.settle()


def counts(stack: Bench) -> dict[str, int]:
    """Return what the receiver counted of frames, without zeros."""
    of = (
        Counter.RECEIVED,
        Counter.CORRUPT,
        Counter.OUT_OF_ORDER,
        Counter.FOREIGN,
        Counter.MISSING,
        Counter.REPEATED,
        Counter.DROPPED,
    )
    return {counter.name: count for counter in of if (count := stack.counter("sink", counter))}


def test_frames_in_order_leave_nothing_to_complain_about() -> None:
    stack = bench()
    deliver(stack, *stamped(0, 1, 2), *stamped(0, 1, flow=1))
    deliver(stack, *stamped(3, 4))
    assert counts(stack) == {"RECEIVED": 7}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1], {"MISSING": 1}),
        ([0, 1, 4], {"MISSING": 2}),
        ([0, 2, 1, 3], {"OUT_OF_ORDER": 1}),
        ([3, 2, 1, 0], {"OUT_OF_ORDER": 3}),
        ([0, 1, 1, 2], {"REPEATED": 1}),
        ([2, 0, 2], {"MISSING": 1, "OUT_OF_ORDER": 1, "REPEATED": 1}),
    ],
)
def test_gaps_lateness_and_repetition_are_told_apart(numbers: list[int], expected: dict[str, int]) -> None:
    together, one_by_one = bench(), bench()
    deliver(together, *stamped(*numbers))
    for number in numbers:
        deliver(one_by_one, *stamped(number))
    assert counts(together) == counts(one_by_one) == {"RECEIVED": len(numbers), **expected}


def test_a_gap_closes_when_the_late_frame_comes() -> None:
    stack = bench()
    deliver(stack, *stamped(0, 2))
    assert counts(stack) == {"RECEIVED": 2, "MISSING": 1}
    deliver(stack, *stamped(1))
    assert counts(stack) == {"RECEIVED": 3, "OUT_OF_ORDER": 1}


def test_foreign_and_damaged_frames_are_counted_apart() -> None:
    stack = bench()
    [damaged] = stamped(1)
    deliver(stack, *stamped(0), FOREIGN, damaged[:150] + b"!" + damaged[151:])
    assert counts(stack) == {"RECEIVED": 3, "FOREIGN": 1, "CORRUPT": 1}


def test_one_way_latency_counts_from_the_planned_time() -> None:
    stack = bench()
    stack.run_for(5_000_000)
    deliver(stack, *stamped(0, 1, planned=BEGIN + 1_000_000), *stamped(2, planned=BEGIN + 9_000_000))
    low, high = bucket_bounds()
    rows = np.flatnonzero(stack.nodes["sink"].board.histograms[HistogramRow.ONE_WAY].counts).tolist()
    assert len(rows) == 2
    assert low[rows[1]] <= 4_000_000 < high[rows[1]]
    assert rows[0] == 0, "a frame from the future took no time"


def test_every_packet_goes_back_at_once() -> None:
    stack = bench()
    deliver(stack, *stamped(0, 1), FOREIGN)
    assert stack.held() == {}
    assert stack.in_use() == {}
    assert stack.kinds() == []


def test_a_slow_reader_keeps_packets_for_its_time() -> None:
    stack = bench(hold=1000)
    deliver(stack, *stamped(0, 1))
    stack.run_for(500)
    deliver(stack, *stamped(2))
    assert stack.held() == {"sink": 3}
    stack.run_for(500)
    assert stack.held() == {"sink": 1}
    stack.run_for(500)
    assert stack.held() == {}


def test_a_pause_returns_what_a_slow_reader_keeps() -> None:
    stack = bench(hold=1000)
    deliver(stack, *stamped(0, 1))
    stack.pause("sink")
    assert stack.in_use() == {}
    stack.run_out()
    assert stack.kinds() == []


def test_what_arrives_after_the_pause_goes_back_unseen() -> None:
    stack = bench()
    stack.pause("sink")
    deliver(stack, *stamped(0))
    assert counts(stack) == {"DROPPED": 1}
    assert stack.in_use() == {}


@pytest.mark.parametrize(("only", "kept"), [("all", [0, 1, 2, 3]), ("stamped", [0, 2]), ("foreign", [1, 3])])
def test_what_arrived_is_written_byte_for_byte(tmp_path: Path, only: str, kept: list[int]) -> None:
    frames = [*stamped(0), FOREIGN, *stamped(1, size=70), b"longer than one cell " * 200]
    stack = bench(tmp_path, write="sub/{node}.pcapng", only=only)
    deliver(stack, *frames[:2])
    stack.run_for(1000)
    deliver(stack, frames[2])
    stack.driver("floor", Floor).indicate_long(frames[3])
    stack.settle()
    stack.pause("sink")
    capture = read_capture(tmp_path / "sub" / "sink.pcapng")
    assert [capture.frame(index) for index in range(len(capture))] == [frames[index] for index in kept]
    times = [BEGIN, BEGIN, BEGIN + 1000, BEGIN + 1000]
    assert capture.times_ns.tolist() == [times[index] for index in kept]
    assert stack.in_use() == {}


def test_writing_without_an_output_directory_is_refused() -> None:
    stack = Bench({"sink": (Receiver, {"write": "sink.pcapng"}), "floor": Floor}, ["sink -> floor"])
    [answer] = stack.command("sink", "initialize")
    assert answer["error"].startswith(f"{NoOutputDirectory.__name__}: sink is to write sink.pcapng")


def test_a_file_outside_the_output_directory_is_refused(tmp_path: Path) -> None:
    layers: dict[str, Layer] = {"sink": (Receiver, {"write": "../sink.pcapng"}), "floor": Floor}
    stack = Bench(layers, ["sink -> floor"], output=tmp_path)
    [answer] = stack.command("sink", "initialize")
    assert answer["error"].startswith("ValueError: ../sink.pcapng is not below the output directory")
