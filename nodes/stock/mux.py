"""A multiplexer: several drivers above share one or more drivers below."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from nodes.crossings.crossing import ReceiveFlags
from nodes.crossings.port import Port
from nodes.formats.frames import ETHERNET_LENGTH, node_mac
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Intermediate, NetEvent
from nodes.ndis.indication import StatusIndication
from nodes.ndis.routing import by_sender
from nodes.options import Choice
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.queues import QUANTUM, FairLane, Queue
from nodes.stock.rebound import rebound

NOBODY = -1
_RESET = np.array([Status.RESET_IN_PROGRESS, Status.REQUEST_ABORTED], np.uint32)
_LOST = np.array([*_RESET.tolist(), Status.FAILURE, Status.DEVICE_FAILED, Status.PAUSED], np.uint32)
"""What a send comes back with when its adapter is reset or lost (N6-RST-04, N6-UNB-05)."""


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
    that find no room wait. With `failover` all drivers above share the first binding that works: when it is lost, what
    it has not sent is sent again through the next one. While an adapter below is being reset, sends for it and
    receives from it wait, and what the reset aborted is sent again (N6-IM-06).

    A received frame goes to the driver above whose address it bears (`node_mac` of its node), else to the first one
    that takes its frame type.
    """

    Options = MuxOptions

    def start(self) -> None:
        """Open both edges and give each driver above its binding below."""
        self._lanes: dict[Binding, FairLane] = {}
        self._below = [port for port in self._node.ports if port.spec.side == "upper"]
        super().start()
        self._above = [port for port in self._node.ports if port.spec.side == "lower"]
        self._adapters = dict(zip(self._above, self.adapters, strict=True))
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
        self._failover = self.options.balance == "failover" and len(lanes) > 1
        self._again = np.zeros(self._node.arena.slots, dtype=np.bool_)
        self._held: deque[tuple[Binding, NblChain, int]] = deque()

    def bind_adapter(self, binding: Binding) -> None:
        """Let the way of a binding that was undone be one again, through the new one, once that runs."""
        self._lanes = rebound(self._lanes, binding)
        if binding in self._lanes:
            self._lanes[binding].gone = False
        self._bindings = dict(zip(self._below, self.bindings, strict=False))

    def _choice(self, number: int, port: Port) -> int:
        if self.options.balance == "failover":
            return 0
        return number if self.options.balance == "order" else zlib.crc32(port.spec.peer_name.encode())

    def pause(self) -> Status:
        """Complete what waits with PAUSED; what is below comes back by itself (N6-PNP-03)."""
        for lane in self._lanes.values():
            self._flush(lane)
        self._deliver_held()
        return Status.SUCCESS

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Open or close the way through one binding; with failover, another one takes over."""
        lane = self._lanes[binding]
        if event in (NetEvent.PAUSE, NetEvent.QUERY_REMOVE_DEVICE):
            self._turn(lane, onwards=False)
        elif event in (NetEvent.RESTART, NetEvent.CANCEL_REMOVE_DEVICE):
            self._turn(lane, onwards=True)
        return Status.SUCCESS

    def unbind_adapter(self, binding: Binding) -> Status | None:
        """Complete what still waits for this binding: it will not come back, and if its way does, nobody knows when."""
        lane = self._lanes[binding]
        lane.open = False
        lane.gone = True
        self._flush(lane)
        return None

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hold sends and receives while the adapter below is being reset (N6-IM-06); pass all else on."""
        if indication.code == Status.RESET_START:
            self._turn(self._lanes[binding], onwards=False)
        elif indication.code == Status.RESET_END:
            self._deliver_held()
            self._turn(self._lanes[binding], onwards=binding.running)
        else:
            super().status(binding, indication)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Send a chain on, or let it wait behind others."""
        lane = self._lane_of[adapter]
        if lane.open and not lane.waiting and len(chain) <= lane.binding.room:
            self.forward(lane.binding, chain, flags)
            return
        self._wait(lane, adapter, chain, flags)
        self._drain(lane)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Complete packets towards the driver above that each came from, then use the room they leave."""
        self.restore(chain)
        if self._failover or binding.resetting:
            chain = self._send_again(binding, chain)
        for port, part in by_sender(self._node, self._above, chain):
            self._adapters[port].send_net_buffer_lists_complete(part, flags)
        self._drain(self._lanes[binding])

    def _send_again(self, binding: Binding, chain: NblChain) -> NblChain:
        """Let what was lost with its binding or by its reset wait to be sent again, once; return the rest."""
        statuses = self._node.arena.status[chain.slots]
        lost = np.isin(statuses, _LOST if self._failover else _RESET) & ~self._again[chain.slots]
        self._again[chain.slots] = lost
        if not self._node.lifecycle.running or not lost.any():
            self._again[chain.slots] = False
            return chain
        for port, part in by_sender(self._node, self._above, chain[lost]):
            adapter = self._adapters[port]
            if self._failover:
                self._reassign(self._lanes[binding])
            self._wait(self._lane_of[adapter], adapter, part, 0)
            self._drain(self._lane_of[adapter])
        return chain[~lost]

    def _wait(self, lane: FairLane, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Let a chain wait for its way; one whose way is gone for ever comes back with PAUSED."""
        if lane.gone:
            self._end(adapter, chain, Status.PAUSED)
            return
        queue = self._queues[adapter]
        if not queue:
            lane.waiting.append(queue)
        queue.put(chain, flags & ~DISPATCH_FLAG)  # it may leave at any level

    def _turn(self, lane: FairLane, *, onwards: bool) -> None:
        """Open or close a way, and let the drivers above use the first one that is open."""
        lane.open = onwards
        if self._failover:
            self._reassign()
        for other in self._lanes.values():
            self._drain(other)

    def _reassign(self, away_from: FairLane | None = None) -> None:
        """Give all drivers above the first open way, not the one that just failed if there is another."""
        lanes = [lane for lane in self._lanes.values() if not lane.gone] or list(self._lanes.values())
        ways = [lane for lane in lanes if lane.open]
        chosen = next((lane for lane in ways if lane is not away_from), ways[0] if ways else lanes[0])
        for lane in lanes:
            if lane is not chosen:
                chosen.waiting += lane.waiting
                lane.waiting.clear()
        self._lane_of = dict.fromkeys(self._lane_of, chosen)

    def _flush(self, lane: FairLane) -> None:
        while lane.waiting:
            queue = lane.waiting.popleft()
            while queue:
                self._end(queue.adapter, queue.take(QUANTUM)[0], Status.PAUSED)

    def _deliver_held(self) -> None:
        held, self._held = self._held, deque()
        for binding, chain, flags in held:
            self.receive_net_buffer_lists(binding, chain, flags)

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Lend received packets to the drivers above; what none takes goes straight back."""
        if binding.resetting and not flags & ReceiveFlags.RESOURCES:
            self._held.append((binding, chain, flags & ~DISPATCH_FLAG))
            return
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
        for binding in self.bindings if self._failover else [lane.binding]:
            binding.cancel_send_net_buffer_lists(cancel_id)

    def _drain(self, lane: FairLane) -> None:
        """Send what waits, driver by driver in turn, as far as there is room."""
        while lane.open and lane.waiting and lane.binding.room:
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
