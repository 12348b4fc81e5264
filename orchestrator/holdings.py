"""Who holds which packets: the ledger of the arena, grouped by owner, edge and state.

A ledger word is written at each hand-over and names the node that now owns the packet:

    63     52 51     40 39   32 31            0
    | owner   | edge    | state | time >> 16   |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from nodes.crossings.port import EDGE_SHIFT, OWNER_SHIFT, STATE_SHIFT, TIME_SHIFT
from nodes.spec import NodeSpec
from shm.arena import QUARANTINED, Arena
from shm.handle import MAX_POOLS, POOL_SHIFT

SAMPLES = 4
_TIME_MASK = np.uint64((1 << STATE_SHIFT) - 1)
_FUTURE = np.uint64(1 << STATE_SHIFT) - np.uint64(1 << 20)
"""An age from here on is none: the packet moved on after `now` had been read, and the difference wrapped."""


class LedgerState(IntEnum):
    """What the ledger says about a packet or, from ASKED on, a message: how it came to the node that owns it."""

    FREE = 0
    OWNED = 1
    SENT = 2
    INDICATED = 3
    ON_WIRE = 4
    BACK = 5
    ASKED = 6
    ANSWERED = 7


_LENT = frozenset({LedgerState.SENT, LedgerState.INDICATED, LedgerState.ON_WIRE})


@dataclass(frozen=True)
class Holding:
    """Packets that one node got by one edge in one way and has not handed on.

    `oldest_ns` is the longest time any of them has been there (in steps of 65 us), `handles` a few of them,
    oldest first. `pending` of them are on a journey that their sender began and has not seen end; `returning`
    are on their last hop home, or home already.
    """

    edge: int
    owner: str
    state: LedgerState
    packets: int
    oldest_ns: int
    handles: tuple[int, ...]
    pending: int
    returning: int


def find_holdings(
    arena: Arena, specs: Sequence[NodeSpec], senders: set[int], now: int
) -> tuple[Holding, ...]:
    """Group every packet of the arena that was ever handed over; `now` in ns on the ledger's clock.

    `senders` are the ids of nodes that originated packets; a packet's home is the pool it is from. Slots that
    only extend a packet (further NBs or MDLs) have no ledger word and are left out, and so are quarantined packets.
    """
    handles, words = arena.handle.copy(), arena.ledger.copy()
    live = np.flatnonzero((handles != 0) & (words != 0) & (arena.fate != QUARANTINED))
    if not len(live):
        return ()
    handles, words = handles[live], words[live]
    age = (np.uint64(now >> TIME_SHIFT) - words) & _TIME_MASK
    age[age >= _FUTURE] = 0
    place = words >> np.uint64(STATE_SHIFT)
    home = handles >> np.uint64(POOL_SHIFT) & np.uint64(MAX_POOLS - 1)
    at_home = (place & np.uint64(0xFF) == LedgerState.BACK) & (words >> np.uint64(OWNER_SHIFT) == home)
    sent = np.isin(home, list(senders)) & (place & np.uint64(0xFF) < LedgerState.ASKED)
    order = np.lexsort((~age, place))
    starts = np.flatnonzero(np.diff(place[order], prepend=place[order[0]] + np.uint64(1)))
    counts = np.diff(starts, append=len(order)).tolist()
    pendings = np.add.reduceat((sent & ~at_home)[order].astype(np.int64), starts).tolist()
    returnings = np.add.reduceat((sent & at_home)[order].astype(np.int64), starts).tolist()
    names = {spec.node: spec.name for spec in specs}
    return tuple(
        Holding(
            edge=int(word >> EDGE_SHIFT) & 0xFFF,
            owner=names.get(word >> OWNER_SHIFT, f"#{word >> OWNER_SHIFT}"),
            state=_state(word >> STATE_SHIFT & 0xFF),
            packets=count,
            oldest_ns=int(age[order[start]]) << TIME_SHIFT,
            handles=tuple(handles[order[start : start + min(count, SAMPLES)]].tolist()),
            pending=underway,
            returning=back,
        )
        for start, count, underway, back, word in zip(
            starts.tolist(), counts, pendings, returnings, words[order[starts]].tolist(), strict=True
        )
    )


def tell_holders(holdings: Sequence[Holding], specs: Sequence[NodeSpec]) -> str:
    """Say in a sentence who holds packets of others, most first; an empty string when nobody does."""
    lenders = {(spec.name, edge.edge): edge.peer_name for spec in specs for edge in spec.edges}
    kept = [of for of in holdings if of.state in _LENT]
    return ", ".join(
        f"{of.owner!r} holds {of.packets:,} of {lenders.get((of.owner, of.edge), '?')!r}, "
        f"the oldest for {of.oldest_ns / 1e9:.3g} s"
        for of in sorted(kept, key=lambda of: -of.packets)
    )


def _state(number: int) -> LedgerState:
    """Return the state of a ledger word; a number that no node writes shows as FREE."""
    try:
        return LedgerState(number)
    except ValueError:
        return LedgerState.FREE
