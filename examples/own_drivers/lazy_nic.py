"""A miniport written from scratch: it completes each call some time after it came."""

from dataclasses import dataclass, field

from nodes import Miniport, NblChain, Status
from nodes.ndis import Adapter
from nodes.options import Duration


@dataclass(frozen=True)
class LazyOptions:
    """What a topology may write beside `driver: lazy-nic`; times are ns here, `2ms` in the file."""

    delay: Duration = field(default=1_000_000, metadata={"help": "time between a send and its completion"})


class LazyNic(Miniport):
    """Keep every call for a while, then complete it with SUCCESS, each packet exactly once."""

    Options = LazyOptions

    def initialize(self, adapter: Adapter) -> None:
        """Begin with nothing to do."""
        self.waiting: list[NblChain] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Own the chain from here on; a timer brings it back."""
        self.waiting.append(chain)
        self.set_timer(self.options.delay, self.complete_next)

    def complete_next(self) -> None:
        """Complete the oldest call, unless a pause was faster."""
        if self.waiting:
            chain = self.waiting.pop(0)
            chain.status = Status.SUCCESS
            self.adapter.send_net_buffer_lists_complete(chain)

    def pause(self) -> Status:
        """Complete what waits: a paused miniport keeps nothing (N6-PNP-03)."""
        while self.waiting:
            self.complete_next()
        return Status.SUCCESS
