"""A difference is one when chance would hardly give it."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.significance import BATCHES, Difference, difference, significant


def noisy(mean: float, seconds: int, seed: int, spread: float = 0.02) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, mean * spread, seconds))


def test_a_difference_far_beyond_the_noise_is_found_with_its_size() -> None:
    found = difference(noisy(1000, 10, 1), noisy(900, 10, 2))
    assert found.p is not None
    assert found.p < 0.001
    assert found.change == pytest.approx(-0.1, abs=0.02)
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.1 < found.high < 0


def test_noise_of_the_same_source_is_found_different_about_once_in_twenty_times() -> None:
    pairs = [(noisy(1000, 8, seed), noisy(1000, 8, seed + 1000)) for seed in range(100)]
    alarms = sum((difference(a, b).p or 0) <= 0.05 for a, b in pairs)
    assert 1 <= alarms <= 11


def test_series_that_are_the_same_do_not_differ() -> None:
    found = difference([5.0] * 6, [5.0] * 6)
    assert (found.change, found.p) == (0.0, 1.0)


def test_the_same_data_give_the_same_answer() -> None:
    a, b = noisy(100, 7, 3), noisy(101, 9, 4)
    assert difference(a, b) == difference(a, b)


def test_too_few_measurements_prove_nothing() -> None:
    assert difference([1.0, 2.0, 3.0], [10.0] * 9) == Difference(2.0, 10.0, None, None, None, None)
    assert difference([], [10.0] * 9) == Difference(None, 10.0, None, None, None, None)


def test_a_mean_of_nothing_has_no_share() -> None:
    assert difference([0.0] * 5, [1.0] * 5) == Difference(0.0, 1.0, None, None, None, None)


def test_long_series_are_cut_into_batches_so_that_slow_swings_are_not_taken_for_a_difference() -> None:
    """Seconds that resemble their neighbours for minutes are few independent ones, however many they are."""
    draw = np.random.default_rng(5)

    def swinging() -> list[float]:
        levels = draw.normal(1000, 50, 600 // 30)
        return list(np.repeat(levels, 30) + draw.normal(0, 1, 600))

    assert BATCHES <= 600 // 30
    alarms = sum((difference(swinging(), swinging()).p or 0) <= 0.05 for _ in range(40))
    assert alarms <= 6


def test_several_tests_together_raise_no_more_alarms_than_one() -> None:
    assert significant([0.04, 0.5, 0.6]) == [False, False, False]
    assert significant([0.01, None, 0.04]) == [True, False, True]
    assert significant([0.001, 0.03, 0.02]) == [True, True, True]
    assert significant([None]) == [False]
