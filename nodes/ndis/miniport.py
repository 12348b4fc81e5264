"""Miniport drivers: the bottom of a stack, above a NIC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nodes.chain import NblChain
from nodes.crossing import Op
from nodes.driver import Driver
from nodes.ndis.adapter import Adapter
from nodes.port import Port
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node


class Miniport(Driver):
    """A miniport driver: accepts every send, completes each exactly once, indicates what arrives.

    Ownership: a chain sent belongs to the miniport from `send_net_buffer_lists` until it completes each packet
    (N6-SEND-09, N6-SEND-10, N6-SEND-14); a chain indicated is lent out until `return_net_buffer_lists` (N6-RX-02).
    """

    kind = "miniport"
    default_pool_size = 1024
    adapter: Adapter

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)

    def initialize(self, adapter: Adapter) -> None:
        """Learn of the adapter, which starts paused (MiniportInitializeEx)."""

    def halt(self) -> None:
        """Release everything (MiniportHaltEx)."""

    def restart(self) -> None:
        """Let data flow (MiniportRestart)."""

    def pause(self) -> Status:
        """Finish outstanding sends (MiniportPause): SUCCESS, or PENDING until `pause_complete` (N6-PNP-03)."""
        return Status.SUCCESS

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Take sends (MiniportSendNetBufferLists); there is no return value (N6-SEND-09)."""
        raise NotImplementedError

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Take indicated packets back (MiniportReturnNetBufferLists); by default free them."""
        self.free(chain)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Complete queued sends with this cancel id as SEND_ABORTED (MiniportCancelSend, N6-CAN-05)."""

    def frames_arrived(self, chain: NblChain, flags: int) -> None:
        """Take frames off the wire, each owed a release, with the sending NIC's flags; without a NIC there are none."""
        raise NotImplementedError

    def frames_left(self, chain: NblChain) -> None:
        """Take transmitted packets back from the wire; a driver without a NIC gets none."""
        raise NotImplementedError

    def start(self) -> None:
        """Open the adapter."""
        above = [port for port in self._node.ports if port.spec.kind == "binding"]
        self.adapter = Adapter(self._node, above, self.return_net_buffer_lists)
        self.initialize(self.adapter)

    def restart_layer(self) -> None:
        """Restart the driver."""
        self.restart()

    def pause_layer(self) -> Status:
        """Pause the driver."""
        return self.pause()

    def stop(self) -> None:
        """Halt the driver."""
        self.halt()

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into a handler call; sends that come while paused are completed so (N6-PNP-04)."""
        if op is Op.SEND and self._node.lifecycle.running:
            self.send_net_buffer_lists(self.adapter, chain, flags)
        elif op is Op.SEND:
            chain.status = Status.PAUSED
            self.adapter.send_net_buffer_lists_complete(chain)
        elif op is Op.RETURN:
            self.return_net_buffer_lists(self.adapter, chain, flags)
        elif op is Op.FRAME:
            self.frames_arrived(chain, flags)
        else:
            self.frames_left(chain)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Hand a cancel to the driver."""
        if op is Op.CANCEL:
            self.cancel_send(self.adapter, argument)
