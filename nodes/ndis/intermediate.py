"""Intermediate drivers: virtual miniports above, protocol bindings below (N6-IM-01)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nodes.crossings.crossing import LOOP_BACK, RESOURCES, Op
from nodes.crossings.message import Message
from nodes.crossings.port import Port
from nodes.ndis import edges
from nodes.ndis.adapter import Adapter
from nodes.ndis.binding import Binding
from nodes.ndis.indication import deliver_indication
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid import OidRequest
from nodes.ndis.oid_queue import Finish
from nodes.ndis.oid_roles import OidPassingDriver
from nodes.ndis.states import HaltAction
from nodes.packets.chain import NblChain
from nodes.status import Status
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.node import Node

_NODE_SHIFT = np.uint64(16)


class VirtualAdapter(Adapter):
    """A virtual miniport of an intermediate driver."""

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Complete sends upwards; a SourceHandle that was not put back is a violation of N6-IM-02, and stays."""
        source = self._node.arena.source[chain.slots]
        own = source >> _NODE_SHIFT == self._node.spec.node
        if not none_set(own):
            for handle in chain.handles[own].tolist():
                text = f"packet {handle:#018x} was completed with this driver's SourceHandle still in it"
                self._node.complain("N6-IM-02", handle, text)
        super().send_net_buffer_lists_complete(chain, flags)


class Intermediate(OidPassingDriver):
    """An intermediate driver: one virtual miniport (`adapters`) for each driver above, bindings below.

    Ownership follows both edges' rules. To forward a packet the driver calls `forward`, which saves the SourceHandle
    and puts its own in; `restore` undoes that before the packet is completed upwards (N6-IM-02).
    """

    kind = "intermediate"
    default_pool_size = 32

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)
        self.bindings: list[Binding] = []
        self.adapters: list[Adapter] = []
        self._by_port: dict[int, Binding | Adapter] = {}
        self._saved_source = np.zeros(node.arena.slots, dtype=np.uint64)

    def bind_adapter(self, binding: Binding) -> None:
        """Learn of a binding below (ProtocolBindAdapterEx).

        One that was undone may come back so: with a handle of its own, the old one stays dead (N6-UNB-03).
        """

    def unbind_adapter(self, binding: Binding) -> Status | None:
        """Forget a binding below, paused before (ProtocolUnbindAdapterEx): this cannot fail (N6-UNB-02).

        Return nothing or SUCCESS, or PENDING and call `binding.unbind_complete` later.
        """

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Start or stop using one binding below (ProtocolNetPnPEvent), while others may go on (N6-PNP-09).

        Return SUCCESS, or PENDING to a PAUSE and call `binding.pause_complete` later.
        """
        return Status.SUCCESS

    def initialize(self, adapter: Adapter) -> None:
        """Learn of a virtual miniport above (MiniportInitializeEx)."""

    def halt(self) -> None:
        """Release everything (MiniportHaltEx)."""

    def restart(self) -> Status | None:
        """Let data flow on both edges (MiniportRestart): nothing or SUCCESS, PENDING, or a failure (N6-PNP-07)."""

    def pause(self) -> Status:
        """Stop data on both edges (MiniportPause): SUCCESS, or PENDING until `pause_complete`."""
        return Status.SUCCESS

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Take sends from above (MiniportSendNetBufferLists)."""
        raise NotImplementedError

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take completions from below (ProtocolSendNetBufferListsComplete)."""
        raise NotImplementedError

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take receives from below (ProtocolReceiveNetBufferLists); by default return them at once.

        With RESOURCES in `flags` they are lent for the length of this handler: no return call, no keeping (N6-RX-05).
        """
        if not flags & RESOURCES:
            binding.return_net_buffer_lists(chain)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Take returns from above (MiniportReturnNetBufferLists)."""
        raise NotImplementedError

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Take a cancel from above (MiniportCancelSend); by default pass it on to every binding (N6-CAN-06)."""
        for binding in self.bindings:
            binding.cancel_send_net_buffer_lists(cancel_id)

    def forward(self, binding: Binding, chain: NblChain, flags: int = 0) -> None:
        """Send a chain from above on through `binding`, saving each packet's SourceHandle (N6-NBL-04)."""
        self._saved_source[chain.slots] = chain.source_handle
        chain.source_handle = binding.handle
        binding.send_net_buffer_lists(chain, flags)

    def restore(self, chain: NblChain) -> None:
        """Put back the SourceHandles that `forward` saved, before completing upwards."""
        chain.source_handle = self._saved_source[chain.slots]

    def deinitialize_device_instance(self, adapter: Adapter) -> None:
        """Take a virtual miniport away (NdisIMDeInitializeDeviceInstance): NDIS halts it (N6-IM-07).

        Sends that still reach it are completed with PAUSED. Raises ValueError for one that is away already. What is
        left is taken away before the driver halts.
        """
        self._node.irql.check("NdisIMDeInitializeDeviceInstance")
        self.adapters.remove(adapter)
        adapter.open = False
        adapter.halt_action = HaltAction.INSTANCE_DEINITIALIZED
        self.halt_device_instance(adapter, HaltAction.INSTANCE_DEINITIALIZED)
        self.close_upper(adapter)

    def halt_device_instance(self, adapter: Adapter, action: HaltAction) -> None:
        """Release what belongs to one virtual miniport (MiniportHaltEx of it, N6-IM-07)."""

    def start(self) -> None:
        """Open the bindings below, then the virtual miniports above."""
        for port in self._node.ports:
            if port.spec.side == "upper":
                self.bind_port(port)
        for port in self._node.ports:
            if port.spec.side == "lower":
                adapter = VirtualAdapter(self._node, [port], self.return_net_buffer_lists)
                self._by_port[port.index] = adapter
                self.adapters.append(adapter)
                self.open_upper(adapter, [port])
                self.initialize(adapter)

    def bind_port(self, port: Port) -> None:
        """Make a binding of a port below and offer it to the driver; called by the runtime."""
        binding = self._by_port[port.index] = Binding(self._node, port, self)
        edges.bind(self, binding)

    def restart_layer(self) -> Status | None:
        """Restart the bindings below, then the driver."""
        edges.restart(self.bindings)
        return self.restart()

    def pause_layer(self) -> Status:
        """Pause the driver, then the bindings below."""
        status = self.pause()
        edges.pause(self.bindings)
        return status

    def layer_settled(self) -> bool:
        """Return whether every binding below may be counted as paused."""
        return edges.settled(self.bindings)

    def layer_paused(self) -> None:
        """Note that every binding below is paused."""
        edges.note_paused(self.bindings)

    def stop(self) -> None:
        """Halt the driver."""
        for adapter in list(self.adapters):
            self.deinitialize_device_instance(adapter)
        self.halt()
        edges.unbind(self.bindings)
        self.clones.close()

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into a handler call; sends that come while paused are completed so (N6-PNP-04)."""
        edge = self._by_port[port.index]
        if isinstance(edge, Adapter):
            if op is Op.RETURN:
                if edge.looped.out:
                    chain = edge.looped.sift(chain)
                if len(chain):
                    self.return_net_buffer_lists(edge, chain, flags)
            elif self._node.lifecycle.running and edge.open:
                if flags & LOOP_BACK:
                    edge.looped.indicate(port, chain)
                    flags &= ~LOOP_BACK
                edges.enter_send(self._node, self.send_net_buffer_lists, edge, chain, flags)
            else:
                chain.status = Status.PAUSED
                edge.send_net_buffer_lists_complete(chain)
        elif op is Op.COMPLETE:
            self.send_net_buffer_lists_complete(edge, chain, flags)
        elif edge.running:
            self.receive_net_buffer_lists(edge, chain, flags)
        elif not flags & RESOURCES:
            edge.return_net_buffer_lists(chain)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Hand a cancel to the driver."""
        edge = self._by_port[port.index]
        if op is Op.CANCEL and isinstance(edge, Adapter):
            missing = type(self).cancel_send is Intermediate.cancel_send
            handler = partial(self.cancel_send, edge)
            self._node.cancelling.run(port, argument, handler, missing=missing, passes_on=True)
        elif op is Op.CANCEL_OID and isinstance(edge, Adapter):
            edge.oids_above.cancel(argument)
        elif op is Op.PNP:
            for adapter in self.adapters:
                adapter.indicator.send_event(argument)

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Hand a request to the virtual miniport's queue, an indication to the driver."""
        edge = self._by_port[port.index]
        if op is Op.OID and isinstance(edge, Adapter):
            edge.oids_above.accept(message)
        elif op is Op.STATUS and isinstance(edge, Binding):
            deliver_indication(self._node, message, partial(edge.heard, self.status))
        else:
            super().accept_message(port, op, message)

    def submit_oid(self, request: OidRequest, finish: Finish) -> None:
        """Take a request that a user of the run makes of the first virtual miniport."""
        self.adapters[0].oids_above.submit(request, finish)
