"""NDIS_WAN_PACKET: one frame in one contiguous buffer, with room at both ends.

    StartBuffer     CurrentBuffer                          EndBuffer
    | head room     | data, CurrentLength bytes | tail room |

In the arena the buffer is the packet's one MDL and the data its one NB. A miniport reaches no byte outside the buffer
through this class (WAN-SND-04), and none at all once it has completed the packet (WAN-SND-03).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nodes.packets.chain import NblChain
from nodes.packets.custody import Custody
from shm.arena import CELL_LENGTH


class WanPacket:
    """One WAN packet in a miniport's hands.

    `mac_reserved` and `wan_packet_queue` are the miniport's to use as it likes; `link_handle` is the NdisLinkHandle
    that the send names. Every use without holding the packet is a violation of WAN-SND-03.
    """

    __slots__ = ("_custody", "chain", "handle", "mac_reserved", "slot", "wan_packet_queue")

    def __init__(self, chain: NblChain, custody: Custody) -> None:
        self.chain = chain
        self.handle = int(chain.handles[0])
        self.slot = int(chain.slots[0])
        self.mac_reserved: Any = None
        self.wan_packet_queue: Any = None
        self._custody = custody

    @property
    def held(self) -> bool:
        """Return whether the packet is in this node's hands."""
        return int(self._custody.held[self.slot]) == self.handle

    @property
    def link_handle(self) -> int:
        """Return the NdisLinkHandle of the link to send on."""
        return int(self._custody.arena.source[self._checked()])

    @property
    def current_length(self) -> int:
        """Return the bytes of data."""
        return int(self._custody.arena.nb_length[self._checked()])

    @property
    def head_room(self) -> int:
        """Return CurrentBuffer - StartBuffer in bytes."""
        return int(self._custody.arena.nb_offset[self._checked()])

    @property
    def tail_room(self) -> int:
        """Return EndBuffer - (CurrentBuffer + CurrentLength) in bytes."""
        arena, slot = self._custody.arena, self._checked()
        return int(arena.mdl_length[slot]) - int(arena.nb_offset[slot]) - int(arena.nb_length[slot])

    @property
    def buffer(self) -> memoryview:
        """Return the whole buffer from StartBuffer to EndBuffer, writable."""
        arena, slot = self._custody.arena, self._checked()
        start = int(arena.mdl_offset[slot])
        return self._custody.view(self.handle, slot, start, start + int(arena.mdl_length[slot]))

    @property
    def data(self) -> memoryview:
        """Return the data, writable."""
        arena, slot = self._custody.arena, self._checked()
        start = int(arena.mdl_offset[slot]) + self.head_room
        return self._custody.view(self.handle, slot, start, start + self.current_length)

    @property
    def protocol_reserved(self) -> int:
        """Return the upper layer's own word in the packet."""
        return int(self._custody.arena.parent[self._checked()])

    @protocol_reserved.setter
    def protocol_reserved(self, value: int) -> None:
        self._custody.complain(
            "WAN-SND-03", self.handle, f"{value:#x} was to be written into the upper layer's ProtocolReserved"
        )

    def resize(self, *, head: int = 0, tail: int = 0) -> None:
        """Grow the data by `head` bytes in front and `tail` behind; negative numbers shrink it.

        Leaving the buffer, or less than no data, is a violation of WAN-SND-04 and changes nothing.
        """
        arena, slot = self._custody.arena, self._checked()
        offset, length = self.head_room - head, self.current_length + head + tail
        if offset < 0 or length < 0 or offset + length > int(arena.mdl_length[slot]):
            self._custody.complain(
                "WAN-SND-04",
                self.handle,
                f"data grown by {head} bytes in front and {tail} behind would leave a buffer with "
                f"{self.head_room} and {self.tail_room} bytes of room",
            )
            return
        if not self.held:
            return
        arena.nb_offset[slot] = offset
        arena.nb_length[slot] = length
        arena.nb_data[slot] = slot * CELL_LENGTH + int(arena.mdl_offset[slot]) + offset

    def _checked(self) -> int:
        """Return the slot; report a touch of a packet that is not held."""
        if not self.held:
            handles = np.array([self.handle], np.uint64)
            self._custody.complain_of(handles, "WAN-SND-03", "touched")
        return self.slot
