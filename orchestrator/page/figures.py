"""Write numbers for readers: counts and rates in the unit that suits them."""

from __future__ import annotations

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def short_count(value: float) -> str:
    """Write a count with three digits and a decimal prefix, ``97.2 k``; whole below 10,000, with a tenth below 10."""
    if value < 9_999.5:
        return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
    step, prefix = next((step, prefix) for step, prefix in _STEPS if value >= step * 0.9995)
    scaled = value / step
    digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
    return f"{scaled:.{digits}f} {prefix}"


def per_second(count: int, seconds: float) -> str:
    """Write a count over a time as a rate, ``97 k/s``; 0 where no time went by."""
    return f"{short_count(count / seconds if seconds > 0 else 0)}/s"
