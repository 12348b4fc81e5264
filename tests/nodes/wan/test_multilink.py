"""Multilink: headers read back, packets come out whole and in order, and loss takes only what it must."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.wan.multilink import LONG, SHORT, Fragment, Reassembler, SequenceFormat, headers, parse
from nodes.wan.ppp import MalformedPpp


def fragments(packets: list[bytes], size: int, first: int = 0) -> list[Fragment]:
    """Cut packets into numbered fragments of at most `size` bytes."""
    found: list[Fragment] = []
    for packet in packets:
        starts = range(0, max(len(packet), 1), size)
        for start in starts:
            found.append(
                Fragment(start == 0, start == starts[-1], first + len(found), packet[start : start + size])
            )
    return found


@pytest.mark.parametrize("form", [LONG, SHORT])
def test_headers_can_be_read_back(form: SequenceFormat) -> None:
    begin, end = np.array([True, False, False]), np.array([False, False, True])
    rows = headers(begin, end, np.array([form.modulus - 1, form.modulus, 7]), form)
    read = [parse(row.tobytes() + b"data", form) for row in rows]
    assert read == [
        Fragment(True, False, form.modulus - 1, b"data"),
        Fragment(False, False, 0, b"data"),
        Fragment(False, True, 7, b"data"),
    ]


def test_the_long_header_has_the_bits_of_rfc_1990() -> None:
    rows = headers(np.array([True]), np.array([True]), np.array([0x123456]))
    assert rows.tobytes() == b"\xc0\x12\x34\x56"


def test_a_header_cut_short_is_refused() -> None:
    with pytest.raises(MalformedPpp, match="cut short"):
        parse(b"\xc0\0\0")


@given(
    packets=st.lists(st.binary(min_size=1, max_size=40), max_size=12),
    size=st.integers(1, 20),
    links=st.integers(1, 4),
    first=st.sampled_from([0, SHORT.modulus - 5]),
    data=st.data(),
)
def test_whatever_way_links_interleave_packets_come_out_whole_and_in_order(
    packets: list[bytes], size: int, links: int, first: int, data: st.DataObject
) -> None:
    reassembler = Reassembler(SHORT)
    for number in range(first):
        reassembler.take(0, Fragment(True, True, number % SHORT.modulus, b""))
    for link in range(links):
        reassembler.join(link)
    lanes: list[list[Fragment]] = [[] for _ in range(links)]
    for fragment in fragments(packets, size, first):
        lane = data.draw(st.integers(0, links - 1))
        lanes[lane].append(fragment._replace(sequence=fragment.sequence % SHORT.modulus))
    out: list[bytes] = []
    while any(lanes):
        link = data.draw(st.sampled_from([number for number, lane in enumerate(lanes) if lane]))
        out += reassembler.take(link, lanes[link].pop(0))
    for link in range(links):
        out += reassembler.leave(link)
    assert out == packets
    assert reassembler.lost == reassembler.late == reassembler.dropped == 0


@given(
    packets=st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=10),
    lost=st.sets(st.integers(0, 30)),
)
def test_with_loss_exactly_the_packets_without_a_lost_fragment_come_out(
    packets: list[bytes], lost: set[int]
) -> None:
    sent = fragments(packets, 8)
    lost &= set(range(len(sent)))
    reassembler = Reassembler()
    out: list[bytes] = []
    for fragment in sent:
        if fragment.sequence not in lost:
            out += reassembler.take(fragment.sequence % 2, fragment)
    while reassembler.gap is not None:
        out += reassembler.give_up()
    owner = [index for index, packet in enumerate(packets) for _ in range(max(-(-len(packet) // 8), 1))]
    hit = {owner[number] for number in lost}
    assert out == [packet for index, packet in enumerate(packets) if index not in hit]


def test_a_fragment_counts_as_lost_once_every_link_has_delivered_a_later_one() -> None:
    reassembler = Reassembler()
    for link in "ab":
        reassembler.join(link)
    one, two, three = fragments([b"one", b"two", b"three"], 8)
    assert reassembler.take("a", two) == []
    assert reassembler.gap == 0
    assert reassembler.take("b", three) == [b"two", b"three"]
    assert reassembler.lost == 1
    assert reassembler.take("b", one) == []
    assert reassembler.late == 1


def test_a_link_that_leaves_holds_nothing_up() -> None:
    reassembler = Reassembler()
    for link in "ab":
        reassembler.join(link)
    assert reassembler.take("a", Fragment(True, True, 1, b"x")) == []
    assert reassembler.leave("b") == [b"x"]


def test_too_many_waiting_fragments_give_the_first_gap_up() -> None:
    reassembler = Reassembler(limit=2)
    reassembler.join("idle")
    out = [reassembler.take("a", Fragment(True, True, number, b"%d" % number)) for number in (1, 2, 3)]
    assert out == [[], [], [b"1", b"2", b"3"]]


def test_of_a_packet_with_a_lost_fragment_the_rest_is_dropped() -> None:
    reassembler = Reassembler()
    sent = fragments([b"abcdef", b"gh"], 2)
    out = [
        packet for fragment in sent if fragment.sequence != 1 for packet in reassembler.take("a", fragment)
    ]
    assert out == [b"gh"]
    assert (reassembler.lost, reassembler.dropped) == (1, 2)
