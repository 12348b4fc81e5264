"""Small drivers for tests of runs: a source, a bottom, and drivers that misbehave on purpose."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

from nodes.ndis import Adapter, Binding, Filter, Miniport, NetEvent, Protocol
from nodes.options import Count, Positive
from nodes.packets.chain import NblChain
from nodes.status import Status


@dataclass(frozen=True)
class SourceOptions:
    """`packets` in all (0: for ever), in chains of `chain`."""

    packets: Count = 1000
    chain: Positive = 32


class Source(Protocol):
    """Sends a number of packets and is done when all are back."""

    source: ClassVar[bool] = True
    Options = SourceOptions
    default_pool_size = 256

    def bind_adapter(self, binding: Binding) -> None:
        self.binding = binding
        self.sent = 0
        self.back = 0
        self.sending = False

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        self.sending = event is NetEvent.RESTART
        self.fill()
        return Status.SUCCESS

    def fill(self) -> None:
        while self.sending and (wanted := self._wanted()):
            chain = self.binding.allocate_net_buffer_lists(wanted, 64)
            if not len(chain):
                return
            self.sent += len(chain)
            self.binding.send_net_buffer_lists(chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        self.free(chain)
        self.fill()
        if self.back == self.options.packets:
            self.report_done()

    def _wanted(self) -> int:
        left = self.options.packets - self.sent if self.options.packets else self.options.chain
        return min(left, self.options.chain, self.binding.room)


class Bottom(Miniport):
    """Completes every send at once."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class Keeper(Bottom):
    """Keeps every send for ever."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.kept = chain


class Stubborn(Keeper):
    """Keeps every send for ever and never says that its pause is over."""

    def pause(self) -> Status:
        return Status.PENDING


class Twice(Bottom):
    """Completes every send twice, which the contract forbids (N6-SEND-10)."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(adapter, chain, flags)
        adapter.send_net_buffer_lists_complete(chain)


class Looper(Bottom):
    """Never returns from its first send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for _ in itertools.count():
            pass


class SlowToStart(Source):
    """Says a tenth of a second after it has been restarted that it is."""

    def restart_layer(self) -> Status:
        super().restart_layer()
        self.set_timer(
            100_000_000, lambda: self.queue_work_item(lambda: self.restart_complete(Status.SUCCESS))
        )
        return Status.PENDING


class Raiser(Bottom):
    """Raises in its first send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        raise LookupError("no such descriptor")


class RaisesAtStart(Bottom):
    """Raises while it is initialised."""

    def initialize(self, adapter: Adapter) -> None:
        raise LookupError("no such adapter")


class RaisesWhenMade(Bottom):
    """Raises in its constructor."""

    def __init__(self, node: Any, options: Any) -> None:
        raise LookupError("no such node")


class Through(Filter):
    """Passes everything on."""
