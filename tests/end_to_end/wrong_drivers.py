"""Drivers that are wrong on purpose, as a beginner's might be."""

from __future__ import annotations

from nodes import Miniport, NblChain, Status
from nodes.ndis import Adapter


class Honest(Miniport):
    """Complete every send at once; the others do this, and one thing more or less."""

    calls = 0

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.calls += 1
        self.complete(adapter, chain)

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class Twice(Honest):
    """Complete the first packet of each call again."""

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        super().complete(adapter, chain)
        adapter.send_net_buffer_lists_complete(chain[:1])  # twice


class Touching(Honest):
    """Look at packets after they were given away."""

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        super().complete(adapter, chain)
        self.longest = int(chain.length.max())  # touched


class Forgetful(Honest):
    """Forget every tenth call."""

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        if self.calls % 10:
            super().complete(adapter, chain)


class Stubborn(Forgetful):
    """Forget every tenth call, and never say that the pause is over."""

    def pause(self) -> Status:
        return Status.PENDING


class Raising(Honest):
    """Raise at the tenth call."""

    def complete(self, adapter: Adapter, chain: NblChain) -> None:
        if self.calls == 10:
            raise LookupError("no such descriptor")  # raised
        super().complete(adapter, chain)


class Unready(Honest):
    """Raise while it is set up."""

    def initialize(self, adapter: Adapter) -> None:
        raise OSError("no such register")  # unready


class Narrow(Honest):
    """Have a handler with a parameter too few."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain) -> None:  # type: ignore[override]
        self.complete(adapter, chain)
