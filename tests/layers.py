"""Driver layers for tests: one that sends what it is told, one that completes when it is told, and others."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodes.ndis import Adapter, Binding, Filter, FilterModule, Miniport, Protocol
from nodes.options import Count, Duration, Positive
from nodes.packets.chain import NblChain
from nodes.status import Status, status_name
from shm.arena import CELL_LENGTH, Pool


class Teller(Protocol):
    """Sends what a test tells it to, and keeps what comes back and what it receives."""

    default_pool_size = 4096

    def bind_adapter(self, binding: Binding) -> None:
        self.sent: list[int] = []
        self.back: list[tuple[int, str]] = []
        self.sources: list[int] = []
        self.received: list[int] = []
        self.keep = False
        self.kept: list[tuple[Binding, NblChain]] = []

    def send(self, count: int, *, length: int = 64, cancel_id: int = 0, text: bytes = b"") -> list[int]:
        """Send one call of `count` packets; return their handles."""
        chain = self.bindings[0].allocate_net_buffer_lists(count, length)
        assert len(chain) == count
        chain.cancel_id = cancel_id
        chain.write(np.zeros(length, np.uint8))
        if text:
            chain.write(np.frombuffer(text, np.uint8))
        handles: list[int] = chain.handles.tolist()
        self.sent += handles
        self.bindings[0].send_net_buffer_lists(chain)
        return handles

    def send_pieces(self, pieces: list[bytes], *, as_net_buffers: bool) -> None:
        """Send one packet whose data lies in several cells: as NBs, or as MDLs of one NB."""
        chain = self.bindings[0].allocate_net_buffer_lists(1, len(pieces[0]))
        extend(self._node.pool, chain, pieces, as_net_buffers=as_net_buffers)
        self.bindings[0].send_net_buffer_lists(chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        names = [status_name(status) for status in chain.status.tolist()]
        self.back += zip(chain.handles.tolist(), names, strict=True)
        self.sources += chain.source_handle.tolist()
        self.free(chain)

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.received += chain.handles.tolist()
        if self.keep:
            self.kept.append((binding, chain))
        else:
            binding.return_net_buffer_lists(chain)

    def return_kept(self) -> None:
        """Return everything that was kept."""
        for binding, chain in self.kept:
            binding.return_net_buffer_lists(chain)
        self.kept = []


class Ipv6Teller(Teller):
    """A teller that takes IPv6 frames only."""

    frame_types = (0x86DD,)


@dataclass(frozen=True)
class FloorOptions:
    """Whether sends wait until a test completes them."""

    hold: bool = False


class Floor(Miniport):
    """A bottom that notes calls, bytes and cells, and completes at once or when a test says so."""

    Options = FloorOptions

    def initialize(self, adapter: Adapter) -> None:
        self.calls: list[list[int]] = []
        self.cancels: list[int] = []
        self.frames: list[bytes] = []
        self.times: list[int] = []
        self.waiting: deque[NblChain] = deque()

    def pause(self) -> Status:
        self.complete()
        return Status.SUCCESS

    @property
    def handles(self) -> list[int]:
        """Return the handles of all sends in order of arrival."""
        return [handle for call in self.calls for handle in call]

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.calls.append(chain.handles.tolist())
        self.frames += [bytes(nbl.data) for nbl in chain]
        self.times += [self.now] * len(chain)
        self.waiting.append(chain)
        if not self.options.hold:
            self.complete()

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        self.cancels.append(cancel_id)

    def complete(self, count: int = 1 << 30, status: Status = Status.SUCCESS) -> None:
        """Complete the first `count` packets that wait."""
        while self.waiting and count:
            chain = self.waiting.popleft()
            if len(chain) > count:
                self.waiting.appendleft(chain[count:])
                chain = chain[:count]
            count -= len(chain)
            chain.status = status
            self.adapter.send_net_buffer_lists_complete(chain)

    def indicate(self, *frames: bytes) -> list[int]:
        """Indicate one chain of frames upwards; return the handles."""
        lengths = np.array([len(frame) for frame in frames], np.uint32)
        chain = self.adapter.allocate_net_buffer_lists(len(frames), lengths)
        for nbl, frame in zip(chain, frames, strict=True):
            next(next(nbl.net_buffers).pieces)[:] = frame
        handles: list[int] = chain.handles.tolist()
        self.adapter.indicate_receive_net_buffer_lists(chain)
        return handles

    def indicate_long(self, frame: bytes) -> None:
        """Indicate one frame that lies in several cells."""
        pieces = [frame[start : start + CELL_LENGTH] for start in range(0, len(frame), CELL_LENGTH)]
        chain = self.adapter.allocate_net_buffer_lists(1, len(pieces[0]))
        extend(self._node.pool, chain, pieces, as_net_buffers=False)
        self.adapter.indicate_receive_net_buffer_lists(chain)


def extend(pool: Pool, chain: NblChain, pieces: list[bytes], *, as_net_buffers: bool) -> None:
    """Give a packet further cells and write one piece into each of them."""
    pool.extend(int(chain.handles[0]), [len(piece) for piece in pieces[1:]], as_net_buffers=as_net_buffers)
    views = [view for buffer in chain[0].net_buffers for view in buffer.pieces]
    for view, piece in zip(views, pieces, strict=True):
        view[:] = piece


@dataclass(frozen=True)
class GateOptions:
    """How many packets wait before a gate opens, for how long at most (ns), and how many then leave at a time."""

    gather: Count = 8
    leave: Positive = 3
    patience: Duration = 1_000_000


class Gate(Filter):
    """A filter that queues: sends wait until enough have gathered, then leave in small chains, in order."""

    Options = GateOptions

    def attach(self, module: FilterModule) -> None:
        self._queue: list[NblChain] = []

    def pause(self) -> Status:
        queue, self._queue = self._queue, []
        for chain in queue:
            self._end(chain, Status.PAUSED)
        return Status.SUCCESS

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self._queue.append(chain)
        if sum(map(len, self._queue)) >= self.options.gather:
            self._open()
        elif len(self._queue) == 1:
            self.set_timer(self.options.patience, self._open)

    def _open(self) -> None:
        if not self._queue:
            return
        chain = NblChain.join(self._queue)
        self._queue = []
        for start in range(0, len(chain), self.options.leave):
            self.module.send_net_buffer_lists(chain[start : start + self.options.leave])

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        queue, self._queue = self._queue, []
        for chain in queue:
            mask: Any = chain.cancel_id == np.uint64(cancel_id)
            if mask.any():
                self._end(chain[mask], Status.SEND_ABORTED)
            if not mask.all():
                self._queue.append(chain[~mask])
        super().cancel_send_net_buffer_lists(cancel_id)

    def _end(self, chain: NblChain, status: Status) -> None:
        chain.status = status
        self.module.send_net_buffer_lists_complete(chain)
