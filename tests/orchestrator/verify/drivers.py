"""Drivers to be verified: an honest one, and one for each way in which a job can end badly."""

from __future__ import annotations

from nodes import Filter, Miniport, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding
from nodes.ndis5 import Miniport5, Protocol5
from nodes.packets.net_buffer import Nbl


class Honest(Miniport):
    """Complete every send at once."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class Forgetful(Miniport):
    """Forget every send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        return


class Raising(Miniport):
    """Raise at the first send."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        raise LookupError("no such descriptor")


class Unready(Filter):
    """Raise while it is set up."""

    def attach(self, module: object) -> None:
        raise OSError("no such register")


class Greedy(Protocol):
    """Take for granted that there is memory for one more packet."""

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().receive_net_buffer_lists(binding, chain, flags)
        copy = binding.allocate_net_buffer_lists(1, 64)
        copy[0].scratch = 1
        self.free(copy)


class Nic5(Miniport5):
    """Complete every send at once, as NDIS 5 has it."""

    def send(self, packet: Nbl, flags: int) -> Status:
        return Status.SUCCESS


class Listener5(Protocol5):
    """Recognise nothing."""
