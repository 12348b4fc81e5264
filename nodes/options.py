"""Option markers: how a driver says what a number in its options means.

A driver's options are a frozen dataclass. Fields carry plain ``int`` values at run time (nanoseconds, bytes,
bits per second); the marker tells the orchestrator how a user writes them (``5us``, ``1500``, ``10Gbps``) and
within which bounds. The node process needs no validation library for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Quantity:
    """Describe what an integer option counts and the bounds within which it makes sense.

    `unit` is one of ``count``, ``bytes``, ``duration`` (ns), ``rate`` (bit/s) or ``fraction``; bounds are inclusive.
    """

    unit: str
    minimum: float = 0
    maximum: float | None = None


@dataclass(frozen=True)
class InputFile:
    """Mark a text option that names a file to read; `kind` says what must be in it (``capture``)."""

    kind: str


@dataclass(frozen=True)
class OutputFile:
    """Mark a text option that names a file to write below the run's output directory."""

    kind: str


@dataclass(frozen=True)
class Choice:
    """Mark a text option with a closed set of values."""

    values: tuple[str, ...]


Count = Annotated[int, Quantity("count")]
Positive = Annotated[int, Quantity("count", minimum=1)]
Bytes = Annotated[int, Quantity("bytes")]
Duration = Annotated[int, Quantity("duration")]
Rate = Annotated[int, Quantity("rate")]
Fraction = Annotated[float, Quantity("fraction", maximum=1)]
