"""Which link a packet takes, and when none has room."""

from __future__ import annotations

from typing import cast

import pytest

from nodes.crossings.port import Port
from nodes.wan.links import Link, Links, usable
from nodes.wan.records import CoLinkParameters, MacLineUp, WanInfo


class RoomyPort:
    """A port that never runs out of credits."""

    def room(self) -> int:
        return 1 << 30


def link(context: int, speed: int, *, window: int = 4, max_frame: int = 1600) -> Link:
    info = WanInfo(max_frame_size=max_frame, max_transmit=3)
    made = Link(cast(Port, RoomyPort()), context, context, info)
    made.line_up(MacLineUp(link_speed=speed // 100, send_window=window))
    return made


def filled(*links: Link) -> Links:
    found = Links()
    for one in links:
        found.add(one)
    return found


def taken(links: Links, length: int, count: int) -> list[int]:
    """Return the contexts of the links that packets of one length take at once."""
    found = []
    for _ in range(count):
        chosen = links.choose(length, 0)
        if chosen is None:
            break
        chosen.book(length, 0)
        found.append(chosen.context)
    return found


def test_packets_spread_by_speed() -> None:
    links = filled(link(1, 1_000_000, window=100), link(2, 3_000_000, window=100))
    found = taken(links, 500, 40)
    assert found.count(2) == 30
    assert found[:2] == [2, 2]


def test_a_full_window_leaves_the_packet_to_the_others_and_then_to_nobody() -> None:
    links = filled(link(1, 1_000_000, window=2), link(2, 9_000_000, window=1))
    assert taken(links, 500, 9) == [2, 1, 1]


def test_a_link_gets_no_frame_that_it_does_not_take() -> None:
    links = filled(link(1, 1_000_000, max_frame=100), link(2, 1_000, max_frame=1600))
    assert taken(links, 500, 3) == [2, 2, 2]
    assert links.max_frame_size == 100


@pytest.mark.rule("WAN-LNK-05")
def test_window_0_of_a_line_up_is_the_default_window() -> None:
    assert link(1, 1_000_000, window=0).window == 3


@pytest.mark.rule("WAN-LNK-06")
def test_window_0_of_condis_link_parameters_is_closed() -> None:
    one = link(1, 1_000_000)
    one.link_parameters(CoLinkParameters(1, 125_000, 125_000, 0))
    assert one.room == 0
    one.link_parameters(CoLinkParameters(1, 250_000, 125_000, 5))
    assert (one.room, one.speed) == (5, 2_000_000)


@pytest.mark.parametrize(
    "info",
    [WanInfo(max_frame_size=10), WanInfo(max_transmit=0), WanInfo(header_padding=400, tail_padding=200)],
)
def test_properties_with_which_no_packet_could_be_made_are_told(info: WanInfo) -> None:
    assert not usable(info)
    assert usable(WanInfo())
