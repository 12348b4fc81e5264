"""NET_BUFFER_LIST chains: the unit of every call.

Whoever holds a chain owns its NBLs, NBs, MDLs and data until it hands them on (N6-SEND-03); every access is checked
against the node's custody. A driver may work on whole vectors or walk packet by packet:

    chain.length                    data bytes of each packet, one vector
    chain.status = Status.FAILURE   one vector store
    for nbl in chain: nbl.data      one packet at a time

The identity of a packet is its handle; chains are split and merged freely (N6-SEND-07).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from nodes.packets.custody import Custody
from nodes.packets.nbl_flags import is_packet_type
from nodes.packets.net_buffer import Mdl, Nbl, NetBuffer
from nodes.verifier.level import Level
from shm.arena import CELL_LENGTH, Slots
from shm.handle import slots_of
from shm.vectors import none_set, same

U64 = NDArray[np.uint64]
U32 = NDArray[np.uint32]
__all__ = ["Mdl", "Nbl", "NblChain", "NetBuffer"]

_CELL_MASK = CELL_LENGTH - 1
_STEPS = np.arange(4096, dtype=np.int64) * CELL_LENGTH


class NblChain:
    """A chain of NBLs: `handles` (u64[n]) in order, each at most once."""

    __slots__ = ("_custody", "handles", "slots")

    def __init__(self, handles: U64, slots: Slots, custody: Custody) -> None:
        self.handles = handles
        self.slots = slots
        self._custody = custody

    @classmethod
    def join(cls, chains: Sequence[NblChain]) -> NblChain:
        """Return one chain of all packets of `chains` in order; raises ValueError for none or for a packet twice."""
        if not chains:
            raise ValueError("a chain needs at least one packet")
        handles = np.concatenate([chain.handles for chain in chains])
        return chains[0]._unique(handles)

    def __len__(self) -> int:
        return len(self.handles)

    def __iter__(self) -> Iterator[Nbl]:
        for handle, slot in zip(self.handles.tolist(), self.slots.tolist(), strict=True):
            yield Nbl(handle, slot, self._custody)

    @overload
    def __getitem__(self, index: int) -> Nbl: ...
    @overload
    def __getitem__(self, index: slice | NDArray[Any]) -> NblChain: ...
    def __getitem__(self, index: int | slice | NDArray[Any]) -> Nbl | NblChain:
        """Return one packet, or the chain of those picked by a slice, a mask or an array of indices.

        Raises ValueError when an array of indices picks a packet twice.
        """
        if isinstance(index, int | np.integer):
            return Nbl(int(self.handles[index]), int(self.slots[index]), self._custody)
        if isinstance(index, np.ndarray) and index.dtype != np.bool_:
            return self._unique(self.handles[index])
        return NblChain(self.handles[index], self.slots[index], self._custody)

    @property
    def status(self) -> U32:
        """Return the Status field of each NBL (u32[n])."""
        return self._read(self._custody.arena.status)

    @status.setter
    def status(self, value: int | U32) -> None:
        self._write(self._custody.arena.status, value)

    @property
    def length(self) -> U32:
        """Return the data length of each NBL's first NB in bytes (u32[n])."""
        return self._read(self._custody.arena.nb_length)

    @length.setter
    def length(self, value: int | U32) -> None:
        arena = self._custody.arena
        if not none_set(arena.mdl_next[self.slots]):
            raise ValueError("a packet of several MDLs has its length changed by retreat and advance only")
        for handle in self.handles[self._custody.duties.foreign(self.handles)].tolist():
            self._custody.duties.note_change(handle, self._custody.duties.altered)
        stop = arena.nb_offset[self.slots] + value
        if np.max(stop, initial=0) > CELL_LENGTH:
            raise ValueError(
                f"data would end at byte {int(np.max(stop))} of the first MDL's cell of {CELL_LENGTH}"
            )
        self._write(arena.nb_length, value)
        self._write(arena.mdl_length, stop)

    @property
    def packet_id(self) -> U64:
        """Return the id that names each packet in traces and captures, the same in every layer (u64[n])."""
        return self._read(self._custody.arena.packet_id)

    @packet_id.setter
    def packet_id(self, value: U64) -> None:
        self._write(self._custody.arena.packet_id, value)

    @property
    def cancel_id(self) -> U64:
        """Return the cancel id of each NBL, 0 for none (u64[n], N6-CAN-01)."""
        return self._read(self._custody.arena.cancel)

    @cancel_id.setter
    def cancel_id(self, value: int | U64) -> None:
        self._custody.check_cancel_id(self.handles, self.slots, value)
        self._write(self._custody.arena.cancel, value)

    @property
    def source_handle(self) -> U64:
        """Return the SourceHandle of each NBL, by which completions are routed (u64[n], N6-SEND-02)."""
        return self._read(self._custody.arena.source)

    @source_handle.setter
    def source_handle(self, value: int | U64) -> None:
        if not self._custody.may_reroute and (foreign := self._custody.duties.foreign(self.handles)).any():
            message = "the SourceHandle of another's packet was written"
            self._custody.complain("N6-NBL-04", int(self.handles[foreign][0]), message)
            return
        self._write(self._custody.arena.source, value)

    @property
    def flags(self) -> U32:
        """Return the NblFlags of each NBL (u32[n])."""
        return self._read(self._custody.arena.flags)

    @flags.setter
    def flags(self, value: int | U32) -> None:
        if self._custody.pool is not None and not is_packet_type(value):
            message = f"NBL flags {value} name no type of packet: IPv4 xor IPv6, TCP xor UDP over one of them"
            self._custody.complain("N6-NBL-15", int(self.handles[0]), message)
        self._write(self._custody.arena.flags, value)

    def header(self, length: int) -> NDArray[np.uint8]:
        """Return a copy of the first `length` bytes of each packet's data, shape (n, length).

        Bytes past a shorter packet's end are whatever the cell holds. Raises ValueError when they would leave the
        cell of a packet of one MDL.
        """
        self._custody.check(self.handles, self.slots)
        linked = self._custody.arena.mdl_next[self.slots] != 0
        if not none_set(linked):
            return self._gathered(length, linked)
        start = self._data_start(length)
        if self._custody.views.live:
            self._custody.views.store()
        rows: NDArray[np.uint8] = self._custody.arena.bytes_of(length)[start].view(np.uint8)
        return rows.reshape(len(start), length)

    def write(self, payload: NDArray[np.uint8]) -> None:
        """Write `payload`, shape (n, length) or (length,), at the data start of each packet.

        Raises ValueError when a packet's data is shorter than `length`, or would leave its cell.
        """
        length = payload.shape[-1]
        mask = self._custody.check(self.handles, self.slots)
        start = self._data_start(length)
        arena = self._custody.arena
        if not none_set(arena.nb_length[self.slots] < length):
            raise ValueError(f"{length} bytes do not fit the shortest packet of the chain")
        rows = np.ascontiguousarray(payload).view(f"V{length}")[..., 0]
        if mask is not None:
            start, rows = start[mask], np.broadcast_to(rows, mask.shape)[mask]
        views = self._custody.views
        if views.live:
            views.store()
        arena.bytes_of(length)[start] = rows
        if views.live:
            views.load()

    def rows(self, length: int) -> NDArray[np.uint8] | None:
        """Return the first `length` bytes of each packet where they lie, writable, shape (n, length).

        None when there are none, or they do not lie side by side as packets allocated together and kept together do:
        use `header` and `write` then. Raises ValueError as they do. Using the array after hand-over is a violation.
        """
        self._custody.check(self.handles, self.slots)
        arena = self._custody.arena
        start = arena.nb_data[self.slots]
        count = len(start)
        slot, offset = divmod(int(start[0]), CELL_LENGTH) if count else (0, 0)
        if not 0 < length <= CELL_LENGTH - offset:
            raise ValueError(f"{length} bytes from offset {offset} do not lie in one cell of {CELL_LENGTH}")
        if count != 1 and not (0 < count <= len(_STEPS) and same(start - start[0], _STEPS[:count])):
            return None
        if self._custody.level >= Level.HISTORY:
            return self._custody.views.block(self.handles.tolist(), slot, offset, length)
        rows: NDArray[np.uint8] = arena.cells[slot : slot + count, offset : offset + length]
        return rows

    def retreat(self, delta: int, backfill: int = 0) -> bool:
        """Begin the data of every NB `delta` bytes earlier (NdisRetreatNetBufferListDataStart, N6-NBL-08).

        One vector operation when the unused space before the data is enough, else as `NetBuffer.retreat`. Returns
        False, with nothing changed, when the pool is empty.
        """
        arena, duties = self._custody.arena, self._custody.duties
        linked = arena.nb_next[self.slots] | arena.mdl_next[self.slots]
        self._custody.called("NdisRetreatNetBufferListDataStart")
        if self._custody.check(self.handles, self.slots) is not None:
            return False
        if none_set(linked) and none_set(arena.nb_offset[self.slots] < delta) and delta >= 0:
            for handle in self.handles[duties.foreign(self.handles)].tolist():
                duties.note_change(handle, "N6-NBL-08")
            arena.nb_offset[self.slots] -= np.uint32(delta)
            arena.nb_length[self.slots] += np.uint32(delta)
            arena.nb_data[self.slots] -= delta
            return True
        done: list[NetBuffer] = []
        for buffer in [buffer for nbl in self for buffer in nbl.net_buffers]:
            if not buffer.retreat(delta, backfill):
                for other in done:
                    other.advance(delta, free_mdl=True)
                return False
            done.append(buffer)
        return True

    def advance(self, delta: int, *, free_mdl: bool = False) -> None:
        """Begin the data of every NB `delta` bytes later (NdisAdvanceNetBufferListDataStart).

        Edges are those of `NetBuffer.advance`.
        """
        for nbl in self:
            for buffer in nbl.net_buffers:
                buffer.advance(delta, free_mdl=free_mdl)

    def _gathered(self, length: int, linked: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return the first bytes of packets of which some, `linked`, have several MDLs."""
        rows = np.zeros((len(self), length), np.uint8)
        if not linked.all():
            rows[~linked] = self[~linked].header(length)
        for index in np.flatnonzero(linked).tolist():
            data = b"".join(next(self[index].net_buffers).pieces)[:length]
            rows[index, : len(data)] = np.frombuffer(data, np.uint8)
        return rows

    def _data_start(self, length: int) -> Slots:
        """Return where each packet's data starts, as byte positions, when `length` bytes from there are in one cell."""
        start = self._custody.arena.nb_data[self.slots]
        if length < 1 or length > CELL_LENGTH or not none_set((start & _CELL_MASK) > CELL_LENGTH - length):
            raise ValueError(f"{length} bytes do not lie in one cell for every packet of the chain")
        return start

    def _unique(self, handles: U64) -> NblChain:
        if len(np.unique(handles)) != len(handles):
            raise ValueError("a packet can be in a chain only once (N6-NBL-01)")
        return NblChain(handles, slots_of(handles), self._custody)

    def _read(self, table: NDArray[Any]) -> NDArray[Any]:
        self._custody.check(self.handles, self.slots)
        return table[self.slots]

    def _write(self, table: NDArray[Any], value: int | NDArray[Any]) -> None:
        mask = self._custody.check(self.handles, self.slots)
        if mask is None:
            table[self.slots] = value
        else:
            table[self.slots[mask]] = np.broadcast_to(value, mask.shape)[mask]
