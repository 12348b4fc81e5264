"""Every kind of layer keeps the contract of sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodes.stock.loopback import Loopback
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from nodes.stock.tracer import Tracer
from tests.bench import Bench, Layer
from tests.conformance import sends
from tests.layers import Floor, Gate, Teller

PASSING: dict[str, Layer] = {
    "pass-through": PassThrough,
    "tracer": Tracer,
    "mux": Mux,
    "gate": Gate,
}
BOTTOMS: dict[str, Layer] = {
    "floor": Floor,
    "loopback": Loopback,
    "loopback without packets": (Loopback, {"pool": 1}),
    "miniport": StockMiniport,
    "slow miniport": (StockMiniport, {"link": 1_000_000, "ring": 8}),
    "early miniport": (StockMiniport, {"complete": "early"}),
}
Make = Callable[..., Bench]


def layered(layer: Layer, tmp_path: Path, depth: int = 1, **floor: Any) -> Bench:
    """Return top -> depth layers of one kind -> floor."""
    middle = {f"layer{number}": layer for number in range(depth)}
    layers: dict[str, Layer] = {"top": Teller, **middle, "floor": (Floor, floor)}
    return Bench(layers, [" -> ".join(layers)], output=tmp_path, shuffled=True)


@pytest.fixture(params=PASSING)
def passing(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Make benches with a layer that passes sends on, of every kind."""
    return lambda **options: layered(PASSING[request.param], tmp_path, **options)


@pytest.fixture(params=BOTTOMS)
def bottom(request: pytest.FixtureRequest) -> Make:
    """Make benches that end in a miniport, of every kind."""
    return lambda: Bench({"top": Teller, "bottom": BOTTOMS[request.param]}, ["top -> bottom"])


def test_passing_layers_see_each_send_completed_once(passing: Make) -> None:
    sends.every_send_completes_once_with_an_allowed_status(passing())


def test_passing_layers_end_what_waits_when_paused(passing: Make) -> None:
    sends.a_pause_ends_what_waits_and_waits_for_what_is_below(passing(hold=True), "layer0")


def test_passing_layers_hold_nothing_after_the_pause(passing: Make) -> None:
    sends.nothing_is_held_after_the_pause(passing())


def test_passing_layers_leave_the_source_handle_as_it_was(passing: Make) -> None:
    sends.the_originator_finds_its_source_handle_again(passing(depth=3))


def test_passing_layers_keep_the_order_of_submission(passing: Make) -> None:
    sends.the_bottom_sees_sends_in_the_order_of_submission(passing(depth=3))


def test_passing_layers_copy_no_payload(passing: Make) -> None:
    sends.the_bottom_sees_the_very_packet_and_its_cell(passing(depth=3, hold=True))


def test_passing_layers_pass_cancels_on(passing: Make) -> None:
    sends.a_cancelled_send_comes_back_once_and_others_are_left_alone(passing(hold=True))


def test_bottoms_complete_each_send_once(bottom: Make) -> None:
    sends.every_send_completes_once_with_an_allowed_status(bottom())


def test_bottoms_hold_nothing_after_the_pause(bottom: Make) -> None:
    sends.nothing_is_held_after_the_pause(bottom())


def test_bottoms_leave_the_source_handle_as_it_was(bottom: Make) -> None:
    sends.the_originator_finds_its_source_handle_again(bottom())


def test_bottoms_reject_sends_while_paused(bottom: Make) -> None:
    sends.sends_to_a_paused_layer_come_back_with_paused(bottom(), "bottom")


def test_a_paused_mux_rejects_sends() -> None:
    bench = Bench({"top": Teller, "mux": Mux, "floor": Floor}, ["top -> mux -> floor"])
    sends.sends_to_a_paused_layer_come_back_with_paused(bench, "mux")


def test_every_layer_kind_is_under_test() -> None:
    classes = [layer[0] if isinstance(layer, tuple) else layer for layer in (PASSING | BOTTOMS).values()]
    kinds = {driver.kind for driver in classes}
    assert kinds | {Teller.kind} == {"protocol", "filter", "intermediate", "miniport"}
