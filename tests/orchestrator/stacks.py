"""Small topologies for tests, made without a file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from nodes.hosting.loader import load_driver
from orchestrator.topology import BindingModel, NodeModel, Topology

_DRIVERS = "tests.orchestrator.drivers"


def node(driver: str, pool: int | None = None, **options: Any) -> NodeModel:
    """Describe a node by the name of a class in `tests.orchestrator.drivers`."""
    reference = f"{_DRIVERS}:{driver}"
    found: Any = load_driver(reference)
    return NodeModel(
        driver=driver.lower(),
        reference=reference,
        kind=found.kind,
        options=found.Options(**options),
        pool=pool,
    )


def stack(bottom: str = "Bottom", *, packets: int = 1000, filters: int = 1, seed: int = 7) -> Topology:
    """Return source -> filters -> bottom."""
    names = ["source", *(f"filter{number}" for number in range(filters)), "bottom"]
    drivers = [node("Source", packets=packets), *(node("Through") for _ in range(filters)), node(bottom)]
    return Topology(
        name="stack",
        nodes=dict(zip(names, drivers, strict=True)),
        seed=seed,
        bindings=tuple(BindingModel(upper=upper, lower=lower) for upper, lower in pairwise(names)),
    )
