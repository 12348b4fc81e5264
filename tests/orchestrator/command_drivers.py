"""Drivers for tests of the command: they enter by `--drivers`, as a user's own would."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import ClassVar

from nodes.ndis import Adapter, Binding, Miniport, NetEvent, Protocol
from nodes.options import Count
from nodes.packets.chain import NblChain
from nodes.status import Status


class Chatter(Protocol):
    """Keep up to 8 packets out; done after `packets` of them, never for 0."""

    source: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Options:
        packets: Count = 0

    sent = 0
    back = 0
    talking = False

    def bind_adapter(self, binding: Binding) -> None:
        self.binding = binding

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        self.talking = event is NetEvent.RESTART
        self.talk()
        return Status.SUCCESS

    def talk(self) -> None:
        left = self.options.packets - self.sent if self.options.packets else 8
        wanted = min(left, 8 - (self.sent - self.back))
        if self.talking and wanted > 0:
            chain = self.binding.allocate_net_buffer_lists(wanted, 64)
            self.sent += len(chain)
            self.binding.send_net_buffer_lists(chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        self.free(chain)
        self.talk()
        if self.back == self.options.packets:
            self.report_done()


class Floor(Miniport):
    """Complete every send 1 ms later."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.set_timer(1_000_000, lambda: self.complete(adapter, chain))

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class Keeper(Floor):
    """Keep what is sent until the pause."""

    def initialize(self, adapter: Adapter) -> None:
        self.kept: list[NblChain] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.kept.append(chain)

    def pause(self) -> Status:
        for chain in self.kept:
            self.complete(self.adapter, chain)
        return Status.SUCCESS


class Stutter(Floor):
    """Complete every send twice, which the contract forbids (N6-SEND-10)."""

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        super().complete(adapter, chain)
        adapter.send_net_buffer_lists_complete(chain)


class Mortal(Floor):
    """Die at the tenth call, when the run has long begun."""

    calls = 0

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.calls += 1
        if self.calls == 10:
            self.end()
        super().send_net_buffer_lists(adapter, chain, flags)

    def end(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Faulty(Mortal):
    """Raise at the tenth call."""

    def end(self) -> None:
        raise LookupError("no such descriptor")
