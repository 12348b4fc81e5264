"""The receive half of a NIC: copies frames off the wire into receive buffers when they are due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nodes.clock import Clock
from nodes.nic.wire import MINIMUM_FRAME, PADDED, Wire, frames_of
from nodes.packets.buffer_lists import net_buffers
from nodes.packets.chain import Nbl, NblChain
from nodes.timers import RETRY, Timer, Timers
from shm.arena import CELL_LENGTH, Arena, Pool, Slots
from shm.vectors import none_set

Allocate = Callable[[int, NDArray[np.uint32]], NblChain]


class Receiver:
    """Takes frames off the wire.

    `allocate` gives receive packets, `room` how many may be indicated now, `indicate` takes the filled chain and
    `missed` the number of frames dropped. With `flow_control` a frame that finds no buffer stays on the wire until
    `resume` is called (IEEE 802.3x pause); without, it is dropped. `delay` ns of interrupt moderation gather
    frames and may be changed. `frames` and `octets` count what was received, with padding. Each NB of a packet is a
    frame, and becomes a receive packet of its own; one that finds no buffer holds up those behind it, not those before.
    """

    def __init__(
        self,
        arena: Arena,
        pool: Pool,
        wire: Wire,
        clock: Clock,
        timers: Timers,
        *,
        delay: int,
        flow_control: bool,
        allocate: Allocate,
        room: Callable[[], int],
        indicate: Callable[[NblChain], None],
        missed: Callable[[int], None],
    ) -> None:
        self._arena = arena
        self._pool = pool
        self._wire = wire
        self._clock = clock
        self._timers = timers
        self.delay = delay
        self._flow_control = flow_control
        self._minimum = 0
        self._allocate = allocate
        self._room = room
        self._indicate = indicate
        self._missed = missed
        self._waiting: deque[NblChain] = deque()
        self._timer: Timer | None = None
        self._begun = 0
        self.enabled = False
        self.frames = 0
        self.octets = 0

    def frames_arrived(self, chain: NblChain, flags: int) -> None:
        """Take frames that are on their way here, padded if their NIC pads; a disabled receiver drops them."""
        self._minimum = MINIMUM_FRAME if flags & PADDED else 0
        if not self.enabled:
            self._drop(chain)
            return
        self._waiting.append(chain)
        self._wait_for_next()

    def resume(self) -> None:
        """Go on after receive buffers have come back."""
        if self._waiting and self._timer is None:
            self._receive()

    def disable(self) -> None:
        """Stop receiving and drop what is on its way."""
        self.enabled = False
        while self._waiting:
            self._drop(self._waiting.popleft())

    def _wait_for_next(self) -> None:
        if self._timer is None and self._waiting:
            first = int(self._arena.due[self._waiting[0].slots[0]])
            due = max(first, self._clock.now()) + self.delay
            self._timer = self._timers.at(due, self._interrupt)

    def _interrupt(self) -> None:
        self._timer = None
        self._receive()

    def _receive(self) -> None:
        """Move every frame that is due into receive buffers, as far as there are any."""
        now = self._clock.now()
        while self._waiting:
            chain = self._waiting.popleft()
            due = int(np.searchsorted(self._arena.due[chain.slots], np.uint64(now), side="right"))
            count = self._fill(chain[:due]) if due else 0
            if count < len(chain):
                self._waiting.appendleft(chain[count:])
                if count == due:
                    self._wait_for_next()
                return

    def _fill(self, chain: NblChain) -> int:
        """Receive as many of these frames as find room; return how many are done with."""
        if none_set(self._arena.nb_next[chain.slots]):
            if not self._simple(chain.slots):
                return self._fill_one_by_one(chain)
        else:
            buffers, packet = net_buffers(self._arena, chain.slots)
            return (
                self._fill_frames(chain, buffers, packet)
                if self._simple(buffers)
                else self._fill_one_by_one(chain)
            )
        count = min(len(chain), self._pool.free_count, self._room())
        if count < len(chain) and not self._flow_control:
            self._drop(chain[count:])
            done = len(chain)
        else:
            done = count
        if not count:
            return done
        got = self._copy(chain[:count])
        if got < count and not self._flow_control:
            self._drop(chain[got:count])
            return done
        if got < count:
            self._try_later()
        return got if got < count else done

    def _try_later(self) -> None:
        """Look again after a while: there was no memory, and no buffer need be out that would come back."""
        if self._timer is None:
            self._timer = self._timers.at(self._clock.now() + RETRY, self._interrupt)

    def _simple(self, buffers: Slots) -> bool:
        """Return whether each of these NBs lies in one piece, with room for the widest behind every start."""
        arena = self._arena
        if not none_set(arena.mdl_next[buffers]):
            return False
        starts = arena.nb_data[buffers] % CELL_LENGTH
        return int(starts.max()) + self._width(arena.nb_length[buffers]) <= CELL_LENGTH

    def _copy(self, chain: NblChain) -> int:
        """Receive the first of these frames, as far as there are buffers; return how many."""
        received = self._allocate(len(chain), np.maximum(chain.length, self._minimum))
        chain = chain[: len(received)]
        if not len(chain):
            return 0
        lengths = chain.length
        received.packet_id = chain.packet_id
        self._store(received, chain.header(self._width(lengths)), lengths)
        self._wire.release(chain)
        self._wire.came(received)
        self._indicate(received)
        return len(chain)

    def _store(self, received: NblChain, block: NDArray[np.uint8], lengths: NDArray[np.uint32]) -> None:
        """Write frames into their buffers: rows of bytes, of which `lengths` are theirs and the rest is padding."""
        width = block.shape[1]
        self.frames += len(received)
        self.octets += int(np.maximum(lengths, self._minimum).sum())
        block[np.arange(width) >= lengths[:, None]] = 0
        self._arena.bytes_of(width)[self._arena.nb_data[received.slots]] = block.view(f"V{width}")[:, 0]

    def _fill_frames(self, chain: NblChain, buffers: Slots, packet: NDArray[np.int64]) -> int:
        """Receive packets of several NBs, each in one piece: `buffers` of the packets at these places in the chain.

        `_begun` counts frames of the first packet that were received before.
        """
        arena, before = self._arena, self._begun
        buffers, packet = buffers[before:], packet[before:]
        count = min(len(buffers), self._pool.free_count, self._room())
        lengths = arena.nb_length[buffers[:count]]
        received = self._allocate(count, np.maximum(lengths, self._minimum))
        got, lengths = len(received), lengths[: len(received)]
        if got:
            received.packet_id = chain.packet_id[packet[:got]]
            width = self._width(lengths)
            rows = arena.bytes_of(width)[arena.nb_data[buffers[:got]]].view(np.uint8)
            self._store(received, rows.reshape(got, width), lengths)
        missed = len(buffers) - got
        if missed and not self._flow_control:
            self._missed(missed)
            missed = 0
        done = int(packet[got]) if missed else len(chain)
        self._begun = int(np.count_nonzero(packet[:got] == done)) + (0 if done else before)
        if done:
            self._wire.release(chain[:done])
        if got:
            self._wire.came(received)
            self._indicate(received)
        if got < count:
            self._try_later()
        return done

    def _width(self, lengths: NDArray[np.uint32]) -> int:
        return max(int(lengths.max()), self._minimum)

    def _fill_one_by_one(self, chain: NblChain) -> int:
        """Receive packets of several MDLs, and of any number of NBs."""
        for done, nbl in enumerate(chain):
            for frame in [bytes(buffer.data) for buffer in nbl.net_buffers][self._begun :]:
                room = -(-max(len(frame), 1) // CELL_LENGTH) <= self._pool.free_count and self._room() > 0
                if not room and self._flow_control:
                    return done
                if not (room and self._receive_frame(nbl, frame)):
                    self._missed(1)
                self._begun += 1
            self._begun = 0
            self._wire.release(chain[done : done + 1])
        return len(chain)

    def _receive_frame(self, nbl: Nbl, frame: bytes) -> bool:
        """Receive one frame; return False when there is no memory for it."""
        frame = frame.ljust(self._minimum, b"\0")
        received = self._allocate(1, np.array([min(len(frame), CELL_LENGTH)], np.uint32))
        if not len(received):
            return False
        self.frames += 1
        self.octets += len(frame)
        pieces = [len(frame[at : at + CELL_LENGTH]) for at in range(CELL_LENGTH, len(frame), CELL_LENGTH)]
        self._pool.extend(int(received.handles[0]), pieces, as_net_buffers=False)
        received.packet_id = np.array([nbl.packet_id], np.uint64)
        position = 0
        for view in next(received[0].net_buffers).pieces:
            view[:] = frame[position : position + len(view)]
            position += len(view)
        self._wire.came(received)
        self._indicate(received)
        return True

    def _drop(self, chain: NblChain) -> None:
        """Give frames up, but for those of the first packet that have been received."""
        frames = np.broadcast_to(frames_of(self._arena, chain.slots, 0)[1], len(chain))
        self._missed(int(frames.sum()) - self._begun)
        self._begun = 0
        self._wire.release(chain)
