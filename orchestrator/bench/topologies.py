"""The topologies that benchmarks run, built in code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from nodes.driver import Driver
from nodes.stock.miniport import StockMiniport
from nodes.stock.pass_through import PassThrough
from nodes.stock.receiver import Receiver
from orchestrator.topology.model import BindingModel, NodeModel, Topology, WireModel

STACK = 5
LEVEL = 2


def layer(driver: type[Driver], **options: Any) -> NodeModel:
    """Describe a node by its driver class and options in base units."""
    return NodeModel(
        driver=driver.__name__,
        reference=f"{driver.__module__}:{driver.__qualname__}",
        kind=driver.kind,  # type: ignore[arg-type]
        options=driver.Options(**options),
    )


def stack(
    layers: dict[str, NodeModel], *, depth: int = 1024, coalesce: bool = False, level: int = LEVEL
) -> Topology:
    """Bind `layers`, given from the top, each to the next; `depth` is a power of two."""
    bindings = tuple(
        BindingModel(upper=upper, lower=lower, depth=depth, coalesce=coalesce)
        for upper, lower in pairwise(layers)
    )
    return Topology(name="bench", nodes=layers, bindings=bindings, level=level)


def silent(count: int) -> Topology:
    """Make `count` (at least 2) nodes where nobody sends: receiver -> pass-through ... -> miniport.

    Stacks have five nodes, the last one also what is left over; miniports are wired in pairs.
    """
    sizes = [STACK] * max(1, count // STACK)
    sizes[-1] += count - sum(sizes)
    nodes: dict[str, NodeModel] = {}
    bindings: list[BindingModel] = []
    for number, size in enumerate(sizes):
        layers = [layer(Receiver), *[layer(PassThrough)] * (size - 2), layer(StockMiniport)]
        names = [f"stack{number}-{depth}" for depth in range(size - 1)] + [f"nic{number}"]
        nodes.update(zip(names, layers, strict=True))
        bindings += [BindingModel(upper=upper, lower=lower) for upper, lower in pairwise(names)]
    return Topology(name="silent", nodes=nodes, bindings=tuple(bindings), wires=_pairs(len(sizes)))


def _pairs(stacks: int) -> tuple[WireModel, ...]:
    numbers: Sequence[int] = range(0, stacks - 1, 2)
    return tuple(WireModel(a=f"nic{number}", b=f"nic{number + 1}") for number in numbers)
