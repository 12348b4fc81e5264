"""Issuing OID requests downwards: what stands behind a binding, a filter module and a clone passed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.crossings.crossing import Op
from nodes.crossings.message import Body, Posted
from nodes.metrics import Counter, NodeState
from nodes.ndis.oid import OID_BUFFER_LIMIT, Delivery, Oid, OidRequest, PacketFilter, RequestType
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node
    from nodes.timers import Timer

Completed = Callable[[OidRequest, int], None]

EVERYTHING = (
    PacketFilter.DIRECTED
    | PacketFilter.MULTICAST
    | PacketFilter.ALL_MULTICAST
    | PacketFilter.BROADCAST
    | PacketFilter.PROMISCUOUS
)
"""The packet filter of a binding that has set none: ndisim delivers from the start."""
SYNCHRONOUS_LIMIT = 10_000_000_000
"""How long a synchronous request may take, in ns."""
_ISSUED_IN = frozenset(NodeState) - {NodeState.HALTED, NodeState.FAILED}


@dataclass(eq=False)
class _Issued:
    request: OidRequest
    completed: Completed
    asked: tuple[object, ...]
    posted: Posted | None = None
    timer: Timer | None = None


class OidIssuer:
    """The requests that this node has out through one port.

    `completed` is the owner's completion handler; `source` the handle that answers by indication come back to.
    """

    def __init__(self, node: Node, port: Port, source: int, completed: Completed) -> None:
        self.completed = completed
        self.source = source
        self._node = node
        self._port = port
        self._issued: list[_Issued] = []
        self._closed = False
        self._of_binding = {Oid.GEN_CURRENT_PACKET_FILTER: int(EVERYTHING), Oid.GEN_CURRENT_LOOKAHEAD: 0}

    @property
    def outstanding(self) -> int:
        """Return how many requests have not been completed."""
        return len(self._issued)

    def issue(
        self,
        request: OidRequest,
        delivery: Delivery = Delivery.REGULAR,
        completed: Completed | None = None,
        *,
        short: bool = False,
    ) -> Status:
        """Issue a request: PENDING, and the completion handler follows; or a final status, and it does not (N6-OID-04).

        Legal in every state but Halted (N6-OID-17). Refused are a request that is out already (N6-OID-05), one whose
        buffer is over OID_BUFFER_LIMIT (INVALID_LENGTH), and one too many or one for which memory is `short`
        (RESOURCES); where PENDING is forced the last three are refused through the handler. Queries about the
        binding itself are answered by NDIS, through the handler (N6-OID-23).
        """
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        request.delivery = delivery
        if request.clone_of is None:
            request.source = self.source
        else:
            request.clone_of.passed_on = True
        issued = _Issued(request, completed or self.completed, request.asked)
        request.early_look = self._looked_early
        self._issued.append(issued)
        if max(len(request.buffer), request.output_length) > OID_BUFFER_LIMIT:
            return self._refuse(issued, Status.INVALID_LENGTH)
        if short:
            return self._refuse(issued, Status.RESOURCES)
        self._node.board.counters[Counter.OIDS] += 1
        if request.type is RequestType.QUERY and request.oid in self._of_binding and request.clone_of is None:
            status = self._answer_for_binding(request)
            self._node.defer(lambda: self._end(issued, status))
            return Status.PENDING
        body = (int(request.type), int(delivery), request.oid, request.request_id, request.output_length)
        issued.posted = self._node.messages.post(
            self._port,
            Op.OID,
            (*body, request.source, request.buffer),
            lambda status, answer: self._answered(issued, status, answer),
        )
        if issued.posted is None:
            return self._refuse(issued, Status.RESOURCES)
        if request.timeout:
            due = self._node.clock.now() + request.timeout
            issued.timer = self._node.timers.at(due, lambda: self._cancel(issued))
        return Status.PENDING

    def issue_synchronous(self, request: OidRequest) -> Status:
        """Issue a request and return its final status; the completion handler is not called (N6-OID-20)."""
        ended: list[int] = []
        status = self.issue(request, Delivery.SYNCHRONOUS, lambda _, status: ended.append(status))
        if status is not Status.PENDING:
            return status
        self._node.waiting.until(lambda: bool(ended), SYNCHRONOUS_LIMIT)
        return Status(ended[0]) if ended else Status.FAILURE

    def cancel(self, request_id: int) -> None:
        """Ask for the requests with this id to be completed soon; no effect without a match (N6-OID-11)."""
        for issued in list(self._issued):
            if issued.request.request_id == request_id:
                self._cancel(issued)

    def cancel_clones(self, request: OidRequest) -> None:
        """Cancel what is out on behalf of `request` (N6-OID-12)."""
        for issued in list(self._issued):
            if issued.request.clone_of is request:
                self._cancel(issued)

    def close(self, who: str) -> None:
        """Forget everything when the binding is closed; requests of the driver's own still out break N6-OID-22.

        What was passed on for a driver above, and would be now, is answered with NOT_ACCEPTED; at the halt of the whole
        layer it has been answered before.
        """
        self._closed = True
        for issued in list(self._issued):
            if issued.request.clone_of is not None:
                if self._node.lifecycle.state is NodeState.HALTED:
                    self._forget(issued)
                else:
                    self._end(issued, Status.NOT_ACCEPTED)
            else:
                handle = issued.posted.handle if issued.posted else 0
                self._node.complain(
                    "N6-OID-22", handle, f"{who} closed with a {issued.request.name} outstanding"
                )
                self._forget(issued)

    def _refusal(self, request: OidRequest) -> Status | None:
        if self._node.lifecycle.state not in _ISSUED_IN and not self._node.driver.stands_in:
            self._node.complain("N6-OID-17", 0, f"a {request.name} was issued while halted")
            return Status.CLOSING
        if self._closed and request.clone_of is not None:
            return Status.NOT_ACCEPTED
        if request.pending:
            self._node.complain("N6-OID-05", 0, f"a {request.name} was issued again while it is out")
            return Status.INVALID_PARAMETER
        if request.served or request.freed:
            how = "as a clone that is freed" if request.freed else "itself, not as a clone"
            self._node.complain("N6-OID-13", request.handle, f"a {request.name} was passed on {how}")
            return Status.INVALID_PARAMETER
        return None

    def _refuse(self, issued: _Issued, status: Status) -> Status:
        """Refuse a request at once, or through its handler if PENDING is forced."""
        if self._node.forcing.pending:
            self._node.defer(lambda: self._end(issued, status))
            return Status.PENDING
        self._forget(issued)
        return status

    def _looked_early(self, request: OidRequest) -> None:
        self._node.complain(
            "N6-OID-04", 0, f"the answer to a {request.name} was looked at before its completion"
        )

    def _answer_for_binding(self, request: OidRequest) -> Status:
        return request.write(self._of_binding[Oid(request.oid)].to_bytes(4, "little"))

    def _cancel(self, issued: _Issued) -> None:
        posted = issued.posted
        if posted is None or issued not in self._issued:
            return
        if self._node.messages.withdraw(posted):
            self._node.defer(lambda: self._end(issued, Status.REQUEST_ABORTED))
        else:
            self._port.notice(Op.CANCEL_OID, posted.handle)

    def _answered(self, issued: _Issued, status: int, body: Body) -> None:
        request = issued.request
        if body:
            written, read, needed, revision, answer = body
            assert isinstance(answer, bytes)
            request.answer = answer[: request.output_length]
            request.bytes_written, request.bytes_read = int(written), int(read)
            request.bytes_needed, request.supported_revision = int(needed), int(revision)
            if request.clone_of is not None:
                request.clone_of.came_back = status == Status.SUCCESS and int(written) > 0
        if status == Status.SUCCESS and request.type is RequestType.SET and request.oid in self._of_binding:
            self._of_binding[Oid(request.oid)] = int.from_bytes(request.buffer[:4], "little")
        self._end(issued, status)

    def _end(self, issued: _Issued, status: int) -> None:
        if issued in self._issued:
            self._forget(issued)
            if issued.request.asked != issued.asked:
                text = f"a {issued.request.name} was changed while it was out"
                self._node.complain("N6-OID-05", 0, text)
            self._node.irql.deliver()
            issued.completed(issued.request, status)
            if self._node.irql.dirty:
                self._node.irql.settle()

    def _forget(self, issued: _Issued) -> None:
        self._issued.remove(issued)
        issued.request.early_look = None
        if issued.timer is not None:
            issued.timer.cancel()
