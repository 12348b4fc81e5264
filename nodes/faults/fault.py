"""One fault as a node is told of it, and the draws that decide whom it hits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.rng import Rng

MAX_FAULTS = 32
"""A run has at most so many faults, those that have ended among them: each has a counter on every board."""


@dataclass(frozen=True)
class Fault:
    """A fault of one kind on one node.

    `row` is its number in the run, `peer` the neighbour whose packets it is for (empty: all of them), `share` the part
    of them that it hits. `delay` and `jitter` are ns, `gap` packets that overtake, `status` an NDIS_STATUS, `rate`
    entries per second (0: none at all).
    """

    name: str
    row: int
    kind: str
    peer: str = ""
    share: float = 1.0
    delay: int = 0
    jitter: int = 0
    gap: int = 0
    status: int = 0
    rate: int = 0

    def pack(self) -> dict[str, Any]:
        """Return the fault as plain data."""
        return asdict(self)

    def hits(self, rng: Rng, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the packets with these ids it hits (bool[n])."""
        return rng.uniform(f"fault/{self.name}", ids) < self.share

    def lateness(self, rng: Rng, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return by how many ns it delays each of these packets (u64[n]): `delay` and a drawn part of `jitter`."""
        late = np.full(len(ids), self.delay, np.uint64)
        if self.jitter:
            late += rng.integers(f"fault/{self.name}/jitter", ids, 0, self.jitter).astype(np.uint64)
        return late
