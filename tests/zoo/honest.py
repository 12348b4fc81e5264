"""Drivers that do their part right, for beasts to inherit from and to stand beside."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from nodes import Filter, Intermediate, Miniport, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding, NetEvent
from nodes.nic import Wire
from nodes.timers import Timer

SOON = 100_000
"""When a sender begins once it may, in ns."""


class Sender(Protocol):
    """Sends one call of `packets` once it may, and is done when all are back."""

    source: ClassVar[bool] = True
    packets: ClassVar[int] = 4
    length: ClassVar[int] = 100
    default_pool_size = 64

    def __init__(self, node: Any, options: Any) -> None:
        super().__init__(node, options)
        self.back = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.set_timer(SOON, lambda: self.send(binding, self.make(binding)))
        return Status.SUCCESS

    def make(self, binding: Binding) -> NblChain:
        chain = binding.allocate_net_buffer_lists(self.packets, self.length)
        chain.write(np.zeros(self.length, np.uint8))
        return chain

    def tag(self, binding: Binding, number: int) -> int:
        return binding.generate_partial_cancel_id() << 56 | number

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.back += len(chain)
        self.free(chain)
        if self.back >= self.packets:
            self.report_done()


class Runts(Sender):
    """Sends frames that are shorter than Ethernet's minimum, as it may."""

    length = 40


class Pieces(Sender):
    """Sends packets of three NBs each."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        self.free(chain)
        for _ in range(self.packets):
            binding.send_net_buffer_lists(binding.allocate_net_buffer_list([80], [90], [100, 10]))


class Canceller(Sender):
    """Sends packets with two cancel ids, then asks for those with the first back; it never says that it is done."""

    source = False

    def send(self, binding: Binding, chain: NblChain) -> None:
        ids = [self.tag(binding, 1 + number % 2) for number in range(len(chain))]
        chain.cancel_id = np.array(ids, np.uint64)
        super().send(binding, chain)
        self.set_timer(SOON, lambda: self.cancel(binding))

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.free(chain)

    def cancel(self, binding: Binding) -> None:
        binding.cancel_send_net_buffer_lists(self.tag(binding, 1))


class Completer(Miniport):
    """Completes each send at once."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.complete(chain)

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        if len(chain):
            chain.status = status
            self.adapter.send_net_buffer_lists_complete(chain)


class Queue(Completer):
    """Queues sends for a while, and takes those out that are cancelled."""

    delay: ClassVar[int] = 1_000_000

    def initialize(self, adapter: Adapter) -> None:
        self.waiting: list[NblChain] = []
        self.timers: list[Timer] = []

    def pause(self) -> Status:
        for timer in self.timers:
            timer.cancel()
        self.end()
        return Status.SUCCESS

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.waiting.append(chain)
        self.timers.append(self.set_timer(self.delay, self.end))

    def end(self) -> None:
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            self.complete(chain)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            mine = chain.cancel_id == np.uint64(cancel_id)
            self.waiting.append(chain[~mine])
            self.complete(chain[mine], Status.SEND_ABORTED)


class Nic(Completer):
    """Puts each send on the wire as it is, and completes it when it has left."""

    pads: ClassVar[bool] = True

    def initialize(self, adapter: Adapter) -> None:
        self.wire = Wire(self._node.arena, self._node.ports, pad=self.pads)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.transmit(chain)

    def transmit(self, chain: NblChain) -> None:
        self.wire.transmit(chain, np.full(len(chain), self.now, np.uint64))

    def frames_left(self, chain: NblChain) -> None:
        self.complete(chain)


class Relay(Intermediate):
    """Forwards each packet to the only binding below, and completes it upwards."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.forward(self.bindings[0], chain, flags)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.restore(chain)
        self.adapters[0].send_net_buffer_lists_complete(chain, flags)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.bindings[0].return_net_buffer_lists(chain, flags)


class Looker(Filter):
    """Sees each send on its way down, and each completion on its way up."""

    default_pool_size = 64

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists(chain, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists_complete(chain, flags)
