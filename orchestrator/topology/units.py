"""Convert what a user writes (``5us``, ``10Gbps``, ``64KiB``, ``1%``) to the numbers the code uses, and back.

Durations become int nanoseconds, rates int bits per second, sizes int bytes, fractions floats from 0 to 1.
Conversion is exact: a text that does not come out as a whole number of the base unit is refused, never
rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from orchestrator.topology.quoting import quoted

_LIMIT = 2**63 - 1
_NUMBER = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) ?([A-Za-zµμ]*)", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,30}", re.ASCII)
_FRACTION = re.compile(r"([0-9]{0,30}\.?[0-9]{1,30}(?:[eE][-+]?[0-9]{1,3})?)(%?)", re.ASCII)


class UnitError(ValueError):
    """Say that a text is not a quantity of the wanted kind; `hint` tells what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        """Keep the two halves apart, so that a problem report can show them in its own layout."""
        super().__init__(f"{message} ({hint})")
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class _Scale:
    """Hold the unit names of one quantity, smallest first, and whether a bare number is allowed."""

    noun: str
    example: str
    factors: dict[str, int]
    bare: bool = False
    aliases: dict[str, str] = field(default_factory=dict)


_SCALES = {
    "duration": _Scale(
        noun="duration",
        example="5us",
        factors={
            "ns": 1,
            "us": 10**3,
            "ms": 10**6,
            "s": 10**9,
            "m": 60 * 10**9,
            "h": 3600 * 10**9,
        },
        aliases={"µs": "us", "μs": "us"},
    ),
    "rate": _Scale(
        noun="rate", example="10Gbps", factors={"bps": 1, "kbps": 10**3, "Mbps": 10**6, "Gbps": 10**9}
    ),
    "bytes": _Scale(
        noun="size",
        example="1500 or 64KiB",
        factors={"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20},
        bare=True,
    ),
}


def parse_duration(text: object) -> int:
    """Read a duration with its unit (ns, us, ms, s, m, h) as int nanoseconds; `UnitError` otherwise.

    Only zero may stand without a unit: ``5`` could mean seconds to one reader and nanoseconds to another.
    """
    return _parse(_SCALES["duration"], text)


def format_duration(nanoseconds: int) -> str:
    """Write int nanoseconds in the largest unit that divides them; the inverse of `parse_duration`."""
    return _format(_SCALES["duration"], nanoseconds)


def parse_rate(text: object) -> int:
    """Read a rate with its unit (bps, kbps, Mbps, Gbps: decimal) as int bit/s; `UnitError` otherwise."""
    return _parse(_SCALES["rate"], text)


def format_rate(bits_per_second: int) -> str:
    """Write int bits per second in the largest unit that divides them."""
    return _format(_SCALES["rate"], bits_per_second)


def parse_size(text: object) -> int:
    """Read a size (bare bytes, or B, kB, KiB, MB, MiB) as int bytes; `UnitError` otherwise."""
    return _parse(_SCALES["bytes"], text)


def format_size(size: int) -> str:
    """Write int bytes in the largest unit that divides them."""
    return _format(_SCALES["bytes"], size)


def parse_count(text: object) -> int:
    """Read a whole number that is not negative; `UnitError` otherwise."""
    written = str(text).strip()
    if not _INTEGER.fullmatch(written):
        raise UnitError(f"{quoted(written)} is not a whole number", "write e.g. 1024")
    return _bounded(int(written), written)


def parse_fraction(text: object) -> float:
    """Read ``0.01`` or ``1%`` as a float from 0 to 1; `UnitError` otherwise."""
    written = str(text).strip()
    match = _FRACTION.fullmatch(written)
    if match is None:
        raise UnitError(f"{quoted(written)} is not a fraction", "write e.g. 0.01 or 1%")
    value = Decimal(match[1]) / (100 if match[2] else 1)
    if value > 1:
        raise UnitError(
            f"{quoted(written)} is more than the whole", "write a fraction from 0 to 1, or a percentage"
        )
    return float(value)


def format_fraction(fraction: float) -> str:
    """Write a fraction with the digits that give the same float back."""
    return f"{fraction:g}" if float(f"{fraction:g}") == fraction else repr(fraction)


def parse_quantity(unit: str, text: object) -> int | float:
    """Read a text as the unit name of an option marker says (``nodes.options.Quantity.unit``)."""
    if unit == "fraction":
        return parse_fraction(text)
    if unit == "count":
        return parse_count(text)
    return _parse(_SCALES[unit], text)


def format_quantity(unit: str, value: float) -> str:
    """Write a number as the unit name of an option marker says; the inverse of `parse_quantity`."""
    if unit == "fraction":
        return format_fraction(value)
    if unit == "count":
        return str(int(value))
    return _format(_SCALES[unit], int(value))


def quantity_pattern(unit: str) -> str:
    """Return the regular expression that texts of a unit match, for a published schema."""
    if unit == "fraction":
        return r"^[0-9.]+([eE][-+]?[0-9]+)?%?$"
    if unit == "count":
        return "^[0-9]+$"
    names = "|".join([*_SCALES[unit].factors, *_SCALES[unit].aliases])
    return rf"^(0|[0-9]+(\.[0-9]+)? ?({names}){'?' if _SCALES[unit].bare else ''})$"


def _parse(scale: _Scale, text: object) -> int:
    written = str(text).strip()
    advice = f"write e.g. {scale.example}"
    match = _NUMBER.fullmatch(written)
    if match is None:
        raise UnitError(f"{quoted(written)} is not a {scale.noun}", advice)
    number, unit = match[1], scale.aliases.get(match[2], match[2])
    if not unit and not scale.bare and Decimal(number) != 0:
        raise UnitError(f"{quoted(written)} has no unit", advice)
    factor = scale.factors.get(unit) if unit else 1
    if factor is None:
        raise UnitError(f"{quoted(written)} is not a {scale.noun}", advice)
    with localcontext() as context:
        context.prec = 100  # up to 60 digits times a factor below 10**13: nothing is rounded
        exact = Decimal(number) * factor
    if exact != exact.to_integral_value():
        smallest = next(iter(scale.factors))
        raise UnitError(f"{quoted(written)} is not a whole number of {smallest}", "nothing is rounded")
    return _bounded(int(exact), written)


def _bounded(value: int, written: str) -> int:
    if value > _LIMIT:
        raise UnitError(f"{quoted(written)} is too large", "at most 2^63 - 1 base units")
    return value


def _format(scale: _Scale, value: int) -> str:
    if value == 0:
        return "0"
    unit, factor = max(
        ((name, factor) for name, factor in scale.factors.items() if value % factor == 0),
        key=lambda entry: entry[1],
    )
    return f"{value // factor}{unit}"
