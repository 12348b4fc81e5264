"""Packet handles: one u64 that names a slot, its pool and the generation of its use.

    63          40 39      28 27            0
    | generation  | pool     | slot          |

The slot is global to the run's arena; the pool tells whose it is and bounds it; the generation changes each time
the slot is allocated, so that a handle kept too long no longer matches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOT_BITS = 28
POOL_BITS = 12
GENERATION_BITS = 24
MAX_SLOTS = 1 << SLOT_BITS
MAX_POOLS = 1 << POOL_BITS
POOL_SHIFT = SLOT_BITS
GENERATION_SHIFT = SLOT_BITS + POOL_BITS
GENERATION_STEP = 1 << GENERATION_SHIFT
SLOT_MASK = MAX_SLOTS - 1
NO_HANDLE = 0
"""What tables of handles hold where there is no packet; slot 0 is never used, so that it is no handle either."""
UNMATCHED = (1 << 64) - 1
"""What tables of handles hold in row 0: NO_HANDLE names that row and must not be found there."""
_SLOT_MASK_U64 = np.uint64(SLOT_MASK)


class HandleParts(NamedTuple):
    """What a handle is made of."""

    generation: int
    pool: int
    slot: int


def pack(generation: int, pool: int, slot: int) -> int:
    """Return the handle of these parts; raises ValueError for a pool or slot out of range."""
    if not 0 <= pool < MAX_POOLS:
        raise ValueError(f"pool {pool} is not below {MAX_POOLS}")
    if not 0 <= slot < MAX_SLOTS:
        raise ValueError(f"slot {slot} is not below {MAX_SLOTS}")
    return (generation % (1 << GENERATION_BITS)) << GENERATION_SHIFT | pool << POOL_SHIFT | slot


def unpack(handle: int) -> HandleParts:
    """Return the parts of a handle."""
    return HandleParts(handle >> GENERATION_SHIFT, handle >> POOL_SHIFT & (MAX_POOLS - 1), handle & SLOT_MASK)


def slots_of(handles: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the slot of each handle, ready to index the arena's tables."""
    return (handles & _SLOT_MASK_U64).view(np.int64)
