"""A load generator: several senders of stamped UDP frames in one protocol driver."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.metrics import Counter
from nodes.ndis import Binding, NetEvent, Protocol
from nodes.ndis.indication import StatusIndication
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.flows import Lane, Sender
from nodes.stock.frame_sizes import FrameSizes
from nodes.stock.frame_writer import FrameWriter
from nodes.stock.phase_books import PhaseBooks
from nodes.stock.phases import ENDLESS, parse_phases
from nodes.stock.punctuality import Punctuality
from nodes.stock.rebound import rebound
from nodes.stock.schedule import Draw, stretches
from nodes.stock.starvation import NOT_WAITING, Starvation
from nodes.stock.traffic_options import TrafficOptions
from nodes.timers import RETRY, Timer


class Traffic(Protocol):
    """Send stamped UDP frames from many flows, at a rate or through a window.

    At a rate (open model) a frame carries the time it was planned for, also when it had to wait: latency counts from
    when it should have left. A phase in the closed model begins when all that was planned before has left. While no
    binding runs the schedule stands still. Packets are used again as they come back (N6-SEND-21). Receives are not
    wanted, as with a protocol whose packet filter is 0.
    """

    Options = TrafficOptions
    source = True
    frame_types = (0,)

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return a packet for each place in the window, and room for all of its NBs."""
        return int(options.window * options.buffers)

    def start(self) -> None:
        """Open the bindings and share senders and window out to them."""
        self._lanes: dict[Binding, Lane] = {}
        super().start()
        options, count = self.options, len(self.bindings)
        self._frames = FrameWriter(self._node, FrameSizes.parse(str(options.size)), options.buffers)
        self._total: int = options.packets or ENDLESS
        self._epoch = 0
        self._stopped: int | None = None
        self._timer: Timer | None = None
        self._punctuality = Punctuality(self._node.board, self._node.pool)
        self._starvation = Starvation(self._node.board)
        self._many = options.senders > 1
        number = self._node.spec.node
        drawn = self._chance if options.arrivals == "poisson" else None
        self._ahead = deque(stretches(options.schedule(), drawn))
        self._plans = any(stretch.planned for stretch in self._ahead)
        self._stretch = self._ahead.popleft()
        phases = parse_phases(options.phases)
        self._books = PhaseBooks(self._node, phases, self._punctuality) if phases else None
        self._border = 0 if self._books else ENDLESS
        self._flows = self._node.board.flows
        self._node.board.counters[Counter.FLOWS] = options.senders
        self._senders = [Sender(number, place, options.senders) for place in range(options.senders)]
        for place, binding in enumerate(self.bindings):
            free = self._node.pool.free_count // options.buffers
            share = min(max(options.window // count, 1), binding.room, free)
            if not share:
                size, each = (
                    self._node.pool.size,
                    "" if options.buffers == 1 else f" of {options.buffers} NBs",
                )
                raise ValueError(f"a pool of {size} packets does not do for {count} bindings{each}")
            lane = Lane(binding, self._senders[place::count], share, options.burst)
            self._lanes[binding] = lane
            self._stock_up(lane)

    def bind_adapter(self, binding: Binding) -> None:
        """Let the lane of a binding that was undone go on with the new one."""
        self._lanes = rebound(self._lanes, binding)

    def _stock_up(self, lane: Lane) -> None:
        """Get a lane's packets, those for which there is no memory after a while."""
        if lane.stock_up(self._frames):
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
            self._end(self._lanes[binding])
        elif event is NetEvent.RESTART:
            self._begin(self._lanes[binding])
        return Status.SUCCESS

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hold sends while the adapter below is being reset (N6-RST-06)."""
        if indication.code == Status.RESET_START:
            self._end(self._lanes[binding])
        elif indication.code == Status.RESET_END and binding.running:
            self._begin(self._lanes[binding])

    def _chance(self, number: int) -> Draw:
        """Return the chance of arrivals in the stretch of this number, the same at any load and in both modes."""
        return partial(self.rng.uniform, f"arrivals/{self._node.spec.node}/{number}")

    def _begin(self, lane: Lane) -> None:
        if not any(other.open for other in self._lanes.values()):
            self._plan_from_now()
        lane.open = True
        lane.free_since = self.now
        if lane.binding.outstanding or self._wanted(self._due()):
            self._starvation.begin(self.now)
        for sender in lane.senders:
            sender.waits_since = self.now
        self._pump(lane)
        self._wait()

    def _end(self, lane: Lane) -> None:
        was_open, lane.open = lane.open, False
        if not was_open:
            return
        self._note_flows(lane, self.now - self._epoch)
        if not any(other.open for other in self._lanes.values()):
            self._stopped = self.now - self._epoch
            self._starvation.end(self.now)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Put packets to rest and send what may leave now."""
        lane, now = self._lanes[binding], self.now
        self._starvation.fed(now)
        if self._plans:
            self._punctuality.completed(chain.slots, now)
        if self._books is not None:
            self._books.completed(chain.slots, now)
        if not lane.spare_count:
            lane.free_since = now
        lane.give(chain)
        self._pump(lane)
        self._finish()

    def _finish(self) -> None:
        """Say so when nothing is left to send, and when nothing is out any more either."""
        over = not self._ahead and self.now - self._epoch >= self._stretch.end
        out = any(lane.binding.outstanding for lane in self._lanes.values())
        if not out:
            self._starvation.end(self.now)
        if (out and not (over and self._books)) or self._wanted(self._stretch.count if over else ENDLESS):
            return
        if self._books is not None:
            self._books.leave(self.now)
        if not out:
            self.report_done()

    def _wanted(self, due: int) -> bool:
        """Return whether any sender has packets to send, if the first `due` of this stretch may leave."""
        return any(sender.wanted(due, self._total) for sender in self._senders)

    def _plan_from_now(self) -> None:
        """Let the schedule go on where it stood: with the first packet not yet sent, if that is of the same phase."""
        reached = self._stopped or 0
        if self._stopped is not None and self._stretch.planned:
            first = min(int(sender.numbers(sender.serials(1))[0]) for sender in self._senders)
            at = int(self._stretch.offsets(np.array([first]))[0])
            reached = at if first < self._stretch.count and at < self._stretch.phase_end(reached) else reached
        self._epoch = self.now - reached

    def _due(self) -> int:
        """Return how many packets of this stretch may have left by now, having gone on to the one that is on."""
        elapsed = self.now - self._epoch
        while self._ahead and elapsed >= self._stretch.end:
            if self._stretch.planned and self._wanted(self._stretch.count):
                break
            for lane in self._lanes.values():
                if lane.open:
                    self._note_flows(lane, self._stretch.end - 1)
            self._stretch = self._ahead.popleft()
            for sender in self._senders:
                sender.begin()
                sender.waits_since = self.now
            self._border = 0 if self._books else ENDLESS
            self._wake(0)
        if self._books is not None and elapsed >= self._border:
            self._border = self._books.reach(self._stretch, elapsed, self.now)
        return self._allowed(elapsed)

    def _allowed(self, elapsed: int) -> int:
        over = not self._stretch.planned and elapsed >= self._stretch.end
        return 0 if over else self._stretch.due(elapsed)

    def _wait(self) -> None:
        """Set the timer for what comes next in the schedule, if there is more to come and none is set."""
        if self._books is not None:
            self._due()
        if self._timer is None and self._wanted(ENDLESS):
            elapsed = self.now - self._epoch
            due = min(self._stretch.next_due(elapsed), self._border)
            if due < ENDLESS:
                self._wake(due - elapsed)

    def _wake(self, delay: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.set_timer(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        opened = [lane for lane in self._lanes.values() if lane.open]
        for lane in opened:
            self._pump(lane)
        if opened:
            self._wait()
            self._finish()

    def _pump(self, lane: Lane) -> None:
        """Let senders take turns at the packets at rest: for what is due, or in the closed model for whole bursts."""
        if not (lane.open and lane.spare_count):
            return
        due = self._due()
        budget = (
            lane.spare_count if self._stretch.planned else lane.spare_count - lane.spare_count % lane.burst
        )
        if not budget:
            return
        total = self._total
        waiting = ((turn, sender) for turn, sender in lane.in_turn() if sender.wanted(due, total))
        ready = list(islice(waiting, -(-budget // lane.burst)))
        for left, (turn, sender) in zip(range(len(ready), 0, -1), ready, strict=True):
            share = -(-budget // left)
            count = min(share + -share % lane.burst, budget, sender.wanted(due, total))
            if not count:
                return
            self._send(lane, sender, count)
            budget -= count
            lane.turn = turn

    def _send(self, lane: Lane, sender: Sender, count: int) -> None:
        """Write the next `count` frames of a sender at once and hand them down call by call."""
        chain = lane.take(count)
        serials = sender.serials(count)
        numbers = sender.numbers(serials)
        planned = self._plan(lane, chain, numbers)
        if self._books is not None:
            self._books.sent(chain.slots, self._stretch, numbers)
        if self._starvation.since == NOT_WAITING:
            self._starvation.begin(max(int(planned[0]), lane.free_since))
        if self._many:
            self._note_turn(sender, int(planned[0]))
        chain.packet_id = serials.astype(np.uint64) | np.uint64(self._node.spec.node << 48)
        self._frames.write(chain, sender, planned)
        sender.sequence += count
        self._flows[sender.place] = sender.sequence
        for start in range(0, count, lane.burst):
            lane.binding.send_net_buffer_lists(chain[start : start + lane.burst])

    def _note_turn(self, sender: Sender, planned: int) -> None:
        """Note how long a flow has waited for this turn: since the one before, or what it sends was planned for."""
        since = max(sender.waits_since, planned) if self._stretch.planned else sender.waits_since
        self._starvation.flow_waited(sender.place, self.now - since)
        sender.waits_since = self.now

    def _note_flows(self, lane: Lane, elapsed: int) -> None:
        """Note how long flows have waited that still wanted to send at this time of the schedule."""
        stretch = self._stretch
        for sender in lane.senders if self._many else ():
            if sender.wanted(self._allowed(elapsed), self._total):
                number = sender.numbers(sender.serials(1))
                planned = self._epoch + int(stretch.offsets(number)[0]) if stretch.planned else 0
                self._note_turn(sender, planned)

    def _plan(self, lane: Lane, chain: NblChain, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when packets of these numbers should leave, having noted whether they are late."""
        if self._stretch.planned:
            planned = self._epoch + self._stretch.offsets(numbers)
            self._punctuality.sent(chain.slots, planned, lane.free_since, self.now)
            return planned
        if self._plans:
            self._punctuality.sent_unplanned(chain.slots)
        return np.full(len(chain), self.now)
