"""What may stand between a port and the replies that leave through it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.packets.chain import NblChain


class Mixing(Protocol):
    """Where replies wait: `count` of them do, `ready` says whether some may leave now."""

    @property
    def count(self) -> int:
        """Return how many packets wait here; a port with some is not idle."""

    @property
    def ready(self) -> bool:
        """Return whether `release` would let some leave now."""

    def take(self, chain: NblChain, meta: NDArray[np.uint64] | int) -> bool:
        """Take replies with their operation, flags and status; False leaves them to the port."""

    def release(self, now: int) -> None:
        """Hand the port what may leave at `now` (ns)."""
