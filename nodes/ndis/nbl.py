"""Making packets: of several NBs and MDLs, and derived from others as clones, fragments and reassemblies.

Derived packets share the data of their parents. Who derives keeps the parents and passes only the children on; counts
and parent pointers in the packets are the deriver's own to keep (N6-NBL-05), while the runtime notes what is derived
from what by itself and reports a parent that leaves too early (N6-NBL-05, N6-NBL-07, N6-IM-04).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.packets import data_start
from nodes.packets.chain import Nbl, NblChain
from nodes.packets.nbl_flags import CloneFlags
from nodes.packets.net_buffer import NetBuffer
from shm.arena import CELL_LENGTH, Arena

if TYPE_CHECKING:
    from nodes.node import Node

Extent = tuple[int, int, int]
"""A stretch of data: cell, offset in it, length."""
CONTEXT_ALIGNMENT = 16
"""MEMORY_ALLOCATION_ALIGNMENT of 64-bit Windows, in bytes (N6-NBL-10)."""


class NblSource:
    """A handle that packets are allocated through; `handle` becomes their SourceHandle (N6-SEND-01, N6-SEND-02)."""

    handle: int
    _node: Node

    def generate_partial_cancel_id(self) -> int:
        """Return this driver's high byte for cancel ids (NdisGeneratePartialCancelId, N6-CAN-01).

        It is unlike that of any other driver among 255; tag packets with ``partial << 56 | own number``.
        """
        self._node.irql.check("NdisGeneratePartialCancelId")
        return self._node.spec.node & 0xFF

    def allocate_net_buffer_list(
        self, *net_buffers: Sequence[int], backfill: int = 0, context: int = 0
    ) -> NblChain:
        """Return a chain of one packet with an NB for each argument, of MDLs of these lengths, or an empty one.

        `backfill` bytes are left unused before the first NB's data; `context` bytes of context space die with the
        packet. Raises ValueError when an argument is empty, an MDL exceeds a cell or the context is misaligned.
        """
        lengths = [list(lengths) for lengths in net_buffers]
        if not lengths or not all(lengths):
            raise ValueError("a packet needs at least one NB, and an NB at least one MDL")
        if max(map(max, lengths)) > CELL_LENGTH or context % CONTEXT_ALIGNMENT:
            raise ValueError(f"MDLs {lengths} exceed {CELL_LENGTH}, or {context} is no multiple of 16")
        if sum(map(len, lengths)) > self._node.pool.free_count:
            return self._made(0)
        chain = self._made(1, lengths[0][0], backfill)
        if not len(chain):
            return chain
        handle = int(chain.handles[0])
        self._node.pool.extend(handle, lengths[0][1:], as_net_buffers=False)
        for first, *more in lengths[1:]:
            self._node.pool.extend(handle, [first], as_net_buffers=True)
            self._node.pool.extend(handle, more, as_net_buffers=False)
        if context:
            self._node.custody.duties.add_context(handle, context, reserved=True)
        return chain

    def allocate_clone_net_buffer_list(self, nbl: Nbl, flags: CloneFlags = CloneFlags.NONE) -> NblChain:
        """Return a chain of one clone: the same NBs over the same data bytes, starting where the used data does.

        It has MDLs of its own, or with USE_ORIGINAL_MDLS those of the original, and no context. Empty when the pool
        is short. The original may not be given back before the clone is (NdisAllocateCloneNetBufferList, N6-NBL-07).
        """
        buffers = list(nbl.net_buffers)
        if not flags & CloneFlags.USE_ORIGINAL_MDLS:
            return self._derived([list(_extents(buffer)) for buffer in buffers], [nbl])
        chain = self._derived([[] for _ in buffers], [nbl])
        for clone, original in zip(list(_slots(self._node.arena, chain)), buffers, strict=False):
            _share_mdls(self._node.arena, clone, original)
        return chain

    def allocate_fragment_net_buffer_list(
        self, nbl: Nbl, maximum: int, *, start: int = 0, header: int = 0
    ) -> NblChain:
        """Return a chain of one packet with the data of each NB, from `start` on, in NBs of at most `maximum` bytes.

        `header` bytes of fresh memory are put before the data of each (DataOffsetDelta). Empty when the pool is short
        (NdisAllocateFragmentNetBufferList, N6-NBL-05). Raises ValueError when `maximum` is below 1.
        """
        if maximum < 1:
            raise ValueError(f"fragments of at most {maximum} bytes hold nothing")
        cuts = [
            list(_extents(buffer, at, min(maximum, buffer.data_length - at)))
            for buffer in nbl.net_buffers
            for at in range(start, buffer.data_length, maximum)
        ]
        return self._with_header(self._derived(cuts, [nbl]), header) if cuts else self._made(0)

    def allocate_reassembled_net_buffer_list(
        self, fragments: NblChain, *, start: int = 0, header: int = 0
    ) -> NblChain:
        """Return a chain of one packet whose only NB holds the data of all NBs of `fragments`, from `start` on in each.

        `header` is as for fragments; empty when the pool is short or there is no data
        (NdisAllocateReassembledNetBufferList, N6-NBL-05).
        """
        parents = list(fragments)
        buffers = [buffer for nbl in parents for buffer in nbl.net_buffers]
        extents = [extent for nb in buffers for extent in _extents(nb, start, nb.data_length - start)]
        return self._with_header(self._derived([extents], parents), header) if extents else self._made(0)

    def allocate_net_buffer(self, nbl: Nbl, length: int) -> NetBuffer | None:
        """Add an NB that is allocated by itself to an own packet, None when the pool is short (NdisAllocateNetBuffer).

        It is freed by `free_net_buffer`, and before the packet is (N6-NBL-11). Raises ValueError beyond a cell.
        """
        nbl.check()
        if not self._node.pool.free_count or self._node.forcing.fails():
            return None
        self._node.pool.extend(nbl.handle, [length], as_net_buffers=True)
        *_, last = nbl.net_buffers
        self._node.custody.duties.add_buffer(nbl.handle, last.slot)
        return last

    def free_net_buffer(self, buffer: NetBuffer) -> None:
        """Free an NB that was allocated by itself; one that came with its NBL is a violation of N6-NBL-11."""
        nbl = buffer.nbl
        nbl.check()
        if not self._node.custody.duties.drop_buffer(nbl.handle, buffer.slot):
            return
        nbl.relink([other for other in nbl.net_buffers if other.slot != buffer.slot])
        self._node.pool.drop_piece(nbl.slot, buffer.slot)

    def allocate_net_buffer_list_context(self, nbl: Nbl, size: int) -> bool:
        """Give a packet extra context space of `size` bytes, zeroed (NdisAllocateNetBufferListContext, N6-NBL-10).

        Return False when there is no memory (RESOURCES): it has none then. It is released by
        `free_net_buffer_list_context`, and before the packet is freed. Raises ValueError when the size is not a
        multiple of 16.
        """
        if size % CONTEXT_ALIGNMENT:
            raise ValueError(f"a context of {size} bytes is no multiple of {CONTEXT_ALIGNMENT}")
        nbl.check()
        if self._node.forcing.fails():
            return False
        self._node.custody.duties.add_context(nbl.handle, size, reserved=False)
        return True

    def free_net_buffer_list_context(self, nbl: Nbl) -> None:
        """Release a packet's extra context space; reserved space is never released singly (N6-NBL-10)."""
        nbl.check()
        self._node.custody.duties.drop_context(nbl.handle)

    def _made(self, count: int, length: int | NDArray[np.uint32] = 0, backfill: int = 0) -> NblChain:
        if self._node.irql.level:
            self._node.irql.check("NdisAllocateNetBufferList")
        chain = self._node.allocate(count, length, backfill)
        if len(chain):
            chain.source_handle = self.handle
        return chain

    def _derived(self, buffers: list[list[Extent]], parents: Sequence[Nbl]) -> NblChain:
        """Return one packet over these extents, an NB for each list, with its first parent's id and cancel id."""
        node = self._node
        for parent in parents:
            parent.check()
        pieces = sum(max(len(extents), 1) for extents in buffers) - 1
        if pieces + 1 > node.pool.free_count:
            return self._made(0)
        chain = self._made(1)
        got = node.pool.add_pieces(int(chain.slots[0]), pieces) if len(chain) else []
        if len(got) < pieces:
            node.free(chain)
            return self._made(0)
        if not len(chain):
            return chain
        root, slots = int(chain.slots[0]), iter(got)
        last = -1
        for extents in buffers:
            buffer = root if last < 0 else next(slots)
            if last >= 0:
                node.arena.nb_next[last] = buffer + 1
            _describe(node.arena, buffer, extents, slots)
            last = buffer
        chain.packet_id = np.array([parents[0].packet_id], np.uint64)
        node.arena.cancel[chain.slots] = node.arena.cancel[parents[0].slot]
        node.custody.duties.derive(int(chain.handles[0]), [parent.handle for parent in parents])
        return chain

    def _with_header(self, chain: NblChain, header: int) -> NblChain:
        if header and len(chain) and not chain.retreat(header):
            self._node.free(chain)
            return self._made(0)
        return chain


def _extents(buffer: NetBuffer, start: int = 0, length: int | None = None) -> Iterator[Extent]:
    """Yield where `length` bytes of an NB lie, from byte `start` of its data on."""
    skip = buffer.data_offset + start
    left = buffer.data_length - start if length is None else length
    for mdl in buffer.mdls:
        count = min(mdl.byte_count - skip, left)
        if count > 0:
            yield mdl.cell, mdl.offset + skip, count
            left -= count
        skip = max(skip - mdl.byte_count, 0)


def _describe(arena: Arena, buffer: int, extents: list[Extent], slots: Iterator[int]) -> None:
    """Make the MDLs of an NB from extents: its own first, then one in each further slot."""
    mdl = buffer
    for number, (cell, offset, length) in enumerate(extents):
        if number:
            after = next(slots)
            arena.mdl_next[mdl] = after + 1
            mdl = after
        arena.mdl_cell[mdl] = cell + 1
        arena.mdl_offset[mdl] = offset
        arena.mdl_length[mdl] = length
    arena.nb_offset[buffer] = 0
    arena.nb_length[buffer] = sum(length for _, _, length in extents)
    data_start.seat(arena, buffer)


def _share_mdls(arena: Arena, clone: int, original: NetBuffer) -> None:
    """Let an NB use the MDLs of another, from the one that holds the start of its data."""
    offset, mdls = original.data_offset, list(original.mdls)
    while offset >= mdls[0].byte_count and len(mdls) > 1:
        offset -= mdls.pop(0).byte_count
    arena.nb_mdl[clone] = mdls[0].slot + 1
    arena.mdl_next[clone] = arena.mdl_next[mdls[0].slot]
    arena.nb_offset[clone] = offset
    arena.nb_length[clone] = original.data_length
    data_start.seat(arena, clone)


def _slots(arena: Arena, chain: NblChain) -> Iterator[int]:
    """Yield the slots of the NBs of a chain of at most one packet."""
    slot = int(chain.slots[0]) if len(chain) else -1
    while slot >= 0:
        yield slot
        slot = int(arena.nb_next[slot]) - 1
