"""Lightweight filters: layers that see packets pass, up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import CALL_MASK, CLAIMS, FLAGS_SHIFT, LOOP_BACK, LOOPED, RESOURCES, Op
from nodes.crossings.port import U64, Port
from nodes.driver import Driver
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis.claims import check_claims
from nodes.ndis.filter_rules import OwnPackets, check_loopback, check_pairs, overrides
from nodes.ndis.nbl import NblSource
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid import OidRequest
from nodes.ndis.oid_edges import Clones, OidAsking, OidServing
from nodes.ndis.oid_issuer import OidIssuer
from nodes.ndis.oid_roles import OidFilteringDriver
from nodes.ndis.routing import by_originator, by_receiver, complete_upwards
from nodes.packets.chain import NblChain
from nodes.packets.custody import binding_handle
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node


class FilterModule(OidAsking, OidServing, NblSource):
    """The filter module handle: what a filter calls NDIS with.

    Ownership passes with each call; a packet leaves the filter exactly once (N6-FLT-02).
    """

    def __init__(self, node: Node, below: Port, above: list[Port]) -> None:
        self.handle = binding_handle(node.spec.node, below.index)
        self._node = node
        self._below = below
        self._above = above
        self._own = OwnPackets(node) if node.driver.originates else None
        self.oids_below = OidIssuer(node, below, self.handle, lambda request, status: None)
        self.clones = Clones(node)

    @property
    def lower(self) -> str:
        """Return the name of the node below."""
        return self._below.spec.peer_name

    def allocate_net_buffer_lists(
        self, count: int, length: int | NDArray[np.uint32], *, backfill: int = 0
    ) -> NblChain:
        """Return a chain of at most `count` packets of the filter's own, SourceHandle set (N6-SEND-02).

        Such packets come back through the filter's own handlers, which keep them (N6-FLT-03, N6-FLT-04).
        """
        return self._made(count, length, backfill)

    def send_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Pass sends on to the lower driver (NdisFSendNetBufferLists), SourceHandle untouched (N6-NBL-04).

        What exceeds the room below is completed upwards with RESOURCES; the filter's own comes back to its handler.
        """
        if self._node.custody.duties.loops:
            check_loopback(self._node, chain, flags)
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisFSendNetBufferLists", flags, lock_rule="N6-LOCK-02")
        if self._own is not None:
            chain = self._own.sent(chain)
        room = self._below.room()
        if len(chain) > room:
            refused = chain[room:]
            refused.status = Status.RESOURCES
            if self._own is not None:
                refused = self._own.refused(refused)
            self.send_net_buffer_lists_complete(refused)
            chain = chain[:room]
        if len(chain):
            self._below.request(Op.SEND, chain, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Complete sends towards the driver above (NdisFSendNetBufferListsComplete)."""
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisFSendNetBufferListsComplete", flags, lock_rule="N6-LOCK-02")
        if self._own is not None:
            chain = self._own.kept(chain, "N6-FLT-03", "completed upwards")
        if self._node.cancelling.watching:
            chain = self._node.cancelling.check_completed(chain)
        complete_upwards(self._node, self._above, chain, self._node.arena.status[chain.slots], flags)

    def indicate_receive_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Pass receives on upwards (NdisFIndicateReceiveNetBufferLists); what no one takes goes straight back.

        With RESOURCES the packets are the filter's again when the call returns: it still owes their return, unless it
        was called with the flag itself (N6-RX-07).
        """
        if flags & CLAIMS:
            check_claims(self._node, chain, flags, self._above, self.oids_above)
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisFIndicateReceiveNetBufferLists", flags, lock_rule="N6-LOCK-02")
        if self._own is not None:
            chain = self._own.indicated(chain)
        looped = flags & LOOPED
        for port, part in (by_originator if looped else by_receiver)(self._above, chain):
            room = 0 if port is None else port.room()
            if len(part) > room:
                self._node.board.counters[Counter.DROPPED] += len(part) - room
                if not flags & RESOURCES:
                    self._below.reply(Op.RETURN, part[room:])
                part = part[:room]
            if len(part) and port is not None:
                if flags & RESOURCES:
                    self._node.loans.indicate(port, part, flags)
                else:
                    port.request(Op.INDICATE, part, flags)

    def return_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Return received packets to the driver below (NdisFReturnNetBufferLists)."""
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisFReturnNetBufferLists", flags)
        if self._own is not None:
            chain = self._own.kept(chain, "N6-FLT-04", "returned downwards")
        self._below.reply(Op.RETURN, chain, flags)

    def allocate_clone_oid_request(self, request: OidRequest) -> OidRequest | None:
        """Return a clone of a request to pass on, None without memory (NdisAllocateCloneOidRequest, N6-OID-13)."""
        return self.clones.allocate(request)

    def free_clone_oid_request(self, clone: OidRequest) -> None:
        """Free a clone that has come back, before the original is completed (NdisFreeCloneOidRequest)."""
        self.clones.free(clone)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        """Pass a cancel on to the lower driver (NdisFCancelSendNetBufferLists, N6-CAN-06)."""
        self._node.irql.check("NdisFCancelSendNetBufferLists")
        self._node.cancelling.passed += 1
        self._below.notice(Op.CANCEL, cancel_id)


class Filter(OidFilteringDriver):
    """A filter driver: overrides only the handlers it needs.

    A handler that is not overridden is bypassed: NDIS passes whole batches on without calling the filter
    (N6-FLT-07). A filter that handles sends owns each packet until it passes it down or completes it.
    """

    kind = "filter"
    module: FilterModule

    def attach(self, module: FilterModule) -> None:
        """Learn of the module, which starts paused (FilterAttach)."""

    def detach(self) -> None:
        """Release everything (FilterDetach)."""

    def restart(self) -> Status | None:
        """Let data flow (FilterRestart): nothing or SUCCESS, PENDING until `restart_complete`, or a failure."""

    def net_pnp_event(self, event: NetEvent) -> Status:
        """Learn of an event that goes up the stack (FilterNetPnPEvent); it goes on whatever is answered."""
        return Status.SUCCESS

    def pause(self) -> Status:
        """Complete or return what the filter queues (FilterPause): SUCCESS, or PENDING until `pause_complete`."""
        return Status.SUCCESS

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Take sends on their way down (FilterSendNetBufferLists)."""
        self.module.send_net_buffer_lists(chain, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        """Take completions on their way up (FilterSendNetBufferListsComplete)."""
        self.module.send_net_buffer_lists_complete(chain, flags)

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Take receives on their way up (FilterReceiveNetBufferLists)."""
        self.module.indicate_receive_net_buffer_lists(chain, flags)

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Take returns on their way down (FilterReturnNetBufferLists)."""
        self.module.return_net_buffer_lists(chain, flags)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        """Take a cancel on its way down (FilterCancelSendNetBufferLists)."""
        self.module.cancel_send_net_buffer_lists(cancel_id)

    def __init__(self, node: Node, options: Any) -> None:
        super().__init__(node, options)
        self._handlers = {
            Op.SEND: self.send_net_buffer_lists,
            Op.COMPLETE: self.send_net_buffer_lists_complete,
            Op.INDICATE: self.receive_net_buffer_lists,
            Op.RETURN: self.return_net_buffer_lists,
        }
        self._bypassed = {
            op
            for op, handler in self._handlers.items()
            if getattr(type(self), handler.__name__) is getattr(Filter, handler.__name__)
        }
        if Op.INDICATE in self._bypassed:
            self._bypassed.add(Op.INDICATE_CALL)

    def start(self) -> None:
        """Attach the module; raises HandlerMissing when handlers that come in pairs do not (N6-FLT-01)."""
        check_pairs(type(self), Filter)
        below = next(port for port in self._node.ports if port.spec.side == "upper")
        above = [port for port in self._node.ports if port.spec.side == "lower"]
        self.module = FilterModule(self._node, below, above)
        self._below = below
        self._above = above
        self.open_module(self.module, above)
        self.attach(self.module)

    def restart_layer(self) -> Status | None:
        """Restart the filter."""
        return self.restart()

    def pause_layer(self) -> Status:
        """Pause the filter."""
        return self.pause()

    def stop(self) -> None:
        """Detach the module."""
        self.detach()
        self.close_module(self.module)

    def step_aside(self) -> None:
        """Let NDIS pass everything on itself once the module is detached."""
        self._node.driver = Bypass(self._node, self)
        self._node.driver.start()

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into a handler call."""
        if op is Op.SEND and flags & LOOP_BACK:
            self._node.custody.duties.loops.update(chain.handles.tolist())
        self._handlers[op](chain, flags)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Hand a cancel to the driver."""
        if op is Op.CANCEL:
            handler = self.cancel_send_net_buffer_lists
            missing = not overrides(type(self), Filter, handler.__name__)
            self._node.cancelling.run(port, argument, handler, missing=missing, passes_on=True)
        else:
            super().accept_notice(port, op, argument)

    def bypasses(self, op: Op) -> bool:
        """Return whether the filter has no handler of its own for `op`."""
        return op in self._bypassed

    def pass_on(self, port: Port, op: Op, chain: NblChain, meta: U64) -> None:
        """Pass a whole batch of requests on, with the calls it was made of."""
        ahead = [self._below] if op is Op.SEND else self._above
        room = len(ahead) == 1 and ahead[0].room() >= len(chain)
        if (
            not room or len(self._above) > 1
        ):  # they, or their replies, are sorted here: their stay is measured
            self._node.custody.since[chain.slots] = self._node.clock.now()
        if room:
            ahead[0].forward(op, chain, meta)
            return
        if op is Op.INDICATE_CALL:
            self._node.custody.receive(chain.handles, chain.slots)
            self._node.loans.lend_to_driver(port, op, chain, int(meta[0] & CALL_MASK) >> FLAGS_SHIFT)
            return
        self._node.custody.receive(chain.handles, chain.slots)
        self._node.irql.call(self.accept, port, op, chain, int(meta[0] & CALL_MASK) >> FLAGS_SHIFT)

    def pass_back(self, port: Port, op: Op, chain: NblChain, meta: U64) -> None:
        """Pass a whole batch of replies back to where the packets came from."""
        if op in (Op.RETURN, Op.INDICATE_CALL_DONE):
            self._below.give_back(op, chain, meta)
        elif len(self._above) == 1:
            self._above[0].give_back(op, chain, meta)
        else:
            self._node.custody.receive(chain.handles, chain.slots)
            self._node.irql.call(self.accept, port, op, chain, int(meta[0] & CALL_MASK) >> FLAGS_SHIFT)


class Bypass(Filter):
    """Stands where a filter was detached: everything passes, until a new one is attached in its place."""

    stands_in = True

    def __init__(self, node: Node, detached: Filter) -> None:
        super().__init__(node, detached.options)
        self._detached = detached

    def successor(self) -> Driver:
        """Return the filter that is attached again."""
        return self._detached.successor()
