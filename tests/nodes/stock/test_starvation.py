"""A source tells the longest time that it wanted to send, or had packets out, and got none back."""

from __future__ import annotations

from typing import Any

from nodes.faults.fault import MAX_FAULTS
from nodes.metrics import FIRST_FAULT, Counter
from nodes.stock.traffic import Traffic
from shm.board import COUNTERS
from tests.bench import Bench
from tests.layers import Floor

MS = 1_000_000


def held(**options: Any) -> Bench:
    """Return a stack whose lowest layer keeps every packet until it is told."""
    layers = {"bulk": (Traffic, options), "floor": (Floor, {"hold": True})}
    return Bench(layers, ["bulk -> floor"]).start()


def complete(stack: Bench, count: int) -> None:
    stack.driver("floor", Floor).complete(count)
    stack.settle()


def starved_ms(stack: Bench) -> float:
    return stack.counter("bulk", Counter.STARVED_US) / 1000


def test_the_longest_time_without_a_completion_counts() -> None:
    stack = held(window=64)
    for pause in (2, 5, 3):
        stack.run_for(pause * MS)
        complete(stack, 32)
    assert starved_ms(stack) == 5


def test_the_wait_that_is_going_on_at_the_end_counts() -> None:
    stack = held(window=64)
    stack.run_for(2 * MS)
    complete(stack, 32)
    stack.run_for(7 * MS)
    assert starved_ms(stack) == 2
    stack.command("bulk", "pause")
    assert starved_ms(stack) == 7


def test_a_paused_source_is_not_starved() -> None:
    stack = held(window=64)
    stack.run_for(2 * MS)
    stack.command("bulk", "pause")
    stack.run_for(30 * MS)
    complete(stack, 64)
    stack.run_for(30 * MS)
    stack.command("bulk", "restart")
    stack.run_for(MS)
    complete(stack, 64)
    assert starved_ms(stack) == 2


def test_between_planned_packets_nobody_waits_and_behind_them_everybody() -> None:
    stack = held(rate=100, packets=2)
    stack.run_for(MS)
    complete(stack, 1)
    stack.run_for(12 * MS)
    assert starved_ms(stack) == 1
    complete(stack, 1)
    assert starved_ms(stack) == 3
    stack.run_for(90 * MS)
    stack.command("bulk", "pause")
    assert starved_ms(stack) == 3


def test_a_source_whose_schedule_is_over_is_not_starved() -> None:
    stack = held(window=32, phases="4ms@max")
    stack.run_for(5 * MS)
    complete(stack, 32)
    stack.run_for(50 * MS)
    stack.command("bulk", "pause")
    assert starved_ms(stack) == 5


def test_a_flow_that_has_no_turn_is_named() -> None:
    stack = held(senders=2, window=32, burst=32)
    stack.run_for(3 * MS)
    complete(stack, 32)
    found = [stack.counter("bulk", row) for row in (Counter.FLOW_STARVED, Counter.FLOW_STARVED_US)]
    assert found == [1, 3000]
    stack.run_for(4 * MS)
    stack.command("bulk", "pause")
    found = [stack.counter("bulk", row) for row in (Counter.FLOW_STARVED, Counter.FLOW_STARVED_US)]
    assert found == [0, 7000]


def test_a_flow_without_planned_packets_wants_no_turn() -> None:
    stack = held(senders=2, rate=100, packets=2)
    stack.run_for(30 * MS)
    assert stack.counter("bulk", Counter.FLOW_STARVED_US) == 0


def test_a_source_that_never_wanted_anything_has_measured_nothing() -> None:
    stack = held(phases="50ms@0, 1ms@max", window=32)
    stack.run_for(20 * MS)
    assert stack.counter("bulk", Counter.STARVED_US) == 0


def test_no_counter_lies_where_faults_are_counted() -> None:
    assert max(Counter) < FIRST_FAULT
    assert FIRST_FAULT + MAX_FAULTS <= COUNTERS
