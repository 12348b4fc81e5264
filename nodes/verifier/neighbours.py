"""The neighbours of a driver that is being verified: they do all that the contract lets them do, and nothing else.

A source of calls and packets of all shapes, a receiver that keeps packets and returns them out of order, and a NIC
with a loop-back plug that completes whenever and in whatever order it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nodes.crossings.crossing import ReceiveFlags, SendCompleteFlags, SendFlags
from nodes.ndis import Adapter, Binding, DevicePnpEvent, NetEvent, Protocol
from nodes.ndis.indication import StatusIndication
from nodes.options import Count, Duration, Fraction, Positive
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.loopback import Loopback
from nodes.timers import Timer

CALLS = (1, 2, 32, 512)
"""Packets of a call."""
LOOPED = 5
"""Every so many-th call asks NDIS to loop it back."""
LOWEST, HIGHEST = 64, 1500
_HEADER = np.frombuffer(bytes.fromhex("ffffffffffff024e440000010800"), np.uint8)
_SHORTEST_PIECE = 32
_SHAPED = 8
"""Packets of several NBs or MDLs are made one by one, and so only that many in a call."""


class Ticking(Protocol):
    """Makes a call every `gap` of its options while its binding runs and is not being reset, as sources do."""

    source = True
    _open = _ticking = False

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Begin to send, or stop at once (N6-PNP-09)."""
        if event in (NetEvent.RESTART, NetEvent.PAUSE):
            self._turn(event is NetEvent.RESTART)
        return Status.SUCCESS

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hold sends while the adapter below is being reset (N6-RST-06)."""
        if indication.code in (Status.RESET_START, Status.RESET_END):
            self._turn(indication.code == Status.RESET_END and binding.running)

    def tick(self) -> None:
        """Make a call, if one is due now, and `_turn` onwards for the next."""
        raise NotImplementedError

    def _turn(self, onwards: bool) -> None:
        self._open = onwards
        if onwards and not self._ticking:
            self._ticking = True
            self.set_timer(self.options.gap, self._ticked)

    def _ticked(self) -> None:
        self._ticking = False
        self.tick()


@dataclass(frozen=True)
class SourceOptions:
    """What is sent."""

    packets: Count = field(default=2000, metadata={"help": "packets to send; 0 for no end"})
    window: Positive = field(default=1024, metadata={"help": "packets in flight at most"})
    gap: Duration = field(default=100_000, metadata={"help": "time between two calls"})
    cancel: Fraction = field(default=0.0, metadata={"help": "share of calls that are cancelled again"})


class ShapedSource(Ticking):
    """Send calls of 1, 2, 32 and 512 packets of 64 to 1,500 bytes, some of several NBs and MDLs, tagged for cancels.

    Calls are made by a timer, at DISPATCH, and half of them say so; some ask to be looped back. Cancels follow their
    call at once or a gap later.
    """

    Options = SourceOptions
    frame_types = (0,)
    default_pool_size = 4096

    def bind_adapter(self, binding: Binding) -> None:
        """Begin with nothing sent."""
        self._binding = binding
        self._calls = self._sent = 0
        self._late = 0

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Free the packets; say so when the last one is back."""
        self.free(chain)
        if self.options.packets and self._sent >= self.options.packets and not binding.outstanding:
            self.report_done()

    def tick(self) -> None:
        """Make the next call, unless all is sent."""
        if self._late and self._open:
            self._binding.cancel_send_net_buffer_lists(self._late)
        self._late = 0
        if not self._open or (self.options.packets and self._sent >= self.options.packets):
            return
        self._turn(onwards=True)
        self._calls += 1
        chain = self._call()
        if not len(chain):
            return
        tag = self._binding.generate_partial_cancel_id() << 56 | self._calls
        chain.cancel_id = tag
        self._sent += len(chain)
        flags = SendFlags.DISPATCH_LEVEL if self._draw("flag", 0, 1) else SendFlags.NONE
        if self._calls % LOOPED == 0:
            flags |= SendFlags.CHECK_FOR_LOOPBACK
        self._binding.send_net_buffer_lists(chain, flags)
        if self._draw("cancel", 1, 1000) <= self.options.cancel * 1000:
            if self._calls % 2:
                self._binding.cancel_send_net_buffer_lists(tag)
            else:
                self._late = tag

    def _call(self) -> NblChain:
        """Return the packets of the next call, as many as there is room for."""
        room = min(self._binding.room, self.options.window - self._binding.outstanding)
        count = min(CALLS[self._draw("size", 0, len(CALLS) - 1)], room, self._left())
        if count < 1:
            return self._binding.allocate_net_buffer_lists(0, LOWEST)
        if count > _SHAPED:
            lengths = self._lengths("lengths", count).astype(np.uint32)
            chain = self._binding.allocate_net_buffer_lists(count, lengths)
            if len(chain):
                chain.write(_HEADER)
            return chain
        return NblChain.join([self._shaped(number) for number in range(count)])

    def _shaped(self, number: int) -> NblChain:
        """Return one packet of one to three NBs of one to three MDLs each."""
        buffers = []
        for each in range(self._draw(f"buffers {number}", 1, 3)):
            length = int(self._lengths(f"length {number} {each}", 1)[0])
            pieces = min(self._draw(f"pieces {number} {each}", 1, 3), length // _SHORTEST_PIECE)
            cut = length // pieces
            buffers.append([cut] * (pieces - 1) + [length - cut * (pieces - 1)])
        chain = self._binding.allocate_net_buffer_list(*buffers)
        for buffer in chain[0].net_buffers if len(chain) else ():
            next(buffer.pieces)[: len(_HEADER)] = _HEADER.data
        return chain

    def _left(self) -> int:
        return self.options.packets - self._sent if self.options.packets else HIGHEST

    def _lengths(self, what: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        ids = np.arange(count, dtype=np.uint64) + np.uint64(self._calls << 16)
        return self.rng.integers(f"{self.name}/{what}", ids, LOWEST, HIGHEST)

    def _draw(self, what: str, low: int, high: int) -> int:
        ids = np.array([self._calls], np.uint64)
        return int(self.rng.integers(f"{self.name}/{what}", ids, low, high)[0])


@dataclass(frozen=True)
class KeeperOptions:
    """How long packets are kept."""

    hold: Duration = field(default=150_000, metadata={"help": "time between two returns"})


class Keeper(Protocol):
    """Keep what is received for a while, and return it shuffled, packets of many indications in one call (N6-RX-04)."""

    Options = KeeperOptions
    default_pool_size = 0

    def bind_adapter(self, binding: Binding) -> None:
        """Begin with nothing kept."""
        self._kept: list[NblChain] = []
        self._returns = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Return everything at a pause (N6-PNP-09)."""
        if event is NetEvent.PAUSE:
            self._return(binding)
        return Status.SUCCESS

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Look at the data; keep packets unless they are lent for this call only (N6-RX-05)."""
        chain.header(_SHORTEST_PIECE)
        if flags & ReceiveFlags.RESOURCES:
            return
        if not self._kept:
            self.set_timer(self.options.hold, lambda: self._return(binding))
        self._kept.append(chain)

    def _return(self, binding: Binding) -> None:
        kept, self._kept = self._kept, []
        if kept:
            self._returns += 1
            binding.return_net_buffer_lists(shuffled(self, NblChain.join(kept), self._returns))


@dataclass(frozen=True)
class RoughOptions:
    """How it behaves."""

    delay: Duration = field(default=120_000, metadata={"help": "time until some of the sends are completed"})


class RoughNic(Loopback):
    """A loop-back plug that completes sends in drawn order, across calls, some at once, and some with an error.

    What it loops back it lends, or indicates with RESOURCES, every fourth call.
    """

    Options = RoughOptions

    def initialize(self, adapter: Adapter) -> None:
        """Begin with nothing queued."""
        self._queue: list[NblChain] = []
        self._timer: Timer | None = None
        self._calls = 0

    def halt(self) -> None:
        """Let no timer run after this (N6-PNP-14)."""
        if self._timer is not None:
            self._timer.cancel()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Loop a call back; complete it at once or with others later."""
        self._calls += 1
        self.loop(adapter, chain)
        if self._calls % 3 == 0:
            self._end(chain, Status.SUCCESS if self._calls % 9 else Status.FAILURE)
            return
        self._queue.append(chain)
        self._wake()

    def indicate(self, adapter: Adapter, copies: NblChain) -> None:
        """Lend copies to the drivers above, or for the length of the call only (N6-RX-03)."""
        if self._calls % 4:
            super().indicate(adapter, copies)
            return
        adapter.indicate_receive_net_buffer_lists(copies, ReceiveFlags.RESOURCES)
        self.free(copies)

    def pause(self) -> Status:
        """Complete what waits (N6-PNP-03)."""
        self._end_all(Status.SUCCESS)
        return Status.SUCCESS

    def reset(self) -> Status:
        """Abort what waits (N6-RST-03, N6-RST-04)."""
        self._end_all(Status.RESET_IN_PROGRESS)
        return Status.SUCCESS

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        """Fail what waits: the device is gone (N6-UNB-05)."""
        self._end_all(Status.FAILURE)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Abort what waits under this id (N6-CAN-05)."""
        waiting, self._queue = self._queue, []
        for chain in waiting:
            mine = chain.cancel_id == np.uint64(cancel_id)
            self._end(chain[mine], Status.SEND_ABORTED)
            if not mine.all():
                self._queue.append(chain[~mine])

    def _complete_some(self) -> None:
        """Complete about half of what waits in drawn order, the rest when the timer comes again."""
        self._timer = None
        if not self._queue:
            return
        waiting = shuffled(self, NblChain.join(self._queue), self._calls)
        half = len(waiting) // 2
        self._queue = [waiting[:half]] if half else []
        self._end(waiting[half:], Status.SUCCESS, SendCompleteFlags.DISPATCH_LEVEL)
        if half:
            self._wake()

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = self.set_timer(self.options.delay, self._complete_some)

    def _end_all(self, status: Status) -> None:
        waiting, self._queue = self._queue, []
        for chain in waiting:
            self._end(chain, status)

    def _end(self, chain: NblChain, status: Status, flags: int = 0) -> None:
        if len(chain):
            chain.status = status
            self.adapter.send_net_buffer_lists_complete(chain, flags)


def shuffled(driver: Protocol | Loopback, chain: NblChain, salt: int) -> NblChain:
    """Return a chain in an order drawn from the run's seed; `salt` differs from draw to draw."""
    ids = np.arange(len(chain), dtype=np.uint64) + np.uint64(salt << 20)
    return chain[np.argsort(driver.rng.bits(f"{driver.name}/shuffle", ids), kind="stable")]
