"""NDIS 5 calls speak of single packets; the runtime moves chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl

if TYPE_CHECKING:
    from nodes.packets.custody import Custody


def chain_of(packets: Sequence[Nbl], custody: Custody) -> NblChain:
    """Return the chain of some packets, in order."""
    handles = np.array([packet.handle for packet in packets], np.uint64)
    return NblChain(handles, np.array([packet.slot for packet in packets], np.int64), custody)
