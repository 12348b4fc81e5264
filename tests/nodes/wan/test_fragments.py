"""Frames cut into pieces and written into cells read back as the frames they were."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.packets.chain import NblChain
from nodes.stock.frame_rows import frame_rows
from nodes.wan.fragments import cut, framing, write
from nodes.wan.multilink import LONG, Reassembler, parse
from nodes.wan.ppp import ethernet_of, protocol_of, unframed
from tests.nodes.hands import Hands

ADDRESSES = bytes(range(12))
IPV4, ARP = b"\x08\x00", b"\x08\x06"


def frames_of(hands: Hands, *frames: bytes, backfill: int = 0) -> NblChain:
    chains = [hands.allocate(1, len(frame), backfill=backfill) for frame in frames]
    for chain, frame in zip(chains, frames, strict=True):
        chain.write(np.frombuffer(frame, np.uint8))
    return NblChain.join(chains)


def travelled(hands: Hands, chain: NblChain, limit: int) -> list[bytes]:
    """Cut, write into fresh packets 40 bytes into their cells, and read those as a far end would."""
    pieces = cut(frame_rows(hands.arena, chain), chain.slots, limit)
    header = framing(pieces, 0, LONG)
    cells = hands.allocate(len(pieces), 0)
    write(pieces, header, hands.arena, cells.slots, 40)
    reassembler = Reassembler()
    out = []
    for slot, length in zip(cells.slots.tolist(), (pieces.lengths + header.shape[1]).tolist(), strict=True):
        frame = hands.arena.cells[slot, 40 : 40 + length].tobytes()
        protocol, information = protocol_of(unframed(frame))
        assert protocol == 0x3D
        assert length <= limit + header.shape[1]
        out += reassembler.take("link", parse(information))
    return [ethernet_of(packet, ADDRESSES) or b"" for packet in out]


@pytest.mark.parametrize("limit", [5, 16, 50, 2000])
@pytest.mark.parametrize("backfill", [0, 10])
def test_frames_of_any_length_and_type_arrive_as_they_were(limit: int, backfill: int) -> None:
    hands = Hands(200)
    frames = [ADDRESSES + kind + bytes(range(size)) for size in (0, 1, 37, 38, 100) for kind in (IPV4, ARP)]
    frames.append(b"short")
    chain = frames_of(hands, *frames, backfill=backfill)
    assert travelled(hands, chain, limit) == frames


def test_a_frame_over_several_buffers_is_one_frame() -> None:
    hands = Hands(64)
    chain = frames_of(hands, ADDRESSES + IPV4 + b"first")
    hands.extend(chain, [3], as_net_buffers=False)
    for view, data in zip(list(next(chain[0].net_buffers).pieces)[1:], [b"abc"], strict=True):
        view[:] = data
    assert travelled(hands, chain, 8) == [ADDRESSES + IPV4 + b"firstabc"]


def test_a_limit_without_room_for_a_prefix_is_refused() -> None:
    hands = Hands()
    chain = frames_of(hands, ADDRESSES + IPV4)
    with pytest.raises(ValueError, match="no room for a prefix"):
        cut(frame_rows(hands.arena, chain), chain.slots, 4)


def test_without_multilink_the_frame_stands_behind_address_and_control() -> None:
    hands = Hands()
    chain = frames_of(hands, ADDRESSES + IPV4 + b"packet")
    pieces = cut(frame_rows(hands.arena, chain), chain.slots, 1000)
    cells = hands.allocate(1, 0)
    write(pieces, framing(pieces, 0, None), hands.arena, cells.slots, 0)
    assert hands.arena.cells[cells.slots[0], :10].tobytes() == b"\xff\x03\x00\x21packet"
