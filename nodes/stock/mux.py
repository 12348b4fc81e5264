"""A multiplexer: several drivers above share one or more drivers below."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from nodes.chain import NblChain
from nodes.crossing import ReceiveFlags
from nodes.frames import ETHERNET_LENGTH, node_mac
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Intermediate
from nodes.ndis.routing import by_sender
from nodes.options import Choice
from nodes.port import Port
from nodes.status import Status
from nodes.stock.queues import QUANTUM, FairLane, Queue

NOBODY = -1


@dataclass(frozen=True)
class MuxOptions:
    """How drivers above are spread over drivers below."""

    balance: Annotated[str, Choice(("order", "hash", "failover"))] = field(
        default="order",
        metadata={
            "help": "the binding below for each driver above: in order of the file, by its name's hash,"
            " or the first one that works, so that sends of a lost one are sent again through the next"
        },
    )


class Mux(Intermediate):
    """Forward sends of every driver above in its order, and share the room below fairly among them.

    The same packets go on, none is copied: SourceHandle is saved, replaced and restored (N6-NBL-04, N6-IM-02). Sends
    that find no room wait. A received frame goes to the driver above whose address it bears (`node_mac` of its node),
    else to the first one that takes its frame type.
    """

    Options = MuxOptions

    def start(self) -> None:
        """Open both edges and give each driver above its binding below."""
        super().start()
        self._above = [port for port in self._node.ports if port.spec.side == "lower"]
        self._below = [port for port in self._node.ports if port.spec.side == "upper"]
        self._adapters = dict(zip(self._above, self.adapters, strict=True))
        self._bindings = dict(zip(self._below, self.bindings, strict=True))
        self._addresses = [np.frombuffer(node_mac(port.spec.peer), np.uint8) for port in self._above]
        self._frame_types = [
            np.array(port.spec.options.get("frame_types", ()), np.uint16) for port in self._above
        ]
        self._lanes = {binding: FairLane(binding) for binding in self.bindings}
        lanes = list(self._lanes.values())
        self._lane_of = {
            adapter: lanes[self._choice(number, port) % len(lanes)]
            for number, (port, adapter) in enumerate(self._adapters.items())
        }
        self._queues = {adapter: Queue(adapter) for adapter in self.adapters}

    def _choice(self, number: int, port: Port) -> int:
        return number if self.options.balance == "order" else zlib.crc32(port.spec.peer_name.encode())

    def pause(self) -> Status:
        """Complete what waits with PAUSED; what is below comes back by itself (N6-PNP-03)."""
        for lane in self._lanes.values():
            while lane.waiting:
                queue = lane.waiting.popleft()
                while queue:
                    self._end(queue.adapter, queue.take(QUANTUM)[0], Status.PAUSED)
        return Status.SUCCESS

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Send a chain on, or let it wait behind others."""
        lane = self._lane_of[adapter]
        if not lane.waiting and len(chain) <= lane.binding.room:
            self.forward(lane.binding, chain, flags)
            return
        queue = self._queues[adapter]
        if not queue:
            lane.waiting.append(queue)
        queue.put(chain, flags & ~DISPATCH_FLAG)  # it may leave at any level
        self._drain(lane)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Complete packets towards the driver above that each came from, then use the room they leave."""
        self.restore(chain)
        for port, part in by_sender(self._node, self._above, chain):
            self._adapters[port].send_net_buffer_lists_complete(part, flags)
        self._drain(self._lanes[binding])

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Lend received packets to the drivers above; what none takes goes straight back."""
        for number, part in self._by_receiver(chain):
            if number == NOBODY:
                self._node.board.counters[Counter.DROPPED] += len(part)
                if not flags & ReceiveFlags.RESOURCES:
                    binding.return_net_buffer_lists(part)
                continue
            adapter = self.adapters[number]
            self._saved_source[part.slots] = part.source_handle
            part.source_handle = adapter.handle
            adapter.indicate_receive_net_buffer_lists(part, flags)
            if flags & ReceiveFlags.RESOURCES:
                self.restore(part)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Return received packets to the binding that each came from (N6-RX-04)."""
        self.restore(chain)
        for port, part in by_sender(self._node, self._below, chain):
            self._bindings[port].return_net_buffer_lists(part, flags)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Complete waiting packets with this id as SEND_ABORTED and pass the id down (N6-CAN-05, N6-CAN-06)."""
        lane, queue = self._lane_of[adapter], self._queues[adapter]
        for chain in queue.take_cancelled(cancel_id):
            self._end(adapter, chain, Status.SEND_ABORTED)
        if not queue and queue in lane.waiting:
            lane.drop(queue)
        lane.binding.cancel_send_net_buffer_lists(cancel_id)

    def _drain(self, lane: FairLane) -> None:
        """Send what waits, driver by driver in turn, as far as there is room."""
        while lane.waiting and lane.binding.room:
            chain, flags = lane.next()
            self.forward(lane.binding, chain, flags)

    def _end(self, adapter: Adapter, chain: NblChain, status: Status) -> None:
        chain.status = status
        adapter.send_net_buffer_lists_complete(chain)

    def _by_receiver(self, chain: NblChain) -> list[tuple[int, NblChain]]:
        """Split received packets by the number of the driver above that gets them, NOBODY for the rest."""
        header = chain.header(ETHERNET_LENGTH)
        types = header[:, 12].astype(np.uint16) << 8 | header[:, 13]
        choice = np.full(len(chain), NOBODY)
        takes = [(types[:, None] == wanted).any(axis=1) | (not len(wanted)) for wanted in self._frame_types]
        for number in reversed(range(len(takes))):
            choice[takes[number]] = number
        for number, address in enumerate(self._addresses):
            choice[(header[:, :6] == address).all(axis=1) & takes[number]] = number
        return [(number, chain[choice == number]) for number in np.unique(choice).tolist()]
