"""The tracer writes down what passes and alters nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.stock.tracer import Tracer
from orchestrator.captures import Capture, read_capture
from tests.bench import BEGIN, Bench, Layer
from tests.layers import Floor, Teller

DOWN, UP = b"going down" + bytes(54), b"coming up" + bytes(55)


def bench(output: Path, **options: Any) -> Bench:
    layers: dict[str, Layer] = {"top": Teller, "watch": (Tracer, options), "floor": Floor}
    return Bench(layers, ["top -> watch -> floor"], output=output).start()


def traffic(stack: Bench) -> None:
    """Let two frames go down and one come up, a microsecond apart."""
    stack.driver("top", Teller).send(2, text=DOWN[:10])
    stack.settle()
    stack.run_for(1000)
    stack.driver("floor", Floor).indicate(UP)
    stack.settle()


def frames(capture: Capture) -> list[bytes]:
    return [capture.frame(index) for index in range(len(capture))]


@pytest.mark.parametrize(
    ("direction", "expected"), [("down", [DOWN, DOWN]), ("up", [UP]), ("both", [DOWN, DOWN, UP])]
)
def test_what_passes_in_a_direction_is_written(tmp_path: Path, direction: str, expected: list[bytes]) -> None:
    stack = bench(tmp_path, direction=direction)
    traffic(stack)
    stack.pause("watch")
    assert frames(read_capture(tmp_path / "watch.pcapng")) == expected


def test_frames_bear_the_time_at_which_they_passed(tmp_path: Path) -> None:
    stack = bench(tmp_path)
    traffic(stack)
    stack.stop()
    capture = read_capture(tmp_path / "watch.pcapng")
    assert capture.times_ns.tolist() == [BEGIN, BEGIN, BEGIN + 1000]
    assert [interface.name for interface in capture.interfaces] == ["watch down", "watch up"]


def test_every_packet_passes_as_it_was(tmp_path: Path) -> None:
    stack = bench(tmp_path)
    traffic(stack)
    top, floor = stack.driver("top", Teller), stack.driver("floor", Floor)
    assert floor.calls == [top.sent]
    assert floor.frames == [DOWN, DOWN]
    assert top.back == [(handle, "SUCCESS") for handle in top.sent]
    assert len(top.received) == 1
    stack.stop()
    assert stack.in_use() == {}
    assert stack.kinds() == []


def test_all_buffers_of_a_packet_are_written(tmp_path: Path) -> None:
    stack = bench(tmp_path, write="trace.pcapng")
    top = stack.driver("top", Teller)
    top.send_pieces([b"first" * 10, b"second" * 10], as_net_buffers=True)
    top.send_pieces([b"long" * 512, b"er"], as_net_buffers=False)
    stack.settle()
    stack.stop()
    found = frames(read_capture(tmp_path / "trace.pcapng"))
    assert found == [b"first" * 10, b"second" * 10, b"long" * 512 + b"er"]


def test_frames_are_cut_to_the_snap_length(tmp_path: Path) -> None:
    stack = bench(tmp_path, snaplen=16, direction="down")
    traffic(stack)
    stack.stop()
    data = (tmp_path / "watch.pcapng").read_bytes()
    assert data.count(DOWN[:16]) == 2
    assert DOWN[:20] not in data
