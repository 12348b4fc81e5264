"""What each kind of driver has to do with OIDs and status indications: its handlers, and how they are reached.

The roles are bases of `Protocol`, `Miniport`, `Filter` and `Intermediate`. Every handler is optional: a filter or
intermediate driver without one is bypassed, requests as clones of NDIS's own (N6-FLT-07, N6-OID-13).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nodes.crossings.crossing import Op
from nodes.crossings.message import Message
from nodes.driver import Driver
from nodes.ndis.indication import Indicator, StatusIndication, deliver_indication
from nodes.ndis.oid import Delivery, OidRequest
from nodes.ndis.oid_edges import Clones, pass_on
from nodes.ndis.oid_issuer import Completed
from nodes.ndis.oid_queue import Finish, OidQueue
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.ndis.adapter import Adapter
    from nodes.ndis.binding import Binding
    from nodes.ndis.filter import FilterModule


def by_delivery(
    regular: Callable[[OidRequest, int], None], direct: Callable[[OidRequest, int], None]
) -> Completed:
    """Return a completion handler that calls the one for the way a request was issued."""
    return lambda request, status: (direct if request.delivery is Delivery.DIRECT else regular)(
        request, status
    )


class OidIssuingDriver(Driver):
    """A driver with a lower edge of bindings: protocol and intermediate."""

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Take the answer to a request that pended (ProtocolOidRequestComplete).

        It may come before the request call has returned (N6-OID-06).
        """

    def direct_oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Take the answer to a direct request that pended (ProtocolDirectOidRequestComplete)."""

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hear what the driver below tells (ProtocolStatusEx); to be done quickly (N6-IND-05)."""

    def open_lower(self, binding: Binding) -> None:
        """Make a binding's requests end in this driver's handlers; called by the runtime."""
        binding.oids_below.completed = by_delivery(
            partial(self.oid_request_complete, binding), partial(self.direct_oid_request_complete, binding)
        )


class OidAnsweringDriver(Driver):
    """A driver with adapters above: miniport and intermediate."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a request, one at a time (MiniportOidRequest): a final status, or PENDING and complete it once later.

        Runs at PASSIVE (N6-OID-21) in every state (N6-OID-17) and must not block (N6-OID-09). Once the device is gone,
        NOT_ACCEPTED is the only answer (N6-OID-16).
        """
        return _not_known(adapter)

    def direct_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a direct request, maybe while others pend (MiniportDirectOidRequest)."""
        return _not_known(adapter)

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a synchronous request at once (MiniportSynchronousOidRequest); PENDING breaks N6-OID-20."""
        return _not_known(adapter)

    def cancel_oid_request(self, adapter: Adapter, request_id: int) -> None:
        """End a pending request soon, with REQUEST_ABORTED (MiniportCancelOidRequest, N6-OID-12)."""

    def open_upper(self, adapter: Adapter, ports: list[Port], *, serial: bool = True) -> None:
        """Make requests from above reach this driver's handlers; called by the runtime."""
        handlers = {
            Delivery.REGULAR: partial(self.oid_request, adapter),
            Delivery.DIRECT: partial(self.direct_oid_request, adapter),
            Delivery.SYNCHRONOUS: partial(self._synchronous, adapter),
        }
        for port in ports:
            port.packet_filter = None
        adapter.oids_above = OidQueue(self._node, handlers, partial(self._cancelled, adapter), serial=serial)
        adapter.indicator = Indicator(self._node, ports, adapter.oids_above)

    def close_upper(self, adapter: Adapter) -> None:
        """End what is left once the adapter is halted (N6-IND-01); called by the runtime."""
        adapter.oids_above.abort(Status.REQUEST_ABORTED)
        adapter.indicator.close()

    def _synchronous(self, adapter: Adapter, request: OidRequest) -> Status:
        status = self.synchronous_oid_request(adapter, request)
        if status is Status.PENDING and not request.passed_on:
            self._node.complain(
                "N6-OID-20", request.handle, f"a synchronous {request.name} was answered with PENDING"
            )
            return Status.FAILURE
        return status

    def _cancelled(self, adapter: Adapter, request: OidRequest) -> None:
        self.cancel_oid_request(adapter, request.request_id)


class OidPassingDriver(OidIssuingDriver, OidAnsweringDriver):
    """An intermediate driver: adapters above, bindings below, requests passed from one to the other as clones."""

    adapters: list[Adapter]
    bindings: list[Binding]

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a request, or pass a clone of it on (N6-IM-05); by default NDIS passes it to the first binding."""
        return self._pass(adapter, request)

    def direct_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a direct request or pass it on; by default NDIS passes it to the first binding."""
        return self._pass(adapter, request)

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer a synchronous request at once; by default NDIS passes it to the first binding."""
        return self._pass(adapter, request)

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Hear what a driver below tells; by default it is passed on to every driver above."""
        for adapter in self.adapters:
            adapter.indicator.pass_on(indication)

    def allocate_clone_oid_request(self, request: OidRequest) -> OidRequest | None:
        """Return a clone to pass on, None when there is no memory (NdisAllocateCloneOidRequest, N6-OID-13)."""
        return self.clones.allocate(request)

    def free_clone_oid_request(self, clone: OidRequest) -> None:
        """Free a clone that has come back, before the original is completed (NdisFreeCloneOidRequest)."""
        self.clones.free(clone)

    def open_upper(self, adapter: Adapter, ports: list[Port], *, serial: bool = True) -> None:
        """Make requests from above reach this driver's handlers; without one, several may be on their way at once."""
        own = type(self).oid_request is not OidPassingDriver.oid_request
        super().open_upper(adapter, ports, serial=own)
        adapter.oids_above.clones = self.clones

    @property
    def clones(self) -> Clones:
        """Return the clones that this driver has."""
        found = self.__dict__.get("_clones")
        if found is None:
            found = self.__dict__["_clones"] = Clones(self._node)
        assert isinstance(found, Clones)
        return found

    def _pass(self, adapter: Adapter, request: OidRequest) -> Status:
        if not self.bindings:
            return Status.NOT_SUPPORTED
        return pass_on(request, self.bindings[0].oids_below, adapter.oids_above)

    def _cancelled(self, adapter: Adapter, request: OidRequest) -> None:
        for binding in self.bindings:
            binding.oids_below.cancel_clones(request)
        self.cancel_oid_request(adapter, request.request_id)


class OidFilteringDriver(Driver):
    """A filter: one module, requests and answers pass by."""

    module: FilterModule

    def oid_request(self, request: OidRequest) -> Status:
        """Take a request on its way down, one at a time (FilterOidRequest): answer it, or pass a clone on."""
        return self._pass(request)

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        """Take the answer to a clone, or to a request of the filter's own, which ends here (N6-OID-14)."""

    def direct_oid_request(self, request: OidRequest) -> Status:
        """Take a direct request on its way down (FilterDirectOidRequest)."""
        return self._pass(request)

    def direct_oid_request_complete(self, request: OidRequest, status: int) -> None:
        """Take the answer to a direct request (FilterDirectOidRequestComplete)."""

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        """Look at a synchronous request on its way down (FilterSynchronousOidRequest, N6-OID-20).

        SUCCESS lets it go on; ALREADY_COMPLETE or a failure answers it here, unseen by filters below. State for the
        other hook goes into ``request.context``.
        """
        return Status.SUCCESS

    def synchronous_oid_request_complete(self, request: OidRequest, status: int) -> int:
        """Look at its answer on the way up, and return the status to go on with."""
        return status

    def cancel_oid_request(self, request_id: int) -> None:
        """Take a cancel on its way down (FilterCancelOidRequest); NDIS cancels the clones that are out itself."""

    def status(self, indication: StatusIndication) -> None:
        """Take an indication on its way up (FilterStatus); by default it is passed on."""
        self.module.indicator.pass_on(indication)

    def open_module(self, module: FilterModule, above: list[Port]) -> None:
        """Make requests and answers reach this driver's handlers; called by the runtime."""
        handlers = {
            Delivery.REGULAR: self.oid_request,
            Delivery.DIRECT: self.direct_oid_request,
            Delivery.SYNCHRONOUS: self._synchronous,
        }
        own = type(self).oid_request is not OidFilteringDriver.oid_request
        queue = OidQueue(self._node, handlers, self._cancelled, serial=own)
        module.oids_above = queue
        module.indicator = Indicator(self._node, above, queue)
        module.oids_below.completed = by_delivery(self.oid_request_complete, self.direct_oid_request_complete)
        queue.clones = module.clones

    def close_module(self, module: FilterModule) -> None:
        """End what is left once the filter is detached; called by the runtime."""
        module.oids_above.abort(Status.REQUEST_ABORTED)
        module.oids_below.close("the filter module")
        module.clones.close()
        module.indicator.close()

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Turn a message into a handler call."""
        if op is Op.OID:
            self.module.oids_above.accept(message)
        elif op is Op.STATUS:
            deliver_indication(self._node, message, self.status)
        else:
            super().accept_message(port, op, message)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Hand a cancel of a request to its queue."""
        if op is Op.CANCEL_OID:
            self.module.oids_above.cancel(argument)
        elif op is Op.PNP:
            self.module.indicator.send_event(argument)

    def submit_oid(self, request: OidRequest, finish: Finish) -> None:
        """Take a request that a user of the run makes."""
        self.module.oids_above.submit(request, finish)

    def _pass(self, request: OidRequest) -> Status:
        return pass_on(request, self.module.oids_below, self.module.oids_above)

    def _synchronous(self, request: OidRequest) -> Status:
        status = self.synchronous_oid_request(request)
        if status is Status.PENDING:
            self._node.complain(
                "N6-OID-20", request.handle, f"a synchronous {request.name} was answered with PENDING"
            )
        elif status is not Status.SUCCESS:
            return Status.SUCCESS if status is Status.ALREADY_COMPLETE else status
        below, above = self.module.oids_below, self.module.oids_above
        return pass_on(request, below, above, self.synchronous_oid_request_complete)

    def _cancelled(self, request: OidRequest) -> None:
        self.module.oids_below.cancel_clones(request)
        self.cancel_oid_request(request.request_id)


def _not_known(adapter: Adapter) -> Status:
    """Return the answer of a driver that knows no OID."""
    return Status.NOT_SUPPORTED if adapter.present else Status.NOT_ACCEPTED
