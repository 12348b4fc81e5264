"""Frames are read whole, wherever their bytes lie."""

from __future__ import annotations

import numpy as np

from nodes.packets.chain import NblChain
from nodes.stock.frame_rows import cells_for, frame_rows
from tests.bench import Bench
from tests.layers import Floor, Teller, extend


def bench() -> Bench:
    return Bench({"top": Teller, "floor": Floor}, ["top -> floor"]).start()


def frames(stack: Bench, chain: NblChain) -> list[tuple[int, bytes]]:
    """Return each frame with the place of its packet."""
    read = frame_rows(stack.nodes["top"].arena, chain)
    return [
        (packet, read.rows[index, :length].tobytes())
        for packet, index, length in zip(
            read.packet.tolist(), read.index.tolist(), read.lengths.tolist(), strict=True
        )
    ]


def test_frames_of_one_cell_are_read_where_they_lie() -> None:
    stack = bench()
    chain = stack.nodes["top"].allocate(2, np.array([5, 3], np.uint32))
    chain.write(np.frombuffer(b"abc", np.uint8))
    read = frame_rows(stack.nodes["top"].arena, chain)
    assert read.rows is stack.nodes["top"].arena.cells
    assert [data[:3] for _, data in frames(stack, chain)] == [b"abc", b"abc"]
    assert read.block().shape == (2, 5)


def test_a_frame_that_starts_inside_its_cell_is_read_from_there() -> None:
    stack = bench()
    chain = stack.nodes["top"].allocate(1, 4, backfill=10)
    chain.write(np.frombuffer(b"data", np.uint8))
    assert frames(stack, chain) == [(0, b"data")]


def test_each_buffer_of_a_packet_is_a_frame_in_order() -> None:
    stack = bench()
    pool = stack.nodes["top"].pool
    chain = stack.nodes["top"].allocate(3, 2)
    chain.write(np.frombuffer(b"--", np.uint8))
    extend(pool, chain[1:2], [b"b1", b"b22"], as_net_buffers=True)
    extend(pool, chain[2:3], [b"c1", b"c22"], as_net_buffers=False)
    assert frames(stack, chain) == [(0, b"--"), (1, b"b1"), (1, b"b22"), (2, b"c1c22")]


def test_frames_are_picked_by_a_mask() -> None:
    stack = bench()
    chain = stack.nodes["top"].allocate(3, np.array([7, 8, 9], np.uint32))
    picked = frame_rows(stack.nodes["top"].arena, chain).pick(np.array([True, False, True]))
    assert picked.lengths.tolist() == [7, 9]
    assert picked.packet.tolist() == [0, 2]


def test_an_empty_frame_takes_a_cell_too() -> None:
    assert [cells_for(length) for length in (0, 1, 2048, 2049, 4096)] == [1, 1, 1, 2, 2]
