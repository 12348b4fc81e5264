"""A binding: what a protocol, or an intermediate driver's lower edge, calls NDIS with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis.indication import StatusIndication
from nodes.ndis.nbl import NblSource
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid_edges import OidAsking
from nodes.ndis.oid_issuer import OidIssuer
from nodes.ndis.states import BINDING_TRANSITIONS, BindingState
from nodes.packets.chain import NblChain
from nodes.packets.custody import binding_handle
from nodes.status import Status
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.node import Node

Completed = Callable[["Binding", NblChain, int], None]
Heard = Callable[["Binding", StatusIndication], None]


class LowerEdge(Protocol):
    """What a binding calls its driver with."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take sent packets back."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Learn what happens below."""

    def unbind_adapter(self, binding: Binding) -> Status | None:
        """Forget the binding."""


class Binding(OidAsking, NblSource):
    """The binding handle of one edge to a lower driver.

    `handle` is the SourceHandle of everything sent here; `room` the credits left. `state` is the binding's own: it
    can be paused and unbound while the node's others go on. `running` says whether it takes sends, `resetting`
    whether the adapter below is between RESET_START and RESET_END.
    """

    def __init__(self, node: Node, port: Port, owner: LowerEdge) -> None:
        self.handle = binding_handle(node.spec.node, port.index)
        self.edge = port.spec.edge
        self.state = BindingState.UNBOUND
        self.running = False
        self.resetting = False
        self._node = node
        self._port = port
        self.oids_below = OidIssuer(node, port, self.handle, lambda request, status: None)
        self._early = node.policy.early_completion == "yes"
        self._owner = owner
        self._completed: Completed = owner.send_net_buffer_lists_complete
        self.answer_pending = ""
        self._dead = False
        self.move("open")

    @property
    def lower(self) -> str:
        """Return the name of the node below."""
        return self._port.spec.peer_name

    @property
    def room(self) -> int:
        """Return how many more packets may be out on this binding."""
        return self._port.room()

    @property
    def outstanding(self) -> int:
        """Return how many packets are out on this binding."""
        return self._port.outstanding

    @property
    def backfill(self) -> int:
        """Return the bytes that the layers below put before data: what to leave unused there (N6-NBL-16)."""
        return int(self._port.spec.options.get("backfill", 0))

    def allocate_net_buffer_lists(
        self, count: int, length: int | NDArray[np.uint32], *, backfill: int = 0
    ) -> NblChain:
        """Return a chain of at most `count` packets of `length` data bytes, SourceHandle set (N6-SEND-01, -02).

        The chain is shorter when the pool is short, and may be empty.
        """
        return self._made(count, length, backfill)

    def send_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Send a chain as one call (NdisSendNetBufferLists); every packet comes back through the complete handler.

        What exceeds `room` comes back with RESOURCES, and everything with PAUSED while the binding is not running,
        which is a violation of N6-PNP-09 as well.
        """
        if not len(chain):
            return
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisSendNetBufferLists", flags, lock_rule="N6-LOCK-02")
        if not self.running or self.resetting:
            self._refuse_now(chain)
            return
        room = self._port.room()
        if len(chain) > room:
            self._refuse(chain[room:], Status.RESOURCES)
            chain = chain[:room]
        if len(chain):
            self._port.request(Op.SEND, chain, flags)
            if self._early:
                self._node.waiting.linger(self._port, chain)

    def return_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Return received packets (NdisReturnNetBufferLists), each exactly once and to this binding (N6-RX-04).

        Packets that did not come from it are reported and stay with the driver.
        """
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisReturnNetBufferLists", flags)
        astray = self._node.custody.came[chain.slots] != self._port.index
        if not none_set(astray):
            for handle in chain.handles[astray].tolist():
                self._node.complain(
                    "N6-RX-04",
                    handle,
                    f"packet {handle:#018x} was returned to {self.lower}, which never lent it",
                )
            chain = chain[~astray]
        self._port.reply(Op.RETURN, chain, flags)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        """Ask for packets with this cancel id to be completed soon (NdisCancelSendNetBufferLists, N6-CAN-03).

        The binding must be open (N6-CAN-02), and the id this driver's own, unless it passes on another's (N6-CAN-01).
        """
        self._node.irql.check("NdisCancelSendNetBufferLists")
        self._node.cancelling.check_id(cancel_id)
        if self._dead or self.state is BindingState.UNBOUND:
            text = f"cancel {cancel_id:#x} was asked of the binding to {self.lower}, which is closed"
            self._node.complain("N6-CAN-02", 0, text)
            return
        self._node.cancelling.passed += 1
        self._port.notice(Op.CANCEL, cancel_id)

    def pause_complete(self) -> None:
        """End a pause that was answered with PENDING (NdisCompleteNetPnPEvent, N6-PNP-05), at PASSIVE (N6-IRQL-01)."""
        self._node.irql.check("NdisCompleteNetPnPEvent")
        self._end_answer("pause", "N6-PNP-05")

    def unbind_complete(self) -> None:
        """End an unbind that was answered with PENDING, once (NdisCompleteUnbindAdapterEx, N6-UNB-02)."""
        self._node.irql.check("NdisCompleteUnbindAdapterEx")
        self._end_answer("unbind", "N6-UNB-02")

    def close(self) -> None:
        """Close the adapter (NdisCloseAdapterEx): the handle is dead from now on (N6-UNB-03).

        Allowed while unbinding; a driver that does not call it has it called by NDIS when its unbind has ended.
        """
        self._node.irql.check("NdisCloseAdapterEx")
        if self.state is not BindingState.CLOSING or self._dead:
            self._node.complain("N6-UNB-03", 0, f"binding to {self.lower} closed in state {self.state.name}")
        self._dead = True

    @property
    def settled(self) -> bool:
        """Return whether the driver has answered what it pended, and all packets are back."""
        return not self.answer_pending and self._port.idle

    def move(self, event: str) -> None:
        """Enter the state of the table; a blank cell is reported (N6-PNP-01) and nothing changes."""
        entered = BINDING_TRANSITIONS.get((self.state, event))
        if entered is None:
            self._node.complain(
                "N6-PNP-01", 0, f"binding to {self.lower}: {event} in state {self.state.name}"
            )
            return
        self.state = entered
        self.running = entered in (BindingState.RESTARTING, BindingState.RUNNING)

    def heard(self, handler: Heard, indication: StatusIndication) -> None:
        """Note what an indication says about the adapter below, then hand it to the driver (N6-RST-06).

        One that was on its way when the binding was closed reaches nobody.
        """
        if self._dead:
            return
        if indication.code == Status.RESET_START:
            self.resetting = True
        elif indication.code == Status.RESET_END:
            self.resetting = False
        handler(self, indication)

    def tell(self, event: NetEvent) -> Status:
        """Hand an event to the driver and return its answer."""
        return self._owner.net_pnp_event(self, event)

    def restart(self) -> Status:
        """Restart the binding; a failure leads back to Paused."""
        self.move("restart")
        status = self.tell(NetEvent.RESTART)
        self.move("restarted" if status == Status.SUCCESS else "failed")
        return status

    def begin_pause(self) -> None:
        """Ask the driver to pause; it may end that before its handler has returned PENDING."""
        self.move("pause")
        self.answer_pending = "pause"
        status = self.tell(NetEvent.PAUSE)
        if status != Status.PENDING:
            if not self.answer_pending:
                self._node.complain(
                    "N6-PNP-05", 0, "pause was completed, but its handler did not return PENDING"
                )
            self.answer_pending = ""
        if status not in (Status.SUCCESS, Status.PENDING):
            self._node.complain(
                "N6-PNP-02", 0, f"pause returned {status!r}; only SUCCESS and PENDING are allowed"
            )

    def begin_unbind(self) -> None:
        """Ask the driver to forget the binding (N6-UNB-02)."""
        self.move("close")
        self.answer_pending = "unbind"
        status = self._owner.unbind_adapter(self)
        if status != Status.PENDING:
            self.answer_pending = ""
        if status not in (None, Status.SUCCESS, Status.PENDING):
            self._node.complain("N6-UNB-02", 0, f"unbind returned {status!r}, but it cannot fail")

    def never_unbound(self) -> None:
        """Report an unbind that was answered with PENDING and never completed, and end it (N6-UNB-02)."""
        self._node.complain("N6-UNB-02", 0, f"the unbind from {self.lower} was never completed")
        self.answer_pending = ""
        self.end_unbind()

    def end_unbind(self) -> None:
        """Close what the driver did not, and let nothing more of the binding live (N6-OID-22, N6-SEND-22)."""
        self._dead = True
        self._return_kept()
        self.oids_below.close(f"the binding to {self.lower}")
        self.move("closed")

    def _return_kept(self) -> None:
        """Return what the driver has kept of packets received here, and report it (N6-SEND-22)."""
        custody = self._node.custody
        slots = np.flatnonzero(custody.held)[1:]  # row 0 is no packet's
        slots = slots[custody.came[slots] == self._port.index]
        kept = NblChain(custody.held[slots], slots, custody)
        kept = kept[custody.duties.foreign(kept.handles)]
        if len(kept):
            text = f"the binding to {self.lower} was closed, and the driver still has {len(kept)} packets from it"
            self._node.complain("N6-SEND-22", int(kept.handles[0]), text)
            self._port.reply(Op.RETURN, kept)

    def _end_answer(self, what: str, rule: str) -> None:
        if self.answer_pending != what:
            self._node.complain(rule, 0, f"{what} was completed, but no {what} is pending")
            return
        self.answer_pending = ""

    def _refuse_now(self, chain: NblChain) -> None:
        """Refuse sends on a binding that cannot take any; say which rule the driver broke by trying."""
        if self.resetting and self.running:
            rule, status, why = "N6-RST-06", Status.RESET_IN_PROGRESS, "while its adapter is being reset"
            if self._node.policy.reset_sends == "refused":
                rule = ""
        elif self._dead or self.state in (BindingState.CLOSING, BindingState.UNBOUND):
            rule, status, why = "N6-UNB-03", Status.CLOSING, "that is closed"
        elif self.state is BindingState.OPENING:
            rule, status, why = "N6-UNB-01", Status.PAUSED, "that is not open yet"
        else:
            rule, status, why = "N6-PNP-09", Status.PAUSED, "that is paused"
        if rule:
            self._node.complain(rule, int(chain.handles[0]), f"{len(chain)} packets sent on a binding {why}")
        self._refuse(chain, status)

    def _refuse(self, chain: NblChain, status: Status) -> None:
        chain.status = status
        self._node.order.forget(chain.slots)
        if self._node.driver.kind == "protocol":  # others pass on what a protocol has counted
            counters = self._node.board.counters
            counters[Counter.SENT] += len(chain)
            counters[Counter.COMPLETED] += len(chain)
            self._node.board.count_status(status, len(chain))
        self._node.defer(lambda: self._completed(self, chain, 0))
