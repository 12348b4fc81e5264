"""A load generator: several senders of stamped UDP frames in one protocol driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any

import numpy as np

from nodes.chain import NblChain
from nodes.metrics import Counter
from nodes.ndis import Binding, NetEvent, Protocol
from nodes.ndis.indication import StatusIndication
from nodes.options import Count, Positive, Quantity
from nodes.status import Status
from nodes.stock.flows import Lane, Sender
from nodes.stock.frame_sizes import FrameSizes
from nodes.stock.punctuality import Punctuality
from nodes.timers import RETRY, Timer

SECOND = 1_000_000_000
ENDLESS = 1 << 62


@dataclass(frozen=True)
class TrafficOptions:
    """What is sent; counts are of all senders together."""

    senders: Annotated[int, Quantity("count", minimum=1, maximum=1024)] = field(
        default=1, metadata={"help": "senders, each a UDP flow of its own"}
    )
    size: str = field(
        default="1500",
        metadata={"help": "frame bytes without FCS: 1500, 64..1500 or imix; no frame is shorter than 70"},
    )
    packets: Count = field(default=0, metadata={"help": "packets to send; 0 for no end"})
    rate: Count = field(
        default=0,
        metadata={"help": "packets per second, evenly spaced; 0: as many as the window lets through"},
    )
    window: Positive = field(default=1024, metadata={"help": "packets in flight at most"})
    burst: Positive = field(default=32, metadata={"help": "packets handed down in one call at most"})

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the options, as pairs of option and message."""
        try:
            FrameSizes.parse(str(self.size))
        except ValueError as error:
            return [("size", str(error))]
        return []


class Traffic(Protocol):
    """Send stamped UDP frames from many flows, at a rate or through a window.

    At a rate (open loop) a frame carries the time it was planned for, also when it had to wait: latency counts from
    when it should have left. Packets are used again as they come back (N6-SEND-21). Receives are not wanted, as with
    a protocol whose packet filter is 0.
    """

    Options = TrafficOptions
    source = True
    frame_types = (0,)

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return one packet for each place in the window."""
        return int(options.window)

    def start(self) -> None:
        """Open the bindings and share senders and window out to them."""
        super().start()
        options, count = self.options, len(self.bindings)
        self._sizes = FrameSizes.parse(str(options.size))
        self._total: int = options.packets or ENDLESS
        self._epoch = 0
        self._timer: Timer | None = None
        self._punctuality = Punctuality(self._node.board, self._node.pool)
        number = self._node.spec.node
        self._flows = self._node.board.flows
        self._node.board.counters[Counter.FLOWS] = options.senders
        self._senders = [Sender(number, place, options.senders) for place in range(options.senders)]
        self._lanes: dict[Binding, Lane] = {}
        for place, binding in enumerate(self.bindings):
            share = min(max(options.window // count, 1), binding.room, self._node.pool.free_count)
            if not share:
                raise ValueError(f"a pool of {self._node.pool.size} packets does not do for {count} bindings")
            lane = Lane(binding, self._senders[place::count], share, options.burst)
            self._lanes[binding] = lane
            self._stock_up(lane)

    def _stock_up(self, lane: Lane) -> None:
        """Get a lane's packets, those for which there is no memory after a while."""
        if lane.stock_up(self._sizes.low):
            return
        self.set_timer(RETRY, lambda: self._restock(lane))

    def _restock(self, lane: Lane) -> None:
        self._stock_up(lane)
        self._pump(lane)

    def stop(self) -> None:
        """Free every packet."""
        for lane in self._lanes.values():
            if lane.spare_count:
                self.free(lane.take(lane.spare_count))
        super().stop()

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Begin to send, or stop at once (N6-PNP-09)."""
        if event is NetEvent.PAUSE:
            self._lanes[binding].open = False
        elif event is NetEvent.RESTART:
            self._begin(self._lanes[binding])
        return Status.SUCCESS

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hold sends while the adapter below is being reset (N6-RST-06)."""
        if indication.code == Status.RESET_START:
            self._lanes[binding].open = False
        elif indication.code == Status.RESET_END and binding.running:
            self._begin(self._lanes[binding])

    def _begin(self, lane: Lane) -> None:
        if not any(other.open for other in self._lanes.values()):
            self._plan_from_now()
        lane.open = True
        lane.free_since = self.now
        self._pump(lane)
        self._wait()

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Put packets to rest and send what may leave now."""
        lane = self._lanes[binding]
        if self.options.rate:
            self._punctuality.completed(chain.slots, self.now)
        if not lane.spare_count:
            lane.free_since = self.now
        lane.give(chain)
        self._pump(lane)
        if self._all_back() and not any(sender.wanted(self._total) for sender in self._senders):
            self.report_done()

    def _all_back(self) -> bool:
        return not any(lane.binding.outstanding for lane in self._lanes.values())

    def _plan_from_now(self) -> None:
        """Move the schedule so that the first packet not yet sent is due now."""
        first = min(int(sender.serials(1)[0]) for sender in self._senders)
        self._epoch = self.now - self._offset(first)

    def _offset(self, serial: int) -> int:
        """Return when a packet of the node is due, ns after the schedule's beginning."""
        return -(-serial * SECOND // self.options.rate) if self.options.rate else 0

    def _due(self) -> int:
        """Return how many packets of the node may have left by now."""
        rate: int = self.options.rate
        return min((self.now - self._epoch) * rate // SECOND + 1, self._total) if rate else self._total

    def _wait(self) -> None:
        """Set the timer for the next packet of the schedule, if there is one and none is set."""
        due = self._due()
        if self.options.rate and due < self._total and self._timer is None:
            self._timer = self.set_timer(self._epoch + self._offset(due) - self.now, self._tick)

    def _tick(self) -> None:
        self._timer = None
        opened = [lane for lane in self._lanes.values() if lane.open]
        for lane in opened:
            self._pump(lane)
        if opened:
            self._wait()

    def _pump(self, lane: Lane) -> None:
        """Let senders take turns at the packets at rest: for what is due, or in the closed loop for whole bursts."""
        budget = lane.spare_count if lane.open else 0
        if not self.options.rate:
            budget -= budget % lane.burst
        if not budget:
            return
        due = self._due()
        waiting = ((turn, sender) for turn, sender in lane.in_turn() if sender.wanted(due))
        ready = list(islice(waiting, -(-budget // lane.burst)))
        for left, (turn, sender) in zip(range(len(ready), 0, -1), ready, strict=True):
            share = -(-budget // left)
            count = min(share + -share % lane.burst, budget, sender.wanted(due))
            if not count:
                return
            self._send(lane, sender, count)
            budget -= count
            lane.turn = turn

    def _send(self, lane: Lane, sender: Sender, count: int) -> None:
        """Write the next `count` frames of a sender at once and hand them down call by call."""
        chain = lane.take(count)
        serials = sender.serials(count)
        sequence = np.arange(sender.sequence, sender.sequence + count, dtype=np.uint64)
        lengths = self._sizes.draw(self.rng, sender.stream, sequence)
        if self.options.rate:
            planned = self._epoch - (-serials * SECOND // self.options.rate)
            self._punctuality.sent(chain.slots, planned, lane.free_since, self.now)
        else:
            planned = np.full(count, self.now)
        sender.sequence += count
        self._flows[sender.place] = sender.sequence
        chain.packet_id = serials.astype(np.uint64) | np.uint64(self._node.spec.node << 48)
        if not self._sizes.fixed:
            chain.length = lengths.astype(np.uint32)
        cells = self._node.arena.cells
        sender.template.write(cells, chain.slots, lengths, sequence, planned.astype(np.uint64))
        for start in range(0, count, lane.burst):
            lane.binding.send_net_buffer_lists(chain[start : start + lane.burst])
