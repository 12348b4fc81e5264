from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.packets.chain import Nbl, NblChain
from nodes.status import Status
from shm.arena import CELL_LENGTH
from tests.nodes.hands import Hands, rows


@pytest.fixture
def hands() -> Hands:
    return Hands()


@given(st.data())
def test_splitting_and_joining_keeps_every_packet_and_the_order(data: st.DataObject) -> None:
    chain = Hands().allocate(12)
    cuts = sorted(data.draw(st.lists(st.integers(0, 12), max_size=5)))
    parts = [chain[start:stop] for start, stop in zip([0, *cuts], [*cuts, 12], strict=True)]
    assert NblChain.join(parts).handles.tolist() == chain.handles.tolist()
    order = data.draw(st.permutations(range(12)))
    assert chain[np.array(order)].handles.tolist() == [chain[index].handle for index in order]
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12)))
    assert len(chain[mask]) + len(chain[~mask]) == 12


def test_a_packet_is_in_a_chain_only_once(hands: Hands) -> None:
    chain = hands.allocate(3)
    with pytest.raises(ValueError, match="only once"):
        chain[np.array([0, 1, 0])]
    with pytest.raises(ValueError, match="only once"):
        NblChain.join([chain, chain[1:2]])
    with pytest.raises(ValueError, match="at least one"):
        NblChain.join([])


def test_one_packet_is_picked_by_any_kind_of_whole_number(hands: Hands) -> None:
    chain = hands.allocate(3)
    picked: Any = chain[np.int64(2)]  # type: ignore[call-overload]
    assert isinstance(picked, Nbl)
    assert picked.handle == chain[-1].handle == [nbl.handle for nbl in chain][2]
    with pytest.raises(IndexError):
        chain[3]


@pytest.mark.parametrize("name", ["status", "flags", "cancel_id", "source_handle", "packet_id", "length"])
def test_a_field_is_written_for_all_packets_or_for_each(hands: Hands, name: str) -> None:
    chain = hands.allocate(3)
    setattr(chain, name, 9)
    assert getattr(chain, name).tolist() == [9, 9, 9]
    setattr(chain[1:], name, np.array([1, 2], np.uint32))
    assert getattr(chain, name).tolist() == [9, 1, 2]
    assert hands.complaints == []


TOUCHES: list[Callable[[NblChain], Any]] = [
    lambda chain: chain.status,
    lambda chain: setattr(chain, "status", Status.FAILURE),
    lambda chain: chain.length,
    lambda chain: chain.header(14),
    lambda chain: chain.write(np.zeros(14, np.uint8)),
    lambda chain: chain.rows(14),
    lambda chain: chain[0].status,
    lambda chain: setattr(chain[0], "status", 0),
    lambda chain: chain[0].data,
    lambda chain: next(chain[0].net_buffers),
]


@pytest.mark.parametrize("touch", TOUCHES)
def test_touching_a_packet_that_was_given_away_is_a_violation(
    hands: Hands, touch: Callable[[NblChain], Any]
) -> None:
    chain = hands.give_away(hands.allocate(1))
    touch(chain)
    assert set(hands.complaints) == {("N6-SEND-03", chain[0].handle)}


def test_a_view_kept_over_hand_over_is_caught_at_the_next_look(hands: Hands) -> None:
    chain = hands.allocate(1)
    buffer = next(chain[0].net_buffers)
    hands.give_away(chain)
    assert list(buffer.pieces)
    assert set(hands.complaints) == {("N6-SEND-03", chain[0].handle)}


def test_only_the_packet_that_was_given_away_is_blamed(hands: Hands) -> None:
    chain = hands.allocate(3)
    hands.give_away(chain[1:2])
    chain.status = Status.FAILURE
    assert hands.complaints == [("N6-SEND-03", chain[1].handle)]


@pytest.mark.parametrize("backfill", [0, 40])
def test_bytes_written_are_the_bytes_read_whichever_way(hands: Hands, backfill: int) -> None:
    chain = hands.allocate(2, 6, backfill=backfill)
    chain.write(rows(b"abcdef", b"ghijkl"))
    assert chain.header(4).tobytes() == b"abcdghij"
    assert [bytes(nbl.data) for nbl in chain] == [b"abcdef", b"ghijkl"]
    chain.write(rows(b"XY")[0])
    assert [bytes(nbl.data) for nbl in chain] == [b"XYcdef", b"XYijkl"]


def test_rows_are_the_payloads_where_they_lie(hands: Hands) -> None:
    chain = hands.allocate(4, 6, backfill=3)
    view = chain.rows(6)
    assert view is not None
    view[2] = rows(b"inside")[0]
    assert bytes(chain[2].data) == b"inside"
    assert chain.rows(6) is not None
    assert chain[np.array([1, 0])].rows(6) is None
    assert chain[::2].rows(6) is None
    assert chain[:0].rows(6) is None


def test_an_empty_chain_has_no_bytes_and_takes_none(hands: Hands) -> None:
    chain = hands.allocate(2)[:0]
    chain.write(np.zeros((0, 14), np.uint8))
    chain.status = Status.FAILURE
    assert chain.header(14).shape == (0, 14)
    assert list(chain) == []


@pytest.mark.parametrize("length", [0, 61, CELL_LENGTH + 1])
def test_a_write_that_the_data_has_no_room_for_is_refused(hands: Hands, length: int) -> None:
    chain = hands.allocate(1, 60)
    with pytest.raises(ValueError, match=r"do not (fit|lie)"):
        chain.write(np.ones((1, length), np.uint8))
    assert not any(chain[0].data)


@pytest.mark.parametrize("backfill", [0, 100])
def test_data_can_be_made_as_long_as_its_cell_and_no_longer(hands: Hands, backfill: int) -> None:
    chain = hands.allocate(2, 60, backfill=backfill)
    chain.length = CELL_LENGTH - backfill
    assert [len(nbl.data) for nbl in chain] == [CELL_LENGTH - backfill] * 2
    with pytest.raises(ValueError, match=f"end at byte {CELL_LENGTH + 1}"):
        chain.length = np.array([7, CELL_LENGTH - backfill + 1], np.uint32)
    assert chain.length.tolist() == [CELL_LENGTH - backfill] * 2


def test_data_over_several_mdls_is_one_piece_of_bytes(hands: Hands) -> None:
    chain = hands.allocate(1, 4, backfill=2)
    hands.extend(chain, [3, 5], as_net_buffers=False)
    [buffer] = chain[0].net_buffers
    for piece, text in zip(buffer.pieces, [b"abcd", b"efg", b"hijkl"], strict=True):
        piece[:] = text
    assert (buffer.data_offset, buffer.data_length) == (2, 12)
    assert [mdl.byte_count for mdl in buffer.mdls] == [6, 3, 5]
    assert chain[0].data == b"abcdefghijkl"


def test_data_that_starts_behind_the_first_mdl_skips_it(hands: Hands) -> None:
    chain = hands.allocate(1, 4)
    hands.extend(chain, [6], as_net_buffers=False)
    slot = int(chain.slots[0])
    next(next(chain[0].net_buffers).mdls).view[:] = b"abcd"
    list(next(chain[0].net_buffers).mdls)[1].view[:] = b"efghij"
    hands.arena.nb_offset[slot], hands.arena.nb_length[slot] = 5, 4
    data = chain[0].data
    assert bytes(data) == b"fghi"
    assert isinstance(data, memoryview)


def test_every_net_buffer_of_a_packet_has_data_of_its_own(hands: Hands) -> None:
    chain = hands.allocate(1, 3)
    hands.extend(chain, [2, 4], as_net_buffers=True)
    for buffer, text in zip(chain[0].net_buffers, [b"one", b"12", b"four"], strict=True):
        next(buffer.pieces)[:] = text
    assert [bytes(buffer.data) for buffer in chain[0].net_buffers] == [b"one", b"12", b"four"]
    hands.pool.free(hands.give_away(chain).handles)
    assert hands.pool.free_count == hands.pool.size
