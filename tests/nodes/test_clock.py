from __future__ import annotations

import time

import pytest

from nodes.clock import MonotonicClock, VirtualClock


def test_the_monotonic_clock_is_the_machines() -> None:
    before = time.monotonic_ns()
    now = MonotonicClock().now()
    assert before <= now <= time.monotonic_ns()


def test_a_virtual_clock_stands_until_it_is_moved() -> None:
    clock = VirtualClock(5)
    assert (clock.now(), clock.now()) == (5, 5)
    clock.advance_to(5)
    clock.advance_to(1 << 60)
    assert clock.now() == 1 << 60


def test_a_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(10)
    with pytest.raises(ValueError, match="stands at 10 ns and cannot go back to 9 ns"):
        clock.advance_to(9)
    assert clock.now() == 10
