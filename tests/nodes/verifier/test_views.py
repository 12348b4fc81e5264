"""Views of a packet's bytes end when the packet leaves the driver's hands."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.verifier.views import POISON
from tests.nodes.hands import Hands, rows


@pytest.fixture
def hands() -> Hands:
    return Hands()


def stored(hands: Hands, slot: int, length: int) -> bytes:
    """Return what lies in a packet's cell in shared memory."""
    return hands.arena.cells[slot, :length].tobytes()


def test_what_is_written_through_a_view_is_stored_when_the_packet_leaves(hands: Hands) -> None:
    chain = hands.allocate(1, 6)
    view = chain[0].data
    view[:] = b"abcdef"  # type: ignore[index]
    hands.give_away(chain)
    assert stored(hands, int(chain.slots[0]), 6) == b"abcdef"


def test_vectors_and_views_show_the_same_bytes(hands: Hands) -> None:
    chain = hands.allocate(2, 4)
    view = chain[0].data
    view[:] = b"abcd"  # type: ignore[index]
    assert chain.header(4)[0].tobytes() == b"abcd"
    chain.write(rows(b"wxyz")[0])
    assert bytes(view) == b"wxyz"
    assert hands.complaints == []


@pytest.mark.rule("N6-SEND-03")
def test_a_view_of_a_packet_that_left_raises(hands: Hands) -> None:
    chain = hands.allocate(1, 6)
    view = chain[0].data
    hands.give_away(chain)
    with pytest.raises(ValueError, match="released memoryview"):
        bytes(view)
    assert hands.custody.views.ended([view]) == chain[0].handle


@pytest.mark.rule("N6-SEND-03")
def test_writing_through_an_array_kept_from_before_is_found_and_reaches_nobody(hands: Hands) -> None:
    chain = hands.allocate(1, 6)
    array = np.frombuffer(chain[0].data, np.uint8)
    hands.give_away(chain)
    assert array.tobytes() == bytes([POISON]) * 6
    hands.custody.views.look()
    assert hands.complaints == []
    array[2] = 7
    hands.custody.views.look()
    assert hands.complaints == [("N6-SEND-03", chain[0].handle)]
    assert stored(hands, int(chain.slots[0]), 6) == bytes(6)


def test_a_piece_cut_from_a_view_is_looked_after_until_it_is_gone(hands: Hands) -> None:
    chain = hands.allocate(1, 6)
    piece = memoryview(chain[0].data)[2:4]
    hands.give_away(chain)
    assert hands.custody.views.kept
    piece[0] = 1
    del piece
    hands.custody.views.look()
    assert hands.complaints == [("N6-SEND-03", chain[0].handle)]
    assert not hands.custody.views.kept


def test_views_that_nobody_keeps_cost_nothing_later(hands: Hands) -> None:
    chain = hands.allocate(3, 6)
    for nbl in chain:
        bytes(nbl.data)
    hands.give_away(chain)
    assert not hands.custody.views.live
    assert not hands.custody.views.kept


def test_only_the_bytes_that_were_changed_are_stored(hands: Hands) -> None:
    chain = hands.allocate(1, 6)
    view = chain[0].data
    hands.arena.cells[chain.slots[0], 5] = 9
    view[0] = 1  # type: ignore[index]
    hands.give_away(chain)
    assert stored(hands, int(chain.slots[0]), 6) == bytes([1, 0, 0, 0, 0, 9])


def test_rows_end_at_hand_over_from_level_history_on() -> None:
    hands = Hands(level=3)
    chain = hands.allocate(4, 8)
    block = chain.rows(8)
    assert block is not None
    block[:] = 5
    hands.give_away(chain)
    assert stored(hands, int(chain.slots[3]), 8) == bytes([5]) * 8
    block[1, 1] = 6
    hands.custody.views.look()
    assert hands.complaints == [("N6-SEND-03", chain[1].handle)]
    assert stored(hands, int(chain.slots[1]), 8) == bytes([5]) * 8


@pytest.mark.rule("N6-SEND-03")
def test_what_is_written_to_packets_that_are_not_held_is_dropped(hands: Hands) -> None:
    chain = hands.allocate(3, 4)
    hands.give_away(chain[1:2])
    chain.write(rows(b"abcd")[0])
    chain.status = 7
    chain.length = 2
    assert [stored(hands, slot, 4) for slot in chain.slots.tolist()] == [b"abcd", bytes(4), b"abcd"]
    assert hands.arena.status[chain.slots].tolist() == [7, 0, 7]
    assert hands.arena.nb_length[chain.slots].tolist() == [2, 4, 2]
    assert set(hands.complaints) == {("N6-SEND-03", chain[1].handle)}


def test_rows_of_packets_that_are_still_here_go_on() -> None:
    hands = Hands(level=3)
    chain = hands.allocate(4, 8)
    block = chain.rows(8)
    assert block is not None
    hands.give_away(chain[:2])
    block[2:] = 3
    hands.give_away(chain[2:])
    hands.custody.views.look()
    assert hands.complaints == []
    assert [stored(hands, slot, 1)[0] for slot in chain.slots.tolist()] == [0, 0, 3, 3]
    del block
    hands.custody.views.look()
    assert not hands.custody.views.kept
