"""The OID and status calls of the handles that drivers hold: what an upper edge serves and a lower edge asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodes.crossings.waiting import EARLY_LIMIT, NESTING
from nodes.ndis.indication import Indicator, StatusIndication
from nodes.ndis.net_event import NetEvent
from nodes.ndis.oid import Delivery, OidRequest
from nodes.ndis.oid_issuer import OidIssuer
from nodes.ndis.oid_queue import OidQueue
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.node import Node


class OidAsking:
    """A lower edge: requests that this driver makes of the one below."""

    oids_below: OidIssuer
    _node: Node

    def oid_request(self, request: OidRequest) -> Status:
        """Issue a regular request (NdisOidRequest, NdisFOidRequest).

        PENDING: the complete handler follows, later or even before this returns (N6-OID-06). Anything else is final,
        and no handler is called (N6-OID-04).
        """
        self._node.irql.check("NdisOidRequest")
        return self._linger(request, self._issue(request, Delivery.REGULAR))

    def direct_oid_request(self, request: OidRequest) -> Status:
        """Issue a direct request (NdisDirectOidRequest), which waits for no other; answers as `oid_request`."""
        self._node.irql.check("NdisDirectOidRequest")
        return self._linger(request, self._issue(request, Delivery.DIRECT))

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        """Issue a synchronous request and return its final status (NdisSynchronousOidRequest, N6-OID-20).

        Other handlers run meanwhile. FAILURE when it takes over 10 s.
        """
        if self._node.forcing.fails():
            return Status.RESOURCES
        self._node.irql.check("NdisSynchronousOidRequest")
        return self.oids_below.issue_synchronous(request)

    def cancel_oid_request(self, request_id: int) -> None:
        """Ask for this edge's requests with this id to be completed soon (NdisCancelOidRequest, N6-OID-11)."""
        self._node.irql.check("NdisCancelOidRequest")
        self.oids_below.cancel(request_id)

    def _issue(self, request: OidRequest, delivery: Delivery) -> Status:
        """Issue a request of the driver's own; there may be no memory for it."""
        return self.oids_below.issue(request, delivery, short=self._node.forcing.fails())

    def _linger(self, request: OidRequest, status: Status) -> Status:
        """Give the answer time to come before the call returns, if the run asks for that (N6-OID-06)."""
        node = self._node
        if node.policy.early_completion == "yes" and request.pending and node.waiting.depth < NESTING:
            node.waiting.until(lambda: not request.pending, EARLY_LIMIT)
        return status


class OidServing:
    """An upper edge: requests from above that this driver answers, and what it tells those above unasked."""

    oids_above: OidQueue
    indicator: Indicator
    _node: Node

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        """Answer a request that the handler pended, exactly once (NdisMOidRequestComplete, N6-OID-02, N6-OID-03)."""
        self._node.irql.check("NdisMOidRequestComplete", lock_rule="N6-LOCK-02")
        self.oids_above.complete(request, status)

    def direct_oid_request_complete(self, request: OidRequest, status: int) -> None:
        """Answer a direct request that the handler pended (NdisMDirectOidRequestComplete)."""
        self._node.irql.check("NdisMDirectOidRequestComplete", lock_rule="N6-LOCK-02")
        self.oids_above.complete(request, status)

    def indicate_status(self, indication: StatusIndication) -> None:
        """Tell the bindings above (NdisMIndicateStatusEx), legal in any state up to the end of halt (N6-IND-01)."""
        self._node.irql.check("NdisMIndicateStatusEx", lock_rule="N6-LOCK-02")
        self.indicator.indicate(indication)

    def net_pnp_event(self, event: NetEvent) -> None:
        """Send an event to the protocols above (NdisMNetPnPEvent), at PASSIVE and not from an OID handler (N6-OID-18).

        Filters and intermediate drivers pass it on.
        """
        self._node.irql.check("NdisMNetPnPEvent")
        if self.oids_above.inside:
            self._node.complain("N6-OID-18", 0, f"event {event.value} was sent from within an OID handler")
            return
        self.indicator.send_event(event.number)


class Clones:
    """The clones that a filter or intermediate driver made to pass requests on (N6-OID-13)."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._clones: list[OidRequest] = []

    def allocate(self, request: OidRequest) -> OidRequest | None:
        """Return a clone, None when there is no memory; cloning a synchronous request breaks N6-OID-20."""
        self._node.irql.check("NdisAllocateCloneOidRequest")
        if self._node.forcing.fails():
            return None
        if request.delivery is Delivery.SYNCHRONOUS:
            self._node.complain("N6-OID-20", request.handle, f"a synchronous {request.name} was cloned")
        clone = request.clone()
        self._clones.append(clone)
        return clone

    def free(self, clone: OidRequest) -> None:
        """Free a clone; freeing one twice, or while it is out, breaks N6-OID-13."""
        self._node.irql.check("NdisFreeCloneOidRequest")
        if clone.pending or clone not in self._clones:
            state = "while it is out" if clone.pending else "though it is no clone of this driver's"
            self._node.complain("N6-OID-13", 0, f"the clone of a {clone.name} was freed {state}")
            return
        self._clones.remove(clone)
        clone.freed = True

    def check_completed(self, request: OidRequest, status: int) -> None:
        """Report that an original is completed before its clone is freed, or well but without what that brought."""
        if status == Status.SUCCESS and request.came_back and not request.bytes_written:
            text = f"a {request.name} was completed without the results of its clone"
            self._node.complain("N6-OID-13", request.handle, text)
        if any(clone.clone_of is request for clone in self._clones):
            self._node.complain(
                "N6-OID-13", request.handle, f"a {request.name} was completed before its clone was freed"
            )

    def close(self) -> None:
        """Report the clones that were never freed."""
        for clone in self._clones:
            self._node.complain("N6-OID-13", 0, f"the clone of a {clone.name} was never freed")
        self._clones.clear()


def pass_on(
    request: OidRequest,
    below: OidIssuer,
    above: OidQueue,
    ended: Callable[[OidRequest, int], int] | None = None,
) -> Status:
    """Pass a request on as NDIS does for a layer without a handler; `ended` sees the answer and may change its status.

    The original is answered once the clone has come back, with what came back.
    """

    def completed(clone: OidRequest, status: int) -> None:
        request.copy_results(clone)
        above.complete(request, ended(request, status) if ended is not None else status)

    return below.issue(request.clone(), request.delivery, completed)
