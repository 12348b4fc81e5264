"""A miniport written from scratch: it completes each call some time after it came."""

from dataclasses import dataclass, field

from nodes import Miniport, NblChain, Status
from nodes.ndis import Adapter
from nodes.options import Duration
from nodes.timers import Timer


@dataclass(frozen=True)
class LazyOptions:
    """What a topology may write beside `driver: lazy-nic`; times are ns here, `2ms` in the file."""

    delay: Duration = field(default=1_000_000, metadata={"help": "time between a send and its completion"})


class LazyNic(Miniport):
    """Keep every call for a while, then complete it with SUCCESS, each packet exactly once."""

    Options = LazyOptions

    def initialize(self, adapter: Adapter) -> None:
        """Begin with nothing to do."""
        self.waiting: list[tuple[Timer, NblChain]] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Own the chain from here on; a timer brings it back."""
        self.waiting.append((self.set_timer(self.options.delay, self.complete_next), chain))

    def complete_next(self, status: Status = Status.SUCCESS) -> None:
        """Complete the oldest call; whoever is faster than its timer cancels that."""
        timer, chain = self.waiting.pop(0)
        timer.cancel()
        chain.status = status
        self.adapter.send_net_buffer_lists_complete(chain)

    def pause(self) -> Status:
        """Complete what waits: a paused miniport keeps nothing (N6-PNP-03)."""
        while self.waiting:
            self.complete_next()
        return Status.SUCCESS

    def reset(self) -> Status:
        """Give back what waits: a reset ends with nothing outstanding (N6-RST-03)."""
        while self.waiting:
            self.complete_next(Status.RESET_IN_PROGRESS)
        return Status.SUCCESS

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Give back what waits under this id, as whoever queues sends must be able to (N6-CAN-05, N6-CAN-07)."""
        waiting, self.waiting = self.waiting, []
        for timer, chain in waiting:
            mine = chain.cancel_id == cancel_id
            if mine.all():
                timer.cancel()
            else:
                self.waiting.append((timer, chain[~mine]))
            chain[mine].status = Status.SEND_ABORTED
            adapter.send_net_buffer_lists_complete(chain[mine])
