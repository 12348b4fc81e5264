"""Cancelling sends: drivers that tag, ask, pass on or carry out cancels as the contract forbids."""

from __future__ import annotations

import numpy as np

from nodes import NblChain, Status
from nodes.ndis import Adapter, Binding, Miniport, NetEvent
from orchestrator import Run
from tests.zoo.beast import ON_TOP, beast
from tests.zoo.honest import Canceller, Completer, Looker, Queue, Relay, Sender

UNDER_CANCELLER = """
nodes:
  top:   {driver: canceller}
  beast: {driver: beast}
bindings: [top -> beast]
"""
"""The beast is the miniport under a protocol that cancels what it sends."""

BETWEEN_CANCELLER = """
nodes:
  top:   {driver: canceller}
  beast: {driver: beast}
  nic:   {driver: queue}
bindings: [top -> beast -> nic]
"""
"""The beast is a layer between such a protocol and a miniport that queues."""

WITH_CANCELLER = {"canceller": Canceller}
WITH_QUEUE = {"canceller": Canceller, "queue": Queue}


def unbind(run: Run) -> None:
    """Take the beast's binding away."""
    run.unbind("beast", "nic")


@beast("N6-CAN-01", ON_TOP)
class HomeMadeTags(Sender):
    """Tags its packets with numbers of its own making."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        chain.cancel_id = 7
        binding.send_net_buffer_lists(chain)


@beast("N6-CAN-01", ON_TOP)
class CancelsOthers(Sender):
    """Cancels by an id of another driver's."""

    def send(self, binding: Binding, chain: NblChain) -> None:
        binding.send_net_buffer_lists(chain)
        binding.cancel_send_net_buffer_lists(self.tag(binding, 1) ^ 1 << 63)


@beast("N6-CAN-02", ON_TOP, act=unbind)
class CancelsOnClosedBinding(Sender):
    """Closes its binding, and then cancels on it."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        return Status.SUCCESS

    def unbind_adapter(self, binding: Binding) -> None:
        binding.close()
        binding.cancel_send_net_buffer_lists(self.tag(binding, 1))


@beast("N6-CAN-05", UNDER_CANCELLER, extra=WITH_CANCELLER)
class AbortsAll(Queue):
    """Aborts everything in its queue, whatever the id."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            self.complete(chain, Status.SEND_ABORTED)


@beast("N6-CAN-05", UNDER_CANCELLER, extra=WITH_CANCELLER)
class CancelsWithSuccess(Queue):
    """Completes what is cancelled as if it had been sent."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        self.end()


@beast("N6-CAN-05", BETWEEN_CANCELLER, extra=WITH_QUEUE)
class KeepsCancelled(Looker):
    """Leaves cancelled sends in its queue, and passes them on when their time has come."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.set_timer(1_000_000, lambda: self.module.send_net_buffer_lists(chain, flags))

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        self.module.cancel_send_net_buffer_lists(cancel_id)


@beast("N6-CAN-06", BETWEEN_CANCELLER, extra=WITH_QUEUE)
class StopsCancels(Looker):
    """Does not pass cancels on, though what they are for may be below."""

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        self.cancelled = cancel_id


@beast("N6-CAN-06", BETWEEN_CANCELLER, extra=WITH_QUEUE)
class RelayStopsCancels(Relay):
    """Does not pass cancels on to its lower edge."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        self.cancelled = cancel_id


@beast("N6-CAN-07", UNDER_CANCELLER, extra=WITH_CANCELLER)
class QueuesWithoutHandler(Queue):
    """Queues sends, and has no cancel handler."""

    cancel_send = Miniport.cancel_send


@beast("N6-CAN-07", BETWEEN_CANCELLER, extra=WITH_QUEUE)
class FilterQueuesWithoutHandler(Looker):
    """Queues sends on their way down, and has no cancel handler."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.set_timer(1_000_000, lambda: self.module.send_net_buffer_lists(chain, flags))


@beast("N6-CAN-08", UNDER_CANCELLER, extra=WITH_CANCELLER)
class AbortsAndCompletes(Queue):
    """Aborts what is cancelled but leaves it in the queue, from which it is completed again."""

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        for chain in self.waiting:
            self.complete(chain[chain.cancel_id == np.uint64(cancel_id)], Status.SEND_ABORTED)

    def complete(self, chain: NblChain, status: int = Status.SUCCESS) -> None:
        if status == Status.SEND_ABORTED:
            super().complete(chain, status)
        else:
            self.adapter.send_net_buffer_lists_complete(chain)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        super().send_net_buffer_lists(adapter, chain, flags)


@beast("N6-CAN-08", UNDER_CANCELLER, extra=WITH_CANCELLER)
class CancelsWhatIsDone(Completer):
    """Notes the packets that it completes, and aborts them when they are cancelled later."""

    def initialize(self, adapter: Adapter) -> None:
        self.seen: list[NblChain] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.seen.append(chain)
        super().send_net_buffer_lists(adapter, chain, flags)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        for chain in self.seen:
            adapter.send_net_buffer_lists_complete(chain)
