"""A neighbour of a driver that is being verified: a protocol that asks for OIDs."""

from __future__ import annotations

from dataclasses import dataclass, field

from nodes.ndis import Binding, NetEvent, Oid, OidRequest, Protocol, RequestType
from nodes.options import Positive
from nodes.status import Status


@dataclass(frozen=True)
class AskerOptions:
    """What is asked."""

    rounds: Positive = field(default=20, metadata={"help": "times that every OID is asked for"})
    cancel: bool = field(default=False, metadata={"help": "cancel each request as soon as it is out"})


_QUERIES = (
    Oid.GEN_SUPPORTED_LIST,
    Oid.GEN_HARDWARE_STATUS,
    Oid.GEN_MAXIMUM_FRAME_SIZE,
    Oid.GEN_MAXIMUM_TOTAL_SIZE,
    Oid.GEN_LINK_SPEED,
    Oid.GEN_LINK_STATE,
    Oid.GEN_VENDOR_DESCRIPTION,
    Oid.GEN_CURRENT_PACKET_FILTER,
    Oid.GEN_XMIT_OK,
    Oid.GEN_RCV_OK,
    Oid.GEN_STATISTICS,
    Oid.GEN_INTERRUPT_MODERATION,
    Oid.IEEE_PERMANENT_ADDRESS,
    Oid.IEEE_CURRENT_ADDRESS,
    Oid.IEEE_MAXIMUM_LIST_SIZE,
)
_SETS = (
    (Oid.GEN_CURRENT_PACKET_FILTER, b"\x09\0\0\0"),
    (Oid.GEN_CURRENT_PACKET_FILTER, b"\x09"),
    (Oid.GEN_CURRENT_LOOKAHEAD, b"\x40\0\0\0"),
    (Oid.IEEE_MULTICAST_LIST, b"\x01\x00\x5e\0\0\x01"),
    (Oid.GEN_INTERRUPT_MODERATION, b"\x80\x01\x0c\0\0\0\0\0\x03\0\0\0"),
)


class Asker(Protocol):
    """Query and set the OIDs that every miniport has to know: with room or without, direct, synchronous, cancelled."""

    Options = AskerOptions
    source = True
    frame_types = (0,)
    default_pool_size = 1

    def bind_adapter(self, binding: Binding) -> None:
        """Begin with nothing asked."""
        self._binding = binding
        self._made = self._out = 0
        self._open = False

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Ask while the binding runs; a pause waits for the answers (N6-OID-22)."""
        if event is NetEvent.RESTART:
            self._open = True
            self._ask()
        elif event is NetEvent.PAUSE:
            self._open = False
            return Status.PENDING if self._out else Status.SUCCESS
        return Status.SUCCESS

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Ask for more, or end the pause that waited for this answer."""
        self._out -= 1
        self._ask()
        if not self._out and not self._open:
            self.pause_complete()

    def direct_oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Do the same."""
        self.oid_request_complete(binding, request, status)

    def _ask(self) -> None:
        total = self.options.rounds * (2 * len(_QUERIES) + len(_SETS))
        while self._open and self._out < 8 and self._made < total:
            request, direct = self._next()
            if request.type is RequestType.QUERY and self._made % 7 == 0:
                self._binding.synchronous_oid_request(request)
                continue
            self._out += 1
            status = (self._binding.direct_oid_request if direct else self._binding.oid_request)(request)
            if status is not Status.PENDING:
                self._out -= 1
            elif self.options.cancel:
                self._binding.cancel_oid_request(request.request_id)
        if self._made == total and not self._out:
            self.report_done()

    def _next(self) -> tuple[OidRequest, bool]:
        """Return the next request, and whether it goes beside the others as a direct one."""
        self._made += 1
        number = self._made % (2 * len(_QUERIES) + len(_SETS))
        if number < len(_SETS):
            oid, value = _SETS[number]
            return OidRequest(oid, RequestType.SET, value, request_id=self._made), False
        number -= len(_SETS)
        room = 1 if number >= len(_QUERIES) else 512
        request = OidRequest(_QUERIES[number % len(_QUERIES)], output_length=room, request_id=self._made)
        return request, self._made % 5 == 0
