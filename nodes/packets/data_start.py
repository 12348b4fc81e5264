"""Moving where the data of a NET_BUFFER starts: retreat to make room in front, advance to take it away (N6-NBL-08).

With too little backfill a retreat puts a new MDL, from the caller's own pool, at the head of the chain. The NB's own
MDL stays the first one: it takes over the new cell, and the new slot takes over what it described. So a packet that
has more than one MDL always shows it in `mdl_next` of its own slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shm.arena import CELL_LENGTH, Arena

if TYPE_CHECKING:
    from nodes.packets.custody import Custody


def retreat(custody: Custody, root: int, buffer: int, delta: int, backfill: int) -> bool:
    """Begin the data of NB `buffer` of the packet at `root` `delta` bytes earlier.

    Returns False, with nothing changed, when a new MDL is needed and the pool is empty. Raises ValueError when `delta`
    is negative, or the new MDL with its own `backfill` would exceed a cell.
    """
    arena = custody.arena
    missing = delta - int(arena.nb_offset[buffer])
    if delta < 0 or backfill < 0 or missing + backfill > CELL_LENGTH:
        raise ValueError(
            f"cannot retreat by {delta} with backfill {backfill}: a cell has {CELL_LENGTH} bytes"
        )
    if missing > 0:
        pieces = custody.pool.add_pieces(root, 1) if custody.pool is not None else []
        if not pieces:
            return False
        _push_head(arena, buffer, pieces[0], missing + backfill)
        arena.nb_offset[buffer] = backfill
    else:
        arena.nb_offset[buffer] -= delta
    arena.nb_length[buffer] += delta
    seat(arena, buffer)
    return True


def advance(custody: Custody, root: int, buffer: int, delta: int, *, free_mdl: bool) -> bool:
    """Begin the data of NB `buffer` `delta` bytes later; with `free_mdl` skipped MDLs of retreats are freed.

    Returns False when a skipped MDL is not from a retreat of this node's, which is then left where it is. Raises
    ValueError when the NB has fewer than `delta` bytes.
    """
    arena = custody.arena
    if not 0 <= delta <= int(arena.nb_length[buffer]):
        raise ValueError(f"cannot advance by {delta}: the data has {int(arena.nb_length[buffer])} bytes")
    arena.nb_offset[buffer] += delta
    arena.nb_length[buffer] -= delta
    paired = True
    while free_mdl and paired and arena.mdl_next[buffer] and not arena.nb_mdl[buffer]:
        head = int(arena.mdl_length[buffer])
        if int(arena.nb_offset[buffer]) < head:
            break
        paired = _pop_head(custody, root, buffer)
        arena.nb_offset[buffer] -= head if paired else 0
    seat(arena, buffer)
    return paired


def seat(arena: Arena, buffer: int) -> None:
    """Put `nb_data` of an NB in step with its MDL chain and data offset."""
    slot = int(arena.nb_mdl[buffer] or buffer + 1) - 1
    offset = int(arena.nb_offset[buffer])
    while arena.mdl_next[slot] and offset >= int(arena.mdl_length[slot]):
        offset -= int(arena.mdl_length[slot])
        slot = int(arena.mdl_next[slot]) - 1
    cell = int(arena.mdl_cell[slot] or slot + 1) - 1
    arena.nb_data[buffer] = cell * CELL_LENGTH + int(arena.mdl_offset[slot]) + offset


def _push_head(arena: Arena, buffer: int, piece: int, size: int) -> None:
    """Put an MDL of `size` bytes, at the end of the cell of `piece`, before the MDLs of an NB."""
    if arena.nb_mdl[buffer]:
        arena.mdl_next[buffer] = arena.nb_mdl[buffer]
        arena.nb_mdl[buffer] = 0
    else:
        for table in (arena.mdl_next, arena.mdl_offset, arena.mdl_length):
            table[piece] = table[buffer]
        arena.mdl_cell[piece] = int(arena.mdl_cell[buffer]) or buffer + 1
        arena.mdl_next[buffer] = piece + 1
    arena.mdl_cell[buffer] = piece + 1
    arena.mdl_offset[buffer] = CELL_LENGTH - size
    arena.mdl_length[buffer] = size


def _pop_head(custody: Custody, root: int, buffer: int) -> bool:
    """Take the head MDL of an NB away if a retreat of this node's put it there."""
    arena, pool = custody.arena, custody.pool
    piece = int(arena.mdl_cell[buffer]) - 1
    if pool is None or piece < 0 or not pool.has_piece(root, piece):
        return False
    after = int(arena.mdl_next[buffer]) - 1
    if after == piece:
        for table in (arena.mdl_next, arena.mdl_offset, arena.mdl_length):
            table[buffer] = table[piece]
        arena.mdl_cell[buffer] = 0 if int(arena.mdl_cell[piece]) == buffer + 1 else arena.mdl_cell[piece]
    else:
        arena.nb_mdl[buffer] = after + 1
        arena.mdl_next[buffer] = arena.mdl_next[after]
        arena.mdl_cell[buffer] = arena.mdl_offset[buffer] = arena.mdl_length[buffer] = 0
    pool.drop_piece(root, piece)
    return True
