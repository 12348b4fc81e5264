"""Replay of a capture: its frames, in its order, at its pace."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from nodes.formats.captured import load_frames
from nodes.ndis import Binding, NetEvent, Protocol
from nodes.ndis.indication import StatusIndication
from nodes.options import Choice, Count, InputFile
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.frame_rows import cells_for, write_frame
from nodes.stock.punctuality import Punctuality
from nodes.stock.starvation import Starvation
from nodes.timers import RETRY, Timer
from shm.arena import CELL_LENGTH

CALL = 64
"""Frames handed down in one call at most."""
ENDLESS = 1 << 62


class PoolTooSmall(ValueError):
    """A frame of the capture needs more cells than the node's pool has."""


@dataclass(frozen=True)
class ReplayOptions:
    """Which capture is replayed, and how fast."""

    file: Annotated[str, InputFile("capture")] = field(metadata={"help": "pcap or pcapng file"})
    timing: Annotated[str, Choice(("original", "fast"))] = field(
        default="original", metadata={"help": "original: gaps as captured; fast: as the binding takes them"}
    )
    scale: float = field(default=1.0, metadata={"help": "factor on the gaps: 0.5 is twice as fast"})
    loop: Count = field(default=1, metadata={"help": "times the capture is sent; 0 for no end"})

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the options, as pairs of option and message."""
        if 0 <= self.scale <= 1e6:
            return []
        return [("scale", f"{self.scale} is no factor on gaps; write a number from 0 to 1000000, e.g. 0.5")]


def schedule(times_ns: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
    """Return when each frame is due, ns after the first; a time before its predecessor's makes no gap."""
    gaps = np.maximum(np.diff(times_ns, prepend=times_ns[:1]), 0)
    return np.cumsum(gaps * scale).astype(np.int64)


class PcapReplay(Protocol):
    """Send the frames of a capture unchanged on the first binding, and say so when all are back.

    A frame is due its scaled gap after the one before; where the binding or the pool has no room it waits, and so do
    those behind it. At the pace of the capture these are planned times, and whether they were kept is counted; as fast
    as the binding takes frames, or at a scale of 0, there is no plan. Receives are not wanted.
    """

    Options = ReplayOptions
    source = True
    frame_types = (0,)

    def start(self) -> None:
        """Open the bindings and load the frames, once for all of them."""
        super().start()
        self._frames = load_frames(Path(self.options.file))
        scale = self.options.scale if self.options.timing == "original" else 0
        self._due = schedule(self._frames.times_ns, scale)
        count = len(self._frames)
        self._total = count * self.options.loop if self.options.loop else min(count, 1) * ENDLESS
        self._span = int(self._due[-1]) if count else 0
        self._next = 0
        self._epoch = 0
        self._timer: Timer | None = None
        self._open = False
        self._plans = bool(scale)
        self._punctuality = Punctuality(self._node.board, self._node.pool)
        self._starvation = Starvation(self._node.board)
        self._blocked = False
        self._free_since = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Go on with the next frame now, or stop at once (N6-PNP-09)."""
        if binding is self.bindings[0] and event in (NetEvent.PAUSE, NetEvent.RESTART):
            self._go(event is NetEvent.RESTART)
        return Status.SUCCESS

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hold sends while the adapter below is being reset (N6-RST-06)."""
        if binding is self.bindings[0] and indication.code in (Status.RESET_START, Status.RESET_END):
            self._go(indication.code == Status.RESET_END and binding.running)

    def _go(self, onwards: bool) -> None:
        self._open = onwards
        if not onwards:
            self._starvation.end(self.now)
        elif self._next < self._total:
            self._free_since = self.now
            self._epoch = self.now - self._offset(self._next)
        self._pump()

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Free the packets and send on."""
        self._starvation.fed(self.now)
        if self._plans:
            self._punctuality.completed(chain.slots, self.now)
        self.free(chain)
        self._pump()

    def _offset(self, number: int) -> int:
        """Return when frame `number`, counted through all loops, is due, ns after the first."""
        loops, index = divmod(number, len(self._frames))
        return loops * self._span + int(self._due[index])

    def _tick(self) -> None:
        self._timer = None
        self._pump()

    def _pump(self) -> None:
        """Send every frame that is due, as far as there is room; then wait for the next one's time."""
        if self._blocked:
            self._blocked, self._free_since = False, self.now
        while self._open and self._next < self._total:
            count = self._ready()
            if not count:
                self._wait()
                break
            sent = self._send(self._next % len(self._frames), min(count, CALL, self.bindings[0].room))
            if not sent:
                self._try_later()
                return
            self._next += sent
        if not self.bindings[0].outstanding:
            self._starvation.end(self.now)
            if self._next == self._total:
                self.report_done()

    def _ready(self) -> int:
        """Return how many frames from the next one to the end of the capture are due."""
        loops, index = divmod(self._next, len(self._frames))
        elapsed = self.now - self._epoch - loops * self._span
        return max(int(np.searchsorted(self._due, elapsed, side="right")) - index, 0)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.set_timer(self._epoch + self._offset(self._next) - self.now, self._tick)

    def _try_later(self) -> None:
        """Note that a frame waits for room; look again after a while if nothing is out whose completion makes some."""
        self._blocked = True
        self._starvation.begin(self.now)
        if not self.bindings[0].outstanding and self._timer is None:
            self._timer = self.set_timer(RETRY, self._tick)

    def _send(self, first: int, count: int) -> int:
        """Send up to `count` frames from `first` in one call; return how many: none when room or pool is short."""
        lengths = self._frames.lengths[first : first + count]
        (long,) = np.nonzero(lengths > CELL_LENGTH)
        if len(long) and long[0] == 0 and count:
            return self._send_long(first)
        lengths = lengths[: long[0]] if len(long) else lengths
        chain = self.bindings[0].allocate_net_buffer_lists(len(lengths), lengths.astype(np.uint32))
        if not len(chain):
            return 0
        data, cells = self._frames.data, self._node.arena.cells
        offsets = self._frames.offsets[first : first + len(chain)]
        for slot, offset, length in zip(
            chain.slots.tolist(), offsets.tolist(), lengths.tolist(), strict=False
        ):
            cells[slot, :length] = data[offset : offset + length]
        self._hand_down(chain)
        return len(chain)

    def _send_long(self, index: int) -> int:
        """Send one frame over several cells; return 0 when the pool has too few of them now."""
        start, length = int(self._frames.offsets[index]), int(self._frames.lengths[index])
        pool = self._node.pool
        if cells_for(length) > pool.size:
            raise PoolTooSmall(
                f"frame {index + 1} has {length} bytes and needs {cells_for(length)} packet slots, the pool has "
                f"{pool.size}; give the node a larger `pool:`"
            )
        if cells_for(length) > pool.free_count:
            return 0
        chain = self.bindings[0].allocate_net_buffer_lists(1, CELL_LENGTH)
        if not len(chain):
            return 0
        write_frame(pool, chain, self._frames.data[start : start + length])
        self._hand_down(chain)
        return 1

    def _hand_down(self, chain: NblChain) -> None:
        """Send a chain, the first of which is the next frame, having noted whether they leave when they should."""
        now = since = self.now
        if self._plans:
            loops, index = divmod(self._next, len(self._frames))
            planned = self._due[index : index + len(chain)] + (self._epoch + loops * self._span)
            self._punctuality.sent(chain.slots, planned, self._free_since, now)
            since = max(int(planned[0]), self._free_since)
        self._starvation.begin(since)
        self.bindings[0].send_net_buffer_lists(chain)
