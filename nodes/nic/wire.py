"""A NIC's two ends of a wire: frames out, frames in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.faults.frames import FrameFaults
from nodes.packets.buffer_lists import net_buffers
from nodes.packets.chain import NblChain
from shm.arena import Arena, Slots
from shm.vectors import none_set

FRAME_OVERHEAD = 24
"""Bytes a frame takes on the line beside its data: preamble 8, check sequence 4, gap 12 (IEEE 802.3)."""

PADDED = 1
"""Flag of a frame call: the sending NIC pads short frames to `MINIMUM_FRAME` bytes (N6-SEND-17)."""

NO_MINIMUM = 2
"""Flag of a frame call: the medium has no shortest frame."""

MINIMUM_FRAME = 60
"""Shortest Ethernet frame without its check sequence, in bytes."""

U64 = NDArray[np.uint64]


class Wire:
    """The wire of one NIC; without one, frames leave and reach nobody.

    A frame on the wire still lies in the sender's packet: the far NIC copies it into a receive buffer when it is
    due, then releases it. `latency` in ns, `bandwidth` in bit/s (0: unlimited), `loss` a fraction. With `pad` the
    zeros behind a short frame are on the wire only: the far NIC writes them into its buffer. A short frame that goes
    without them breaks N6-SEND-17, unless the medium has `no_minimum`: then all leave as they are.
    """

    def __init__(
        self, arena: Arena, ports: Sequence[Port], *, pad: bool = True, no_minimum: bool = False
    ) -> None:
        wires = [port for port in ports if port.spec.kind == "wire"]
        self._arena = arena
        padded = pad and not no_minimum
        self._flags = PADDED if padded else NO_MINIMUM if no_minimum else 0
        self.minimum = MINIMUM_FRAME if padded else 0
        self._out = next((port for port in wires if port.spec.side == "upper"), None)
        self._in = next((port for port in wires if port.spec.side == "lower"), None)
        options = wires[0].spec.options if wires else {}
        self.latency = int(options.get("latency", 0))
        self.bandwidth = int(options.get("bandwidth", 0))
        self.loss = float(options.get("loss", 0))

    @property
    def connected(self) -> bool:
        """Return whether there is a far end."""
        return self._out is not None

    @property
    def room(self) -> int:
        """Return how many more frames may be on the wire."""
        return self._out.room() if self._out is not None else 1 << 30

    def transmit(self, chain: NblChain, arrival: U64) -> None:
        """Put frames on the wire, to be there completely at `arrival` (ns, u64[n])."""
        if self._out is not None:
            self._arena.due[chain.slots] = arrival
            self._out.request(Op.FRAME, chain, self._flags)

    def came(self, received: NblChain) -> None:
        """Let faults of the wire, if it has any, damage what has just been copied off it."""
        if self._in is not None and isinstance(self._in.mixing, FrameFaults):
            self._in.mixing.damage(received)

    def release(self, chain: NblChain) -> None:
        """Give received frames back to the sender: they have been copied or dropped."""
        if self._in is not None:
            self._in.reply(Op.FRAME_DONE, chain)


def line_times(lengths: NDArray[np.uint32], frames: int | NDArray[np.int64], rate: int) -> U64:
    """Return how long packets of `lengths` bytes in `frames` frames occupy a line of `rate` bit/s, ns (0: no limit)."""
    if not rate:
        return np.zeros(len(lengths), np.uint64)
    return ((lengths.astype(np.float64) + frames * FRAME_OVERHEAD) * (8e9 / rate)).astype(np.uint64)


def frames_of(arena: Arena, slots: Slots, minimum: int) -> tuple[NDArray[np.uint32], int | NDArray[np.int64]]:
    """Return the bytes that each packet puts on the line and in how many frames: one for each of its NBs.

    Frames have at least `minimum` bytes; their number is 1 where that is so for all.
    """
    lengths: NDArray[np.uint32] = np.maximum(arena.nb_length[slots], np.uint32(minimum))
    after = arena.nb_next[slots]
    if none_set(after):
        return lengths, 1
    buffers, packet = net_buffers(arena, slots)
    octets = np.maximum(arena.nb_length[buffers], np.uint32(minimum))
    lengths = np.bincount(packet, octets, len(slots)).astype(np.uint32)
    return lengths, np.bincount(packet, minlength=len(slots))
