from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.topology import units
from orchestrator.topology.units import UnitError

NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("7ns", 7),
        ("5us", 5_000),
        ("5µs", 5_000),
        ("5μs", 5_000),
        ("1.5ms", 1_500_000),
        (" 5 s ", 5 * 10**9),
        ("2m", 120 * 10**9),
        ("1h", 3600 * 10**9),
        ("0.000000001s", 1),
    ],
)
def test_a_duration_becomes_nanoseconds(text: str, nanoseconds: int) -> None:
    assert units.parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "bits"),
    [("0", 0), ("1bps", 1), ("10Gbps", 10**10), ("2.5Gbps", 2_500_000_000), ("9kbps", 9_000)],
)
def test_a_rate_is_decimal(text: str, bits: int) -> None:
    assert units.parse_rate(text) == bits


@pytest.mark.parametrize(
    ("text", "size"), [("1500", 1500), ("64KiB", 65536), ("2kB", 2000), ("1MiB", 1 << 20), ("3MB", 3_000_000)]
)
def test_a_size_is_in_bytes_unless_it_says_otherwise(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0.0), ("0.01", 0.01), ("1%", 0.01), ("100%", 1.0), (".5", 0.5)]
)
def test_a_fraction_may_be_a_percentage(text: str, share: float) -> None:
    assert units.parse_fraction(text) == share


@pytest.mark.parametrize(
    ("unit", "text", "message"),
    [
        ("rate", "10Gpbs", "'10Gpbs' is not a rate (write e.g. 10Gbps)"),
        ("rate", "10", "'10' has no unit (write e.g. 10Gbps)"),
        ("duration", "5", "'5' has no unit (write e.g. 5us)"),
        ("duration", "-5us", "'-5us' is not a duration (write e.g. 5us)"),
        ("duration", "", "'' is not a duration (write e.g. 5us)"),
        ("duration", "0.5ns", "'0.5ns' is not a whole number of ns (nothing is rounded)"),
        ("duration", "9999999999h", "'9999999999h' is too large (at most 2^63 - 1 base units)"),
        ("bytes", "3s", "'3s' is not a size (write e.g. 1500 or 64KiB)"),
        ("fraction", "2", "'2' is more than the whole (write a fraction from 0 to 1, or a percentage)"),
        ("fraction", "half", "'half' is not a fraction (write e.g. 0.01 or 1%)"),
        ("count", "1.5", "'1.5' is not a whole number (write e.g. 1024)"),
        ("count", "٣", "'٣' is not a whole number (write e.g. 1024)"),
    ],
)
def test_a_bad_quantity_says_what_to_write(unit: str, text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        units.parse_quantity(unit, text)
    assert str(caught.value) == message


@given(st.sampled_from(["duration", "rate", "bytes", "count"]), NUMBERS)
def test_what_is_formatted_reads_back_the_same(unit: str, value: int) -> None:
    assert units.parse_quantity(unit, units.format_quantity(unit, value)) == value


@given(st.floats(min_value=0, max_value=1))
def test_a_formatted_fraction_reads_back_the_same(value: float) -> None:
    assert units.parse_fraction(units.format_fraction(value)) == value


@given(st.sampled_from(["duration", "rate", "bytes", "count", "fraction"]), st.text(max_size=12))
def test_any_text_is_a_number_in_range_or_a_unit_error(unit: str, text: str) -> None:
    try:
        value = units.parse_quantity(unit, text)
    except UnitError:
        return
    assert 0 <= value < 2**63


def test_formatting_takes_the_largest_unit_that_divides() -> None:
    assert [units.format_duration(value) for value in (0, 1, 1500, 60 * 10**9)] == [
        "0",
        "1ns",
        "1500ns",
        "1m",
    ]
    assert units.format_rate(10**10) == "10Gbps"
    assert [units.format_size(value) for value in (1500, 65536, 1000)] == ["1500B", "64KiB", "1kB"]
