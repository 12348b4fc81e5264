"""A short soak; `make soak` runs the long one."""

from __future__ import annotations

import pytest

from tests.soak import legs


@pytest.mark.slow
def test_the_right_drivers_of_all_examples_run_without_a_false_alarm() -> None:
    found = list(legs(1, round_packets=25_000))
    assert [leg.example for leg in found if not leg.clean] == []
    assert sum(leg.packets for leg in found) > 100_000
