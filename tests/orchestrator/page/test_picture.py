"""The picture of the stack: what is folded, where things stand, what stands beside them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from orchestrator.page.figures import per_second, short_count
from orchestrator.page.graph import fold, graph_of
from orchestrator.page.layout import CARD_HEIGHT, CARD_WIDTH, PAGE_WIDTH, Layout, arrange
from orchestrator.page.picture import Picture, picture_of
from orchestrator.report_model import Report
from tests.orchestrator.page.reports import (
    crossing,
    edge,
    fan_in,
    mesh,
    pairs,
    quickstart,
    small,
    stack,
    tangle,
)

SHAPES: dict[str, Callable[[], Report]] = {
    "two nodes": small,
    "quickstart": quickstart,
    "fan-in of 57": lambda: fan_in(57),
    "fan-in of 4": lambda: fan_in(4),
    "ten pairs": lambda: pairs(10),
    "two pairs": lambda: pairs(2),
    "tangle": tangle,
    "crossing": crossing,
    "no edges": lambda: stack({"one": "traffic", "other": "miniport"}, []),
}


def layout_of(report: Report) -> Layout:
    return arrange(graph_of(report))[1]


def rows(layout: Layout) -> list[list[str]]:
    """Return the cards from top to bottom and from left to right."""
    tops = sorted({top for _, top in layout.cards.values()})
    return [
        [key for _, key in sorted((x, key) for key, (x, y) in layout.cards.items() if y == top)]
        for top in tops
    ]


def words(picture: Picture) -> set[str]:
    return {label.text for label in picture.labels}


def test_protocols_stand_on_top_and_miniports_at_the_bottom() -> None:
    found = rows(layout_of(quickstart()))
    assert [set(row) for row in found] == [{"replay", "bulk", "sink"}, {"mux"}, {"nic0", "nic1"}]
    assert found[2] == ["nic0", "nic1"]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_two_cards_overlap_and_all_lie_inside(shape: str) -> None:
    layout = layout_of(SHAPES[shape]())
    for (ax, ay), (bx, by) in combinations(layout.cards.values(), 2):
        assert abs(ax - bx) >= CARD_WIDTH + 10 or abs(ay - by) >= CARD_HEIGHT + 10
    for x, y in layout.cards.values():
        assert -0.001 <= x <= layout.width - CARD_WIDTH + 0.001
        assert 0 <= y <= layout.height - CARD_HEIGHT + 0.001


@pytest.mark.parametrize("shape", SHAPES)
def test_lines_go_down_and_through_no_card(shape: str) -> None:
    layout = layout_of(SHAPES[shape]())
    for line in (line for line in layout.lines if line.link.kind != "wire"):
        ys = [y for _, y in line.points]
        assert ys == sorted(ys)
        others = [at for key, at in layout.cards.items() if key not in (line.link.upper, line.link.lower)]
        for (ax, ay), (bx, by) in zip(line.points, line.points[1:], strict=False):
            for x, y in others:
                beside = max(ax, bx) <= x or min(ax, bx) >= x + CARD_WIDTH
                assert beside or by <= y or ay >= y + CARD_HEIGHT


@pytest.mark.parametrize("shape", SHAPES)
def test_wires_that_overlap_lie_on_lanes_of_their_own(shape: str) -> None:
    spans = [line.points[1:3] for line in layout_of(SHAPES[shape]()).lines if line.link.kind == "wire"]
    for (a, b), (c, d) in combinations(spans, 2):
        apart = max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0])
        assert apart or a[1] != c[1]


def test_a_stack_that_fits_is_shown_whole() -> None:
    graph, layout = arrange(graph_of(fan_in(4)))
    assert all(len(card.names) == 1 for card in graph.cards.values())
    assert layout.width <= PAGE_WIDTH


def test_many_senders_alike_are_one_card_with_their_number() -> None:
    picture = picture_of(fan_in(57))
    pile = next(box for box in picture.boxes if box.several)
    assert (pile.name, pile.driver) == ("57 x traffic", "sender-0 to sender-56")
    assert [box.name for box in picture.boxes] == ["57 x traffic", "mux", "nic0", "nic1"]
    assert f"↓ {per_second(57 * 20_000, 2.0)}" in words(picture)
    assert picture.folded


def test_pairs_of_stacks_alike_are_folded_when_they_would_fill_pages() -> None:
    assert not picture_of(pairs(2)).folded
    picture = picture_of(pairs(10))
    assert {box.name for box in picture.boxes} == {
        "10 x traffic",
        "10 x receiver",
        "10 x pass-through",
        "10 x miniport",
    }


def test_wires_among_folded_nodes_are_told_under_them() -> None:
    assert f"wires among them: {per_second(20 * 24_000, 2.0)}" in words(picture_of(mesh(40)))


def test_a_node_that_differs_is_not_folded_with_the_others() -> None:
    report = fan_in(57)
    odd = report.nodes["sender-7"]
    bad = odd.model_copy(update={"counters": odd.counters | {"violations": 2}})
    report = report.model_copy(update={"nodes": report.nodes | {"sender-7": bad}})
    boxes = {box.name: box for box in picture_of(report).boxes}
    assert boxes["sender-7"].figure == "2 violations"
    assert boxes["sender-7"].broken
    assert not boxes["56 x traffic"].broken


def test_folding_tells_nodes_apart_by_what_is_around_them_not_only_by_their_drivers() -> None:
    report = stack(
        {"a": "traffic", "b": "traffic", "c": "traffic", "mux": "mux", "x": "miniport", "y": "miniport"},
        ["a -> mux", "b -> mux", "mux -> x", "c -> y"],
    )
    assert {card.names for card in fold(graph_of(report), 2).cards.values()} == {
        ("a", "b"),
        ("c",),
        ("mux",),
        ("x",),
        ("y",),
    }


def test_edges_say_what_went_down_and_up_and_what_is_open() -> None:
    whole = quickstart()
    odd = edge("mux", "nic0", sent=20_000, indicated=4_000).model_copy(update={"completed": 19_998})
    edges = [odd if (of.upper, of.lower) == ("mux", "nic0") else of for of in whole.edges]
    picture = picture_of(whole.model_copy(update={"edges": edges}))
    assert {"↓ 10.0 k/s", "↑ 2,000/s", "→ 10.0 k/s  ← 2,000/s  6 lost", "2 open"} <= words(picture)
    assert [label.text for label in picture.labels if label.alarm] == ["2 open"]


def test_labels_of_several_lines_from_one_card_name_where_they_lead() -> None:
    assert {"nic…eft ↓ 10.0 k/s", "nic…ght ↑ 2,000/s"} <= words(picture_of(crossing()))


def test_cards_say_how_long_packets_stayed_and_bars_compare_them() -> None:
    boxes = {box.name: box for box in picture_of(quickstart()).boxes}
    assert boxes["mux"].figure == "held 30us, p99 150us"
    assert boxes["bulk"].figure == "2,000 completed"
    assert (boxes["bulk"].p50, boxes["bulk"].p99) == (0, 0)
    assert 0 < boxes["mux"].p50 < boxes["mux"].p99 < boxes["nic1"].p99 == CARD_WIDTH - 20


def test_a_node_that_was_killed_stands_out() -> None:
    report = quickstart()
    dead = report.nodes["mux"].model_copy(update={"state": "Bugchecked"})
    boxes = {
        box.name: box
        for box in picture_of(report.model_copy(update={"nodes": report.nodes | {"mux": dead}})).boxes
    }
    assert (boxes["mux"].figure, boxes["mux"].broken) == ("bugchecked", True)


def test_a_long_name_loses_its_middle_and_is_whole_in_the_tip() -> None:
    boxes = picture_of(tangle()).boxes
    assert all(len(box.name) <= 17 for box in boxes)
    name = "top0-with-a-name-as-long-as-t"
    assert any(box.name.startswith("top0-wit") and box.title.startswith(name) for box in boxes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (3.25, "3.2"),
        (999.7, "1,000"),
        (9_999.4, "9,999"),
        (9_999.5, "10.0 k"),
        (134_065, "134 k"),
        (999_960, "1.00 M"),
        (3_741_000, "3.74 M"),
        (25e9, "25.0 G"),
    ],
)
def test_counts_are_short(value: float, text: str) -> None:
    assert short_count(value) == text


def test_a_rate_over_no_time_is_nothing() -> None:
    assert per_second(10, 0.0) == "0/s"
