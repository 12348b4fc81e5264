"""What a load generator is told: what to send, when, and how much of it at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from nodes.options import Choice, Count, Positive, Quantity
from nodes.stock.frame_sizes import FrameSizes
from nodes.stock.phases import ENDLESS, FASTEST, Phase, parse_phases


@dataclass(frozen=True)
class TrafficOptions:
    """What is sent; counts are of all senders together."""

    senders: Annotated[int, Quantity("count", minimum=1, maximum=1024)] = field(
        default=1, metadata={"help": "senders, each a UDP flow of its own"}
    )
    size: str = field(
        default="1500",
        metadata={"help": "frame bytes without FCS: 1500, 64..1500 or imix; no frame is shorter than 70"},
    )
    packets: Count = field(default=0, metadata={"help": "packets to send; 0 for no end"})
    rate: Count = field(
        default=0,
        metadata={"help": "packets per second (open model); 0: as many as the window lets through (closed)"},
    )
    phases: str = field(
        default="",
        metadata={"help": "instead of a rate e.g. 2s@10000, peak=5s@10000..80000, 1s@0, 1s@64x10ms, 3s@max"},
    )
    arrivals: Annotated[str, Choice(("even", "poisson"))] = field(
        default="even", metadata={"help": "gaps between planned packets: even, or drawn from the seed"}
    )
    window: Positive = field(default=1024, metadata={"help": "packets in flight at most"})
    burst: Positive = field(default=32, metadata={"help": "packets handed down in one call at most"})
    buffers: Annotated[int, Quantity("count", minimum=1, maximum=256)] = field(
        default=1, metadata={"help": "NBs of each packet, a frame in each"}
    )

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the options, as pairs of option and message."""
        found = []
        for option, parse in (("size", FrameSizes.parse), ("phases", parse_phases)):
            try:
                parse(str(getattr(self, option)))
            except ValueError as error:
                found.append((option, str(error)))
        if self.rate > FASTEST:
            found.append(
                ("rate", f"{self.rate} is faster than {FASTEST:,} packets per second, the most possible")
            )
        if self.rate and self.phases:
            found.append(("phases", "rate and phases both say when to send; leave one of them out"))
        if self.arrivals != "even" and not (self.rate or self.phases):
            found.append(
                ("arrivals", f"{self.arrivals} arrivals need a rate or phases; without, the window decides")
            )
        return found

    def schedule(self) -> tuple[Phase, ...]:
        """Return the phases, one without end where only a rate or only the window was given."""
        phases = parse_phases(self.phases)
        return phases or (Phase(ENDLESS, self.rate, self.rate, closed=not self.rate),)
