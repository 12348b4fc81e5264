"""What a run forces to happen, so that code which is seldom run is run: short memory, late answers, odd orders.

A topology sets it under ``verify: {force: ...}``. Everything is off by default, and every draw comes from the seed.
Two more of the kind are choices of the contract itself and stand in `nodes.policy`: ``early_completion`` and
``delivery_irql: random``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from nodes.options import Choice, Count, Duration, Fraction


@dataclass(frozen=True)
class Force:
    """What is forced on the nodes named in `nodes`, on all of them if it is empty."""

    low_resources: Fraction = field(
        default=0.0, metadata={"help": "share of a driver's allocations that fail, as if its pool were empty"}
    )
    fail_allocation: Count = field(
        default=0, metadata={"help": "which of a driver's allocations fails, counted from 1; 0: none"}
    )
    pending: bool = field(
        default=False, metadata={"help": "whatever may be answered at once is answered PENDING first"}
    )
    completion_order: Annotated[str, Choice(("as-made", "random"))] = field(
        default="as-made", metadata={"help": "random: completions leave in drawn order, also across calls"}
    )
    delay: Duration = field(
        default=0, metadata={"help": "completions and returns are held back for a drawn time up to this"}
    )
    nodes: tuple[str, ...] = field(
        default=(), metadata={"help": "the nodes that this is forced on; none named: all"}
    )

    def on(self, node: str) -> Force:
        """Return what is forced on one node: this, without names, or nothing."""
        return Force(**{**asdict(self), "nodes": ()}) if not self.nodes or node in self.nodes else Force()

    def pack(self) -> dict[str, Any]:
        """Return what is not at its default, as a node's spec carries it."""
        default = asdict(Force())
        return {name: value for name, value in asdict(self).items() if value != default[name]}
