"""The receiving half of NDISWAN: frames from the links become Ethernet frames again."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.packets.chain import NblChain
from nodes.wan import ppp
from nodes.wan.multilink import Reassembler, SequenceFormat, parse
from shm.arena import CELL_LENGTH, Arena


class Inbound:
    """Takes frames apart and fragments together.

    `addresses` head the Ethernet frames that travelled without their header. With a `form` of None multilink fragments
    are not understood; else `first` is the number of the first one. `malformed` and `foreign` count frames that made no
    sense or have an unknown protocol.
    """

    def __init__(
        self, arena: Arena, addresses: bytes, form: SequenceFormat | None, limit: int, first: int = 0
    ) -> None:
        self._cells = arena.cells.reshape(-1).data
        self._arena = arena
        self._addresses = addresses
        self._form = form
        self.reassembler = Reassembler(form, limit, first) if form else None
        self.malformed = 0
        self.foreign = 0

    def take(self, chain: NblChain) -> list[bytes]:
        """Return the Ethernet frames that received frames bring or complete, in order."""
        arena, slots = self._arena, chain.slots
        columns = (arena.nb_data[slots], arena.nb_length[slots], arena.source[slots])
        found: list[bytes] = []
        for start, length, context in zip(*(column.tolist() for column in columns), strict=True):
            frame = bytes(self._cells[start : start + min(length, CELL_LENGTH)])
            try:
                found += self._ethernet(self._packets(context, ppp.unframed(frame)))
            except ppp.MalformedPpp:
                self.malformed += 1
        return found

    @property
    def expected(self) -> int:
        """Return the number of the fragment that comes next."""
        return self.reassembler.expected if self.reassembler else 0

    def join(self, context: int) -> None:
        """Count a link in."""
        if self.reassembler:
            self.reassembler.join(context)

    def leave(self, context: int) -> list[bytes]:
        """Count a link out; return the Ethernet frames that no longer wait for it."""
        return self._ethernet(self.reassembler.leave(context)) if self.reassembler else []

    def give_up(self) -> list[bytes]:
        """Stop waiting for the first missing fragments; return the Ethernet frames that this lets through."""
        return self._ethernet(self.reassembler.give_up()) if self.reassembler else []

    def _packets(self, context: int, packet: bytes) -> list[bytes]:
        if self.reassembler is None or self._form is None:
            return [packet]
        protocol, information = ppp.protocol_of(packet)
        if protocol != ppp.PppProtocol.MULTILINK:
            return [packet]
        return self.reassembler.take(context, parse(information, self._form))

    def _ethernet(self, packets: Iterable[bytes]) -> list[bytes]:
        found = []
        for packet in packets:
            try:
                frame = ppp.ethernet_of(packet, self._addresses)
            except ppp.MalformedPpp:
                self.malformed += 1
                continue
            if frame is None:
                self.foreign += 1
            else:
                found.append(frame)
        return found
