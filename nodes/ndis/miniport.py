"""Miniport drivers: the bottom of a stack, above a NIC."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from nodes.crossings.crossing import LOOP_BACK, Op
from nodes.crossings.message import Message
from nodes.crossings.port import Port
from nodes.faults.frames import FrameFaults
from nodes.ndis import edges
from nodes.ndis.adapter import Adapter
from nodes.ndis.oid import OidRequest
from nodes.ndis.oid_queue import Finish
from nodes.ndis.oid_roles import OidAnsweringDriver
from nodes.ndis.states import DevicePnpEvent
from nodes.packets.chain import NblChain
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node


class Miniport(OidAnsweringDriver):
    """A miniport driver: accepts every send, completes each exactly once, indicates what arrives.

    Ownership: a chain sent belongs to the miniport from `send_net_buffer_lists` until it completes each packet
    (N6-SEND-09, N6-SEND-10, N6-SEND-14); a chain indicated is lent out until `return_net_buffer_lists` (N6-RX-02).
    With `no_loopback` it loops nothing back itself; NDIS does that for senders who ask for it (N6-SEND-16).
    `ndis_version` is what the driver declares (N6-RST-03), `check_for_hang_interval` the ns between two hang checks,
    `send_limit` the ns after which a send counts as stuck (N6-RST-11).
    """

    kind = "miniport"
    default_pool_size = 1024
    no_loopback: ClassVar[bool] = True
    ndis_version: ClassVar[tuple[int, int]] = (6, 30)
    check_for_hang_interval: ClassVar[int] = 2_000_000_000
    send_limit: ClassVar[int] = 2_000_000_000
    adapter_class: ClassVar[type[Adapter]] = Adapter
    adapter: Adapter

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)

    def initialize(self, adapter: Adapter) -> None:
        """Learn of the adapter, which starts paused (MiniportInitializeEx)."""

    def halt(self) -> None:
        """Release everything (MiniportHaltEx)."""

    def restart(self) -> Status | None:
        """Let data flow (MiniportRestart): nothing or SUCCESS, PENDING until `restart_complete`, or a failure.

        Receives may be indicated from its beginning, sends come when it has ended (N6-PNP-07).
        """

    def reset(self) -> Status | tuple[Status, bool]:
        """Reset the adapter (MiniportResetEx, at most at DISPATCH): a status, or one with addressing_reset (N6-RST-10).

        SUCCESS, SOFT_ERRORS, HARD_ERRORS, RESET_IN_PROGRESS, or PENDING and `adapter.reset_complete` once (N6-RST-02).
        What is outstanding is the driver's to end: all of it before the reset ends, from NDIS 6.30 on (N6-RST-03).
        """
        return Status.SUCCESS

    def check_for_hang(self) -> bool:
        """Say whether the adapter hangs and needs a reset (MiniportCheckForHangEx), at PASSIVE and fast (N6-RST-11)."""
        return False

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        """Learn what happens to the device (MiniportDevicePnPEventNotify): after SURPRISE_REMOVED it is gone.

        Sends must still be completed, OIDs answered with NOT_ACCEPTED (N6-UNB-05).
        """

    def shutdown(self, adapter: Adapter) -> None:
        """Stop the device at once: the system goes down (MiniportShutdownEx)."""

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
        self.adapter = self.adapter_class(self._node, above, self.return_net_buffer_lists)
        self.open_upper(self.adapter, above)
        self.initialize(self.adapter)
        if type(self).check_for_hang is not Miniport.check_for_hang:
            self.adapter.resets.watch_for_hang(self)

    def restart_layer(self) -> Status | None:
        """Restart the driver."""
        return self.restart()

    def pause_layer(self) -> Status:
        """Pause the driver."""
        return self.pause()

    def stop(self) -> None:
        """Halt the driver."""
        self.halt()
        self.close_upper(self.adapter)

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into a handler call; sends that come while paused are completed so (N6-PNP-04)."""
        if op is Op.SEND and self._node.lifecycle.running and not self.adapter.resets.active:
            if flags & LOOP_BACK:
                self.adapter.looped.indicate(port, chain)
            edges.enter_send(self._node, self.send_net_buffer_lists, self.adapter, chain, flags)
        elif op is Op.SEND:
            chain.status = Status.RESET_IN_PROGRESS if self._node.lifecycle.running else Status.PAUSED
            self.adapter.send_net_buffer_lists_complete(chain)
        elif op is Op.RETURN:
            if self.adapter.looped.out:
                chain = self.adapter.looped.sift(chain)
                if not len(chain):
                    return
            self.return_net_buffer_lists(self.adapter, chain, flags)
        elif op is Op.FRAME and isinstance(port.mixing, FrameFaults):
            port.mixing.arrived(chain, flags)
        elif op is Op.FRAME:
            self.frames_arrived(chain, flags)
        else:
            self.frames_left(chain)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Hand a cancel to the driver."""
        if op is Op.CANCEL:
            missing = type(self).cancel_send is Miniport.cancel_send
            handler = partial(self.cancel_send, self.adapter)
            self._node.cancelling.run(port, argument, handler, missing=missing, passes_on=False)
        elif op is Op.CANCEL_OID:
            self.adapter.oids_above.cancel(argument)

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Hand a request to the adapter's queue."""
        if op is Op.OID:
            self.adapter.oids_above.accept(message)
        else:
            super().accept_message(port, op, message)

    def submit_oid(self, request: OidRequest, finish: Finish) -> None:
        """Take a request that a user of the run makes."""
        self.adapter.oids_above.submit(request, finish)
