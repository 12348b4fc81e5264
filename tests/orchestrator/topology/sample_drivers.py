"""Driver classes with every kind of option, as the catalogue of the topology tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from nodes.options import (
    Bytes,
    Choice,
    Count,
    Duration,
    Fraction,
    InputFile,
    OutputFile,
    Positive,
    Quantity,
    Rate,
)


@dataclass(frozen=True)
class NoOptions:
    pass


@dataclass(frozen=True)
class TrafficOptions:
    senders: Annotated[int, Quantity("count", minimum=1, maximum=4096)] = field(
        default=1, metadata={"help": "how many senders"}
    )
    size: str = "1500"
    rate: Rate = 0
    copy: bool = False
    bursts: tuple[Duration, ...] = ()
    limit: Bytes | None = None
    skew: float = 0.0

    def problems(self) -> list[tuple[str, str]]:
        return [] if self.size.isdecimal() else [("size", f"{self.size!r} is not a size I know")]


@dataclass(frozen=True)
class ReplayOptions:
    file: Annotated[str, InputFile("capture")]
    timing: Annotated[str, Choice(("original", "fast"))] = "original"
    loop: Count = 1
    loss: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.loop == 13:
            raise ValueError("13 loops bring bad luck")


@dataclass(frozen=True)
class ReceiverOptions:
    write: Annotated[str, OutputFile("capture")] = ""


@dataclass(frozen=True)
class MiniportOptions:
    link: Rate = 10**9
    ring: Positive = 256
    delay: Annotated[int, Quantity("duration", minimum=10, maximum=10**9)] = 1000


class Traffic:
    """Send frames.

    More text that no list shows.
    """

    kind: ClassVar[str] = "protocol"
    Options = TrafficOptions


class Replay:
    """Send a capture."""

    kind: ClassVar[str] = "protocol"
    Options = ReplayOptions


class Receiver:
    """Take what arrives."""

    kind: ClassVar[str] = "protocol"
    Options = ReceiverOptions


class Filter:
    """Pass everything."""

    kind: ClassVar[str] = "filter"
    Options = NoOptions


class Mux:
    """Join stacks."""

    kind: ClassVar[str] = "intermediate"
    Options = NoOptions


class Nic:
    """Send to the wire."""

    kind: ClassVar[str] = "miniport"
    Options = MiniportOptions


class NoKind:
    Options = NoOptions


class NoOptionsAtAll:
    kind: ClassVar[str] = "filter"


@dataclass(frozen=True)
class GreedyOptions:
    pool: Count = 1


class Greedy:
    kind: ClassVar[str] = "filter"
    Options = GreedyOptions


@dataclass(frozen=True)
class OddOptions:
    thing: NoKind = field(default_factory=NoKind)


class Odd:
    kind: ClassVar[str] = "filter"
    Options = OddOptions
