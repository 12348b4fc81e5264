"""What each level of checking adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodes.metrics import Counter
from nodes.ndis import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status
from tests.bench import Bench
from tests.layers import Floor, Teller


class Twice(Floor):
    """A bottom that completes twice."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)  # first
        adapter.send_net_buffer_lists_complete(chain)  # second


class Keeping(Teller):
    """A protocol that keeps what comes back."""

    def free(self, chain: NblChain) -> None:
        pass


class Peeking(Floor):
    """A bottom that looks at data it has completed."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        data = chain[0].data
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
        self.first = bytes(data)  # looked


def line(comment: str) -> str:
    """Return ``file:line`` of the line here that ends with a comment."""
    lines = Path(__file__).read_text().splitlines()
    (number,) = [number for number, text in enumerate(lines, 1) if text.endswith(f"  # {comment}")]
    return f"{__file__}:{number}"


def events(bench: Bench) -> list[dict[str, Any]]:
    """Return the violations that were reported."""
    return [event for _, event in bench.events if event["kind"] == "violation"]


def twice(level: int) -> Bench:
    """Return a stack whose bottom has completed one packet twice."""
    bench = Bench({"top": Teller, "nic": Twice}, ["top -> nic"], level=level).start()
    bench.driver("top", Teller).send(1)
    bench.settle()
    return bench


def test_nothing_is_reported_at_level_off_and_duplicates_still_count() -> None:
    bench = twice(0)
    assert events(bench) == []
    assert bench.counter("nic", Counter.DUPLICATED) + bench.counter("top", Counter.DUPLICATED) == 1
    assert len(bench.driver("top", Teller).back) == 1


def test_the_neighbour_is_named() -> None:
    [event] = events(twice(1))
    assert (event["rule"], event["peer"]) == ("N6-SEND-10", "top")
    assert "given" not in event


def test_from_level_history_on_the_first_hand_over_is_named_too() -> None:
    [event] = events(twice(3))
    assert event["given"] == (line("first"),)
    assert event["where"] == line("second")
    assert "stack" not in event


def test_at_level_stacks_the_whole_way_is_told() -> None:
    [event] = events(twice(4))
    assert event["stack"][0] == line("second")


@pytest.mark.rule("N6-NBL-12")
def test_leaks_are_scanned_for_from_level_leaks_on_with_their_places() -> None:
    for level, wanted in [(1, []), (2, ["N6-NBL-12"])]:
        bench = Bench({"top": Keeping, "nic": Floor}, ["top -> nic"], level=level).start()
        bench.driver("top", Keeping).send(3)
        bench.settle()
        bench.stop()
        found = [event for event in events(bench) if event["rule"] == "N6-NBL-12"]
        assert [event["rule"] for event in found] == wanted
        assert bench.counter("top", Counter.LEAKED) == 3
        if found:
            assert "3 slots" in found[0]["message"]
            assert "tests/layers.py:" in found[0]["message"]


@pytest.mark.rule("N6-SEND-14")
def test_a_driver_that_uses_a_dead_view_is_told_so_and_goes_on() -> None:
    bench = Bench({"top": Teller, "nic": Peeking}, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    top.send(1)
    bench.settle()
    [event] = events(bench)
    assert (event["rule"], event["where"], event["handle"]) == ("N6-SEND-14", line("looked"), top.sent[0])
    top.send(1)
    bench.settle()
    assert len(top.back) == 2
