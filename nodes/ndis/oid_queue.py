"""OID requests arriving at a driver: one regular request at a time, and each answered exactly once.

NDIS stands in front of the driver's handler here. A miniport adapter, a virtual miniport and a filter module have a
queue each; regular requests wait in it for the one before to be completed, direct ones do not (N6-OID-01).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.crossings.message import Message
from nodes.metrics import Counter, NodeState
from nodes.ndis.oid import OID_BUFFER_LIMIT, Delivery, Oid, OidRequest, RequestType, is_power, unlawful
from nodes.ndis.packet_filter import Setting, setting_of
from nodes.status import Status, status_name

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.ndis.oid_edges import Clones
    from nodes.node import Node
    from nodes.timers import Timer

RESTORED = frozenset(
    {
        Oid.GEN_CURRENT_PACKET_FILTER,
        Oid.IEEE_MULTICAST_LIST,
        Oid.OFFLOAD_ENCAPSULATION,
        Oid.PM_ADD_WOL_PATTERN,
    }
)
"""What NDIS sets again after a reset that made the device forget it (N6-RST-10)."""
_ADDRESSING = (Oid.GEN_CURRENT_PACKET_FILTER, Oid.IEEE_MULTICAST_LIST)
"""Of these, what can be asked for to see whether a device still knows it."""

_ABORTED_OTHERWISE = frozenset({Status.RESET_IN_PROGRESS, Status.SEND_ABORTED, Status.FAILURE})
"""What a request that a reset aborts may not end with (N6-RST-04)."""

Handler = Callable[[OidRequest], Status]
Finish = Callable[[OidRequest, int], None]


@dataclass(eq=False)
class _Taken:
    """A request from its arrival to its answer; `delivered` since when the driver has it."""

    request: OidRequest
    finish: Finish
    handle: int = 0
    setting: Setting | None = None
    delivered: int | None = None
    cancelled: bool = False
    timer: Timer | None = None


class OidQueue:
    """The requests that one adapter or filter module has been given.

    `handlers` are the driver's, by way of delivery; `cancel` is its cancel handler; `clones` those of a driver that
    passes on. With `serial` False every request is delivered at once: the layer only passes them on. `refuse` answers
    what arrives from now on with that status, as during a reset; `removed` says that the device is gone, so that only
    NOT_ACCEPTED will do (N6-OID-16); `owed` are results that indications are to bring, by source and request id.
    """

    def __init__(
        self,
        node: Node,
        handlers: Mapping[Delivery, Handler],
        cancel: Callable[[OidRequest], None],
        *,
        serial: bool = True,
    ) -> None:
        self.refuse: Status | None = None
        self.removed = False
        self._settings: dict[int, bytes] = {}
        self._node = node
        self._handlers = handlers
        self._cancel = cancel
        self._serial = serial
        self._regular_at_dispatch = node.spec.kind == "filter" and node.policy.filter_oid_irql == "dispatch"
        self._waiting: deque[_Taken] = deque()
        self._taken: list[_Taken] = []
        self._regular: _Taken | None = None
        self._sources: dict[int, Port] = {}
        self.owed: set[tuple[int, int]] = set()
        self.clones: Clones | None = None
        self._inside = 0

    @property
    def inside(self) -> bool:
        """Return whether the driver is in one of its OID handlers (N6-OID-09, N6-OID-18)."""
        return self._inside > 0

    @property
    def outstanding(self) -> int:
        """Return how many requests have not been answered."""
        return len(self._taken) + len(self._waiting)

    @property
    def oldest(self) -> int | None:
        """Return since when the driver has had the oldest request (ns), None if it has none (N6-OID-10)."""
        return min((taken.delivered for taken in self._taken if taken.delivered is not None), default=None)

    def accept(self, message: Message) -> None:
        """Take a request that came from above."""
        kind, way, oid, request_id, room, source, buffer = message.body
        assert isinstance(buffer, bytes)
        try:
            request = OidRequest(int(oid), RequestType(int(kind)), buffer, int(room), int(request_id))
            request.delivery = Delivery(int(way))
        except ValueError:
            message.answer(Status.INVALID_PARAMETER)
            return
        if max(request.output_length, len(buffer)) > OID_BUFFER_LIMIT:
            message.answer(Status.INVALID_LENGTH)
            return
        request.source = int(source)
        request.handle = message.handle
        self._sources[request.source] = message.port
        setting = setting_of(self._node.ports, message.port, request)
        self._take(_Taken(request, lambda of, status: _answer(message, of, status), message.handle, setting))

    def submit(self, request: OidRequest, finish: Finish) -> None:
        """Take a request that NDIS itself makes, as for a user of the run; `finish` gets the final status."""
        self._take(_Taken(request, finish))

    def cancel(self, handle: int) -> None:
        """Cancel the request that came as message `handle`: it is ended here if it waits, else the driver is told.

        One that is not here (completed already, or never was) is left alone (N6-OID-11, N6-OID-12).
        """
        for taken in list(self._waiting):
            if taken.handle == handle:
                self._waiting.remove(taken)
                taken.finish(taken.request, Status.REQUEST_ABORTED)
        for taken in list(self._taken):
            if taken.handle == handle and not taken.cancelled:
                taken.cancelled = True
                self._watch(
                    taken, self._node.policy.oid_cancel_limit, "N6-OID-12", "was cancelled, but goes on"
                )
                self._cancel(taken.request)

    def complete(self, request: OidRequest, status: int) -> None:
        """Answer a request that the driver pended (NdisMOidRequestComplete), exactly once (N6-OID-02).

        PENDING is no final status (N6-OID-03): reported, and the request ends with FAILURE.
        """
        taken = self._find(request)
        if taken is None:
            own = self._node.driver.kind == "filter" and not request.served
            rule, why = ("N6-OID-14", "is its own") if own else ("N6-OID-02", "is not pending here")
            self._node.complain(rule, request.handle, f"a {request.name} was completed upwards, but it {why}")
            return
        if self.clones is not None:
            self.clones.check_completed(request, status)
        if status == Status.PENDING:
            self._node.complain("N6-OID-03", taken.handle, f"a {request.name} was completed with PENDING")
            status = Status.FAILURE
        self._finish(taken, status)

    def abort(self, status: Status) -> None:
        """Answer everything here with `status`, the layer has been taken down; what still comes is not accepted."""
        self.refuse = Status.NOT_ACCEPTED
        while self._waiting:
            taken = self._waiting.popleft()
            taken.finish(taken.request, status)
        for taken in list(self._taken):
            self._finish(taken, status)

    def set_again(self) -> None:
        """Set anew what a reset made the device forget: filter, addresses, encapsulation, wake patterns (N6-RST-10)."""
        for oid, buffer in list(self._settings.items()):
            self.submit(OidRequest(oid, RequestType.SET, buffer), lambda request, status: None)

    def setting(self, oid: int) -> bytes:
        """Return what an OID of RESTORED was last set to, empty if it never was."""
        return self._settings.get(oid, b"")

    def check_settings(self) -> None:
        """Ask the driver what is set now: other than it was told breaks N6-RST-10; no answer does not."""

        def answered(request: OidRequest, status: int) -> None:
            told = self._settings[request.oid]
            spoke = request.bytes_written or request.oid == Oid.IEEE_MULTICAST_LIST
            if status == Status.SUCCESS and spoke and request.answer != told:
                text = f"the reset lost {request.name.partition(' of ')[2]}, but said that no addressing was reset"
                self._node.complain("N6-RST-10", 0, text)

        for oid in _ADDRESSING:
            if oid in self._settings:
                self.submit(OidRequest(oid, output_length=OID_BUFFER_LIMIT), answered)

    def port_of(self, source: int) -> Port | None:
        """Return the port by which requests of `source` come, None if there was none."""
        return self._sources.get(source)

    def settle_indication(self, source: int, request_id: int) -> bool:
        """Note that a result owed by an indication has been indicated; False when none was owed (N6-OID-15)."""
        owed = (source, request_id) in self.owed
        self.owed.discard((source, request_id))
        return owed

    def _take(self, taken: _Taken) -> None:
        taken.request.served = True
        if self.refuse is not None:
            taken.finish(taken.request, self.refuse)
        elif taken.request.delivery is Delivery.REGULAR and self._serial:
            self._waiting.append(taken)
            self._deliver_next()
        else:
            self._deliver(taken)

    def _deliver_next(self) -> None:
        if self._regular is None and self._waiting:
            self._regular = self._waiting.popleft()
            self._deliver(self._regular)

    def _deliver(self, taken: _Taken) -> None:
        request, node = taken.request, self._node
        taken.delivered = node.clock.now()
        self._taken.append(taken)
        if self._serial:
            limit = node.policy.oid_limit
            self._watch(taken, limit, "N6-OID-10", f"has not been answered in {limit / 1e9:g} s")
        self._inside += 1
        if request.delivery is not Delivery.REGULAR or self._regular_at_dispatch:
            node.irql.deliver()
        status = self._handlers[request.delivery](request)
        if node.irql.dirty:
            node.irql.settle()
        self._inside -= 1
        if node.clock.now() - taken.delivered >= node.policy.handler_limit:
            node.complain("N6-OID-09", taken.handle, f"the handler of a {request.name} blocked")
        if status == Status.PENDING:
            if self.removed and taken in self._taken:
                text = f"a {request.name} was pended after the removal: NOT_ACCEPTED is due at once"
                node.complain("N6-OID-16", taken.handle, text)
            return
        if self._find(request) is None:
            node.complain(
                "N6-OID-02",
                taken.handle,
                f"a {request.name} was completed, but its handler then returned {status_name(status)}",
            )
        else:
            self._finish(taken, status)

    def _finish(self, taken: _Taken, status: int) -> None:
        request, node = taken.request, self._node
        if self.removed and status != Status.NOT_ACCEPTED:
            node.complain(
                "N6-OID-16",
                taken.handle,
                f"a {request.name} ended with {status_name(status)} after the removal",
            )
            status = Status.NOT_ACCEPTED
        if self.refuse is Status.RESET_IN_PROGRESS and status in _ABORTED_OTHERWISE:
            text = f"a {request.name} aborted by reset ended with {status_name(status)}, not with REQUEST_ABORTED"
            node.complain("N6-RST-04", taken.handle, text)
        wrong = unlawful(request, status)
        if wrong is not None:
            node.complain(wrong[0], taken.handle, wrong[1])
            request.bytes_written = min(request.bytes_written, request.output_length)
            request.bytes_read = min(request.bytes_read, len(request.buffer))
        elif status == Status.INDICATION_REQUIRED and not request.passed_on:
            self.owed.add((request.source, request.request_id))
        if node.spec.kind == "intermediate" and is_power(request.oid) and not request.passed_on:
            node.complain("N6-IM-05", taken.handle, f"a {request.name} was answered and not passed down")
        if status == Status.SUCCESS and taken.setting is not None:
            taken.setting.apply()
        if status == Status.SUCCESS and request.type is RequestType.SET and request.oid in RESTORED:
            self._settings[request.oid] = request.buffer
        self._taken.remove(taken)
        if taken.timer is not None:
            taken.timer.cancel()
        node.board.counters[Counter.OIDS_ANSWERED] += 1
        taken.finish(request, status)
        if taken is self._regular:
            self._regular = None
            if self._waiting:
                node.defer(self._deliver_next)

    def _find(self, request: OidRequest) -> _Taken | None:
        return next((taken for taken in self._taken if taken.request is request), None)

    def _watch(self, taken: _Taken, limit: int, rule: str, text: str) -> None:
        def overdue() -> None:
            if taken in self._taken and self._node.lifecycle.state is not NodeState.HALTED:
                self._node.complain(rule, taken.handle, f"a {taken.request.name} {text}")

        if taken.timer is not None:
            taken.timer.cancel()
        taken.timer = self._node.timers.at(self._node.clock.now() + limit, overdue)


def _answer(message: Message, request: OidRequest, status: int) -> None:
    message.answer(
        status,
        (
            request.bytes_written,
            request.bytes_read,
            request.bytes_needed,
            request.supported_revision,
            request.answer[: request.output_length],
        ),
    )
