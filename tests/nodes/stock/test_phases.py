"""The language of phases says how fast to send and for how long."""

from __future__ import annotations

import pytest

from nodes.stock.phases import FASTEST, Phase, parse_phases
from nodes.stock.traffic import TrafficOptions

MS = 1_000_000
S = 1_000 * MS


def test_every_form_of_a_phase_is_read() -> None:
    text = "2s@10000, peak=5s@10000..80000,1.5ms@0 , 3s@max, r-1=1m@64x10ms"
    assert parse_phases(text) == (
        Phase(2 * S, 10_000, 10_000, name="1"),
        Phase(5 * S, 10_000, 80_000, name="peak"),
        Phase(1_500_000, name="3"),
        Phase(3 * S, closed=True, name="4"),
        Phase(60 * S, burst=64, every=10 * MS, name="r-1"),
    )


def test_no_two_phases_have_one_name() -> None:
    with pytest.raises(ValueError, match="two phases are called 'peak'; give one of them another name"):
        parse_phases("peak=1s@5, 1s@0, peak=1s@5")


def test_no_text_is_no_phase() -> None:
    assert parse_phases("") == parse_phases("  ") == ()


@pytest.mark.parametrize(
    ("text", "packets"),
    [
        ("2s@10000", 20_000),
        ("5s@10000..80000", 225_000),
        ("1s@0", 0),
        ("35ms@64x10ms", 4 * 64),
        ("1ms@1500", 1.5),
    ],
)
def test_a_phase_plans_so_many_packets(text: str, packets: float) -> None:
    assert parse_phases(text)[0].packets == packets


@pytest.mark.parametrize(
    "text",
    [
        *("fast", "2s", "2@100", "2s@", "2s@-1", "2s@1e5", "2s@1..2..3"),
        *("2s@max..5", "2s@5xmax", "1s@5,", "0s@5", "0.1ns@5", "Peak=1s@5", "2=1s@5", "=1s@5"),
    ],
)
def test_what_makes_no_sense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write e\.g\. 2s@10000, peak=5s@10000\.\.80000"):
        parse_phases(text)


@pytest.mark.parametrize("text", [f"1s@{FASTEST + 1}", "1s@2000x1us", f"1s@0..{FASTEST * 2}"])
def test_more_packets_than_nanoseconds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="faster than 1,000,000,000 packets per second"):
        parse_phases(text)


def test_too_many_phases_are_refused() -> None:
    with pytest.raises(ValueError, match="1001 phases, at most 1000"):
        parse_phases(",".join(["1s@1"] * 1001))


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"phases": "1s@soon"}, "phases"),
        ({"phases": "1s@5", "rate": 5}, "phases"),
        ({"arrivals": "poisson"}, "arrivals"),
        ({"rate": FASTEST + 1}, "rate"),
    ],
)
def test_options_that_do_not_go_together_are_problems(options: dict[str, object], option: str) -> None:
    assert [name for name, _ in TrafficOptions(**options).problems()] == [option]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{}, {"rate": 5}, {"phases": "1s@5, 1s@max"}, {"phases": "1s@5", "arrivals": "poisson"}]
)
def test_options_that_go_together_are_none(options: dict[str, object]) -> None:
    assert TrafficOptions(**options).problems() == []  # type: ignore[arg-type]
