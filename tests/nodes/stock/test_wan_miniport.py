"""Two stacks joined by WAN links: everything arrives in order, completes once, and loss takes only what it must."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.irql import Irql
from nodes.metrics import Counter
from nodes.status import Status
from nodes.stock.ndiswan import NdisWan, NdisWanOptions
from nodes.stock.receiver import Receiver
from nodes.stock.traffic import Traffic
from nodes.stock.wan_miniport import StockWanMiniport
from nodes.wan.records import WanInfo
from tests.bench import Bench, Layer

SPEEDS = (2_000_000, 5_000_000, 20_000_000)


def pair(
    packets: int = 200,
    *,
    size: str = "1000",
    links: int = 3,
    shuffled: bool = False,
    ndiswan: dict[str, Any] | None = None,
    **link: Any,
) -> Bench:
    """Return two running stacks, the first one sending to the second over some links of different speed."""
    layers: dict[str, Layer] = {
        "sender": (Traffic, {"packets": packets, "size": size, "window": 64}),
        "wan-a": (NdisWan, ndiswan or {}),
        "sink": Receiver,
        "wan-b": (NdisWan, ndiswan or {}),
    }
    bindings, wires = ["sender -> wan-a", "sink -> wan-b"], []
    for number in range(links):
        for side in "ab":
            layers[f"{side}{number}"] = (StockWanMiniport, {"speed": SPEEDS[number], **link})
            bindings.append(f"wan-{side} -> {side}{number}")
        wires.append((f"a{number}", f"b{number}"))
    return Bench(layers, bindings, wires=wires, shuffled=shuffled).start()


def run_out(bench: Bench) -> Bench:
    """Let everything arrive and stop."""
    bench.run_out()
    bench.stop()
    return bench


def all_arrived(bench: Bench, packets: int = 200) -> None:
    counts = {
        kind: bench.counter("sink", kind)
        for kind in (Counter.RECEIVED, Counter.CORRUPT, Counter.OUT_OF_ORDER, Counter.FOREIGN)
    }
    assert list(counts.values()) == [packets, 0, 0, 0]
    assert bench.statuses("sender") == {"SUCCESS": packets}
    assert bench.kinds() == [("sender", "done")]
    assert bench.in_use() == bench.held() == {}


@pytest.mark.parametrize("spread", ["soonest", "weights"])
@pytest.mark.parametrize("multilink", ["long", "short"])
def test_a_bundle_delivers_everything_in_order(spread: str, multilink: str) -> None:
    bench = pair(ndiswan={"spread": spread, "multilink": multilink})
    all_arrived(run_out(bench))
    assert min(bench.counter(f"a{number}", Counter.WIRE_SENT) for number in range(3)) > 0


@pytest.mark.parametrize("seed_like", range(2))
@pytest.mark.parametrize("size", ["imix", "70..1514"])
def test_sizes_and_order_of_polls_make_no_difference(size: str, seed_like: int) -> None:
    all_arrived(run_out(pair(size=size, shuffled=bool(seed_like), ndiswan={"fragment": 0})))


def test_one_link_needs_no_multilink() -> None:
    all_arrived(run_out(pair(links=1, ndiswan={"multilink": "off"})))


def test_bridged_frames_arrive_too() -> None:
    all_arrived(run_out(pair(ndiswan={"bridge": True})))


@pytest.mark.rule("WAN-SND-01", "WAN-SND-06", "WAN-SND-14")
@pytest.mark.parametrize("serialised", [True, False])
@pytest.mark.parametrize("complete", ["wire", "copied", "random"])
def test_sends_may_complete_at_once_or_when_they_have_left(complete: str, serialised: bool) -> None:
    all_arrived(run_out(pair(complete=complete, serialised=serialised)))


@pytest.mark.rule("WAN-SND-06")
def test_a_copied_send_completes_before_it_has_left() -> None:
    bench = pair(1, links=1, complete="copied")
    bench.settle()
    assert bench.statuses("sender") == {"SUCCESS": 1}
    assert bench.counter("a0", Counter.WIRE_SENT) == 0


@pytest.mark.rule("WAN-SND-11")
def test_nothing_that_is_sent_comes_back_to_its_sender() -> None:
    bench = run_out(pair())
    assert bench.counter("sender", Counter.RECEIVED) == 0
    assert [bench.counter(f"b{number}", Counter.WIRE_SENT) for number in range(3)] == [0, 0, 0]


@pytest.mark.rule("WAN-SND-09", "WAN-RCV-02")
@pytest.mark.parametrize("level", [Irql.PASSIVE, Irql.DISPATCH])
def test_the_stock_miniport_keeps_to_the_levels(level: Irql) -> None:
    bench = pair(serialised=level is Irql.DISPATCH)
    all_arrived(run_out(bench))


@pytest.mark.rule("WAN-LNK-02")
def test_a_slow_dial_keeps_the_question_for_the_call_until_the_line_is_up() -> None:
    bench = pair(links=1, dial=5_000_000)
    bench.run_for(4_000_000)
    assert bench.statuses("sender") == {}
    all_arrived(run_out(bench))


@pytest.mark.rule("WAN-SND-02", "WAN-LNK-03")
def test_a_window_may_change_while_packets_flow() -> None:
    bench = pair(links=1)
    bench.run_for(20_000_000)
    bench.driver("a0", StockWanMiniport).change(window=1, speed=10_000_000)
    all_arrived(run_out(bench))


@pytest.mark.rule("WAN-LNK-04")
def test_a_line_that_goes_down_takes_no_completion_along() -> None:
    bench = pair()
    bench.run_for(20_000_000)
    bench.driver("a1", StockWanMiniport).disconnect()
    bench.run_out()
    assert sum(bench.statuses("sender").values()) == 200
    assert bench.kinds() == [("sender", "done")]
    bench.stop()
    assert bench.in_use() == bench.held() == {}


def test_a_pause_lets_what_was_accepted_leave() -> None:
    bench = pair()
    bench.run_for(5_000_000)
    bench.stop()
    assert bench.in_use() == bench.held() == {}
    assert set(bench.statuses("sender")) <= {"SUCCESS", "PAUSED"}


def test_properties_are_those_of_the_options() -> None:
    bench = pair(1, max_transmit=3, max_frame=700, padding=5)
    assert bench.driver("a0", StockWanMiniport).wan_info() == WanInfo(700, 3, 5, 5)
    all_arrived(run_out(bench), 1)


def test_too_short_fragments_are_told() -> None:
    assert NdisWanOptions(fragment=8).problems()
    assert not NdisWanOptions(fragment=0).problems()


def test_statuses_of_wan_lines_have_their_windows_values() -> None:
    assert (Status.WAN_LINE_UP, Status.WAN_CO_LINKPARAMS) == (0x40010008, 0x40010016)
