"""One packet looked at by itself: NET_BUFFER_LIST, its NET_BUFFERs, their MDLs.

Every access is checked against the node's custody, as for chains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nodes.packets import data_start
from nodes.packets.custody import Custody


class Mdl:
    """A memory descriptor: a stretch of bytes in one payload cell."""

    __slots__ = ("_custody", "_nbl", "slot")

    def __init__(self, slot: int, nbl: Nbl, custody: Custody) -> None:
        self.slot = slot
        self._nbl = nbl
        self._custody = custody

    @property
    def byte_count(self) -> int:
        """Return how many bytes the MDL describes."""
        self._nbl.check()
        return int(self._custody.arena.mdl_length[self.slot])

    @property
    def offset(self) -> int:
        """Return where in its cell the bytes begin."""
        self._nbl.check()
        return int(self._custody.arena.mdl_offset[self.slot])

    @property
    def cell(self) -> int:
        """Return the payload cell the bytes lie in."""
        self._nbl.check()
        return int(self._custody.arena.mdl_cell[self.slot] or self.slot + 1) - 1

    @property
    def view(self) -> memoryview:
        """Return the bytes, writable; using the view after hand-over is a violation, and raises ValueError."""
        return self.part(0, self.byte_count)

    def part(self, start: int, stop: int) -> memoryview:
        """Return bytes `start` to `stop` of the MDL as `view` does; fewer where it ends earlier."""
        self._nbl.check()
        offset, end = self.offset, self.offset + self.byte_count
        start, stop = min(offset + start, end), min(offset + stop, end)
        return self._custody.view(self._nbl.handle, self.cell, start, stop)


class NetBuffer:
    """A NET_BUFFER: the data of one frame, over a chain of MDLs."""

    __slots__ = ("_custody", "_nbl", "slot")

    def __init__(self, slot: int, nbl: Nbl, custody: Custody) -> None:
        self.slot = slot
        self._nbl = nbl
        self._custody = custody

    @property
    def nbl(self) -> Nbl:
        """Return the packet that this NB belongs to."""
        return self._nbl

    @property
    def data_length(self) -> int:
        """Return the length of the data in bytes."""
        self._nbl.check()
        return int(self._custody.arena.nb_length[self.slot])

    @property
    def data_offset(self) -> int:
        """Return where the data starts in the MDL chain, in bytes."""
        self._nbl.check()
        return int(self._custody.arena.nb_offset[self.slot])

    @property
    def mdls(self) -> Iterator[Mdl]:
        """Walk the MDL chain."""
        self._nbl.check()
        arena = self._custody.arena
        slot = int(arena.nb_mdl[self.slot] or self.slot + 1) - 1
        while slot >= 0:
            yield Mdl(slot, self._nbl, self._custody)
            slot = int(arena.mdl_next[slot]) - 1

    @property
    def pieces(self) -> Iterator[memoryview]:
        """Walk the data where it lies, one writable view for each MDL that holds some of it."""
        return self._pieces(self.data_length)

    def _pieces(self, length: int) -> Iterator[memoryview]:
        skip, left = self.data_offset, min(length, self.data_length)
        for mdl in self.mdls:
            here = min(mdl.byte_count - skip, left)
            if here > 0:
                yield mdl.part(skip, skip + here)
                left -= here
            skip = max(skip - mdl.byte_count, 0)
            if not left:
                return

    @property
    def data(self) -> memoryview | bytes:
        """Return the data: a view where it lies if it is in one MDL, else a copy in one piece."""
        pieces = list(self.pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def get_data_buffer(self, length: int, storage: bytearray | None = None) -> memoryview | None:
        """Return the first `length` bytes in one piece: where they lie, else copied into `storage` (N6-NBL-13).

        None when the data is shorter, or lies in several MDLs and there is no storage that is large enough.
        """
        pieces = list(self._pieces(length))
        if length > self.data_length or not pieces:
            return None
        if len(pieces) == 1:
            return pieces[0]
        if storage is None or len(storage) < length:
            return None
        storage[:length] = b"".join(pieces)
        return memoryview(storage)[:length]

    def retreat(self, delta: int, backfill: int = 0) -> bool:
        """Begin the data `delta` bytes earlier (NdisRetreatNetBufferDataStart, N6-NBL-08).

        When the unused space before the data is too small an MDL from this node's pool, with `backfill` unused bytes
        of its own, is put before the others. Returns False, with nothing changed, when the pool is empty: that is
        NDIS_STATUS_RESOURCES. A packet of another node's must be advanced again before it goes back.
        """
        self._custody.called("NdisRetreatNetBufferDataStart")
        if not self._nbl.check():
            return False
        self._custody.duties.note_change(self._nbl.handle, "N6-NBL-08")
        return data_start.retreat(self._custody, self._nbl.slot, self.slot, delta, backfill)

    def advance(self, delta: int, *, free_mdl: bool = False) -> None:
        """Begin the data `delta` bytes later (NdisAdvanceNetBufferDataStart, N6-NBL-08).

        With `free_mdl` MDLs that `retreat` added are freed once all of them is skipped. Freeing an MDL of anybody
        else's is a violation, as is freeing any in a packet received from below (N6-NBL-09); none is freed then.
        """
        nbl, custody = self._nbl, self._custody
        custody.called("NdisAdvanceNetBufferDataStart")
        if not nbl.check():
            return
        received = free_mdl and int(custody.came[nbl.slot]) in custody.ports_below
        if received and not custody.duties.owns(nbl.handle):
            custody.complain("N6-NBL-09", nbl.handle, "an advance on the receive path was told to free MDLs")
            free_mdl = False
        custody.duties.note_change(nbl.handle, "N6-NBL-08")
        if not data_start.advance(custody, nbl.slot, self.slot, delta, free_mdl=free_mdl):
            custody.complain(
                "N6-NBL-08", nbl.handle, "an advance would free an MDL that no retreat here added"
            )


class Nbl:
    """One NET_BUFFER_LIST."""

    __slots__ = ("_custody", "handle", "slot")

    def __init__(self, handle: int, slot: int, custody: Custody) -> None:
        self.handle = handle
        self.slot = slot
        self._custody = custody

    def check(self) -> bool:
        """Return whether this node holds the packet; it is a violation if not (N6-SEND-03), and nothing is changed."""
        return self._custody.check_one(self.handle, self.slot)

    @property
    def status(self) -> int:
        """Return the Status field."""
        self.check()
        return int(self._custody.arena.status[self.slot])

    @status.setter
    def status(self, value: int) -> None:
        if self.check():
            self._custody.arena.status[self.slot] = value

    @property
    def packet_id(self) -> int:
        """Return the id that names the packet in traces and captures."""
        self.check()
        return int(self._custody.arena.packet_id[self.slot])

    @property
    def parent_net_buffer_list(self) -> int:
        """Return the handle of the packet that this one was derived from, 0 for none (ParentNetBufferList)."""
        self.check()
        return int(self._custody.arena.parent[self.slot])

    @parent_net_buffer_list.setter
    def parent_net_buffer_list(self, handle: int) -> None:
        """Set it on a packet derived here; on another driver's it is a violation of N6-NBL-06 and not written."""
        if not self.check():
            return
        if not self._custody.duties.owns(self.handle):
            self._custody.complain(
                "N6-NBL-06", self.handle, "the parent pointer of another's packet was written"
            )
            return
        self._custody.arena.parent[self.slot] = handle

    @property
    def child_ref_count(self) -> int:
        """Return how many packets derived from this one still live, as their deriver counts them (N6-NBL-05)."""
        self.check()
        return int(self._custody.arena.children[self.slot])

    @child_ref_count.setter
    def child_ref_count(self, count: int) -> None:
        if self.check():
            self._custody.arena.children[self.slot] = count

    @property
    def scratch(self) -> int:
        """Return Scratch: 0 until set, and again once the packet has left this driver's hands (N6-NBL-02)."""
        self.check()
        return self._custody.duties.scratch(self.handle)

    @scratch.setter
    def scratch(self, value: int) -> None:
        if self.check():
            self._custody.duties.set_scratch(self.handle, value)

    @property
    def context(self) -> bytearray | None:
        """Return this driver's context space of the packet, None without (N6-NBL-10)."""
        self.check()
        return self._custody.duties.context(self.handle)

    def relink(self, buffers: Sequence[NetBuffer]) -> None:
        """Make `buffers` the NBs of this packet, first its own first one; they must be as they were when it goes back.

        An NB of another packet, or one named twice, is a violation of N6-NBL-01, and nothing is changed then; giving
        the packet back with NBs missing or in another order is one of N6-SEND-13 or, by a filter, N6-FLT-05.
        """
        custody = self._custody
        if not self.check():
            return
        if not buffers or buffers[0].slot != self.slot or any(nb.nbl.handle != self.handle for nb in buffers):
            custody.complain("N6-NBL-01", self.handle, "an NB of another packet was linked into this one")
            return
        if len({nb.slot for nb in buffers}) < len(buffers):
            custody.complain("N6-NBL-01", self.handle, "the NBs of this packet were linked in a circle")
            return
        custody.duties.note_change(self.handle, custody.duties.altered)
        for buffer, after in zip(buffers, [*buffers[1:], None], strict=True):
            custody.arena.nb_next[buffer.slot] = after.slot + 1 if after else 0

    @property
    def net_buffers(self) -> Iterator[NetBuffer]:
        """Walk the NBs in order (N6-SEND-08)."""
        self.check()
        slot = self.slot
        while slot >= 0:
            yield NetBuffer(slot, self, self._custody)
            slot = int(self._custody.arena.nb_next[slot]) - 1

    @property
    def data(self) -> memoryview | bytes:
        """Return the data of the first NB."""
        return next(self.net_buffers).data
