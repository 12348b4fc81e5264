"""Protocol drivers: the top of a stack."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from nodes.crossings.crossing import RESOURCES, Op
from nodes.crossings.message import Message
from nodes.crossings.port import Port
from nodes.metrics import Counter
from nodes.ndis import edges
from nodes.ndis.binding import Binding
from nodes.ndis.indication import deliver_indication
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid import OidRequest
from nodes.ndis.oid_queue import Finish
from nodes.ndis.oid_roles import OidIssuingDriver
from nodes.packets.chain import NblChain
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node


class Protocol(OidIssuingDriver):
    """A protocol driver: sends on its bindings, receives from them.

    Ownership: a chain sent belongs to the lower drivers until `send_net_buffer_lists_complete` gets it back
    (N6-SEND-03, N6-SEND-21); a chain received belongs to this driver until it returns it (N6-RX-04).
    `frame_types` limits what it receives where several protocols share an adapter; empty means everything.
    """

    kind = "protocol"
    default_pool_size = 1024
    frame_types: ClassVar[tuple[int, ...]] = ()
    binding_class: ClassVar[type[Binding]] = Binding

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)
        self.bindings: list[Binding] = []
        self._by_port: dict[int, Binding] = {}

    def bind_adapter(self, binding: Binding) -> None:
        """Learn of a binding, which starts paused (ProtocolBindAdapterEx).

        One that was undone may come back so: with a handle of its own, the old one stays dead (N6-UNB-03).
        """

    def unbind_adapter(self, binding: Binding) -> Status | None:
        """Forget a binding, paused before (ProtocolUnbindAdapterEx): this cannot fail (N6-UNB-02).

        Return nothing or SUCCESS, or PENDING and call `binding.unbind_complete` later.
        """

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Start or stop using a binding (ProtocolNetPnPEvent): after PAUSE no sends are allowed (N6-PNP-09).

        QUERY_REMOVE_DEVICE says that the device below is about to go. Return SUCCESS, or PENDING to a PAUSE and call
        `pause_complete` later; a RESTART that fails leaves the binding paused.
        """
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take sent packets back, with their Status (ProtocolSendNetBufferListsComplete); by default free them."""
        self.free(chain)

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take received packets (ProtocolReceiveNetBufferLists); by default return them at once.

        With RESOURCES in `flags` they are lent for the length of this handler: no return call, no keeping (N6-RX-05).
        """
        if not flags & RESOURCES:
            binding.return_net_buffer_lists(chain)

    def start(self) -> None:
        """Make a binding of every port and offer it to the driver."""
        for port in self._node.ports:
            self.bind_port(port)

    def bind_port(self, port: Port) -> None:
        """Make a binding of a port and offer it to the driver; called by the runtime."""
        binding = self._by_port[port.index] = self.binding_class(self._node, port, self)
        edges.bind(self, binding)

    def restart_layer(self) -> Status:
        """Restart every binding that is paused; those that fail stay so."""
        return edges.restart(self.bindings)

    def pause_layer(self) -> Status:
        """Pause every binding that runs; each ends when its driver says so."""
        return edges.pause(self.bindings)

    def layer_settled(self) -> bool:
        """Return whether every binding may be counted as paused."""
        return edges.settled(self.bindings)

    def layer_paused(self) -> None:
        """Note that every binding is paused."""
        edges.note_paused(self.bindings)

    def pause_complete(self) -> None:
        """End the pauses that were answered with PENDING (NdisCompleteNetPnPEvent, N6-PNP-05)."""
        edges.complete_pauses(self._node, self.bindings)

    def stop(self) -> None:
        """Take the bindings away."""
        edges.unbind(self.bindings)

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Hand an indication to the driver."""
        if op is Op.STATUS:
            binding = self._by_port[port.index]
            deliver_indication(self._node, message, partial(binding.heard, self.status))
        else:
            super().accept_message(port, op, message)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Tell the driver of an event from below."""
        event = NetEvent.of(argument)
        if op is Op.PNP and event is not None:
            self.net_pnp_event(self._by_port[port.index], event)

    def submit_oid(self, request: OidRequest, finish: Finish) -> None:
        """Issue a request that a user of the run makes on the first binding."""
        status = self.bindings[0].oids_below.issue(request, completed=finish)
        if status is not Status.PENDING:
            finish(request, status)

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into a handler call; a paused binding returns receives at once (N6-RX-13)."""
        binding = self._by_port[port.index]
        if op is Op.COMPLETE:
            self.send_net_buffer_lists_complete(binding, chain, flags)
        elif op is Op.INDICATE and binding.running:
            self._node.board.counters[Counter.RECEIVED] += len(chain)
            self._node.board.counters[Counter.RECEIVED_BYTES] += int(chain.length.sum())
            self.receive_net_buffer_lists(binding, chain, flags)
        elif op is Op.INDICATE:
            self._node.board.counters[Counter.DROPPED] += len(chain)
            if not flags & RESOURCES:
                binding.return_net_buffer_lists(chain)
        else:
            super().accept(port, op, chain, flags)
