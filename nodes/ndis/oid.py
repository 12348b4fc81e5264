"""OID requests as drivers see them: the object identifiers, the request, and what the contract says of single OIDs.

A request belongs to its issuer until it is issued, then to NDIS until it is completed (N6-OID-05); the driver that
answers sees a request of its own, made from a copy. Values are those of Windows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

from nodes.status import Status, status_name

OID_BUFFER_LIMIT = 1900
"""Longest information buffer of a request, in bytes; one with a longer buffer is refused with INVALID_LENGTH."""


class Oid(IntEnum):
    """Object identifiers, with their Windows values; a request may carry any other 32-bit number too."""

    GEN_SUPPORTED_LIST = 0x00010101
    GEN_HARDWARE_STATUS = 0x00010102
    GEN_MAXIMUM_FRAME_SIZE = 0x00010106
    GEN_LINK_SPEED = 0x00010107
    GEN_VENDOR_DESCRIPTION = 0x0001010D
    GEN_CURRENT_PACKET_FILTER = 0x0001010E
    GEN_CURRENT_LOOKAHEAD = 0x0001010F
    GEN_MAXIMUM_TOTAL_SIZE = 0x00010111
    GEN_MEDIA_CONNECT_STATUS = 0x00010114
    GEN_MAX_LINK_SPEED = 0x00010206
    GEN_LINK_STATE = 0x00010207
    GEN_LINK_PARAMETERS = 0x00010208
    GEN_INTERRUPT_MODERATION = 0x00010209
    RECEIVE_FILTER_FREE_QUEUE = 0x00010224
    RECEIVE_FILTER_CLEAR_FILTER = 0x00010228
    GEN_XMIT_OK = 0x00020101
    GEN_RCV_OK = 0x00020102
    GEN_RCV_NO_BUFFER = 0x00020105
    GEN_STATISTICS = 0x00020106
    IEEE_PERMANENT_ADDRESS = 0x01010101
    IEEE_CURRENT_ADDRESS = 0x01010102
    IEEE_MULTICAST_LIST = 0x01010103
    IEEE_MAXIMUM_LIST_SIZE = 0x01010104
    IEEE_DELETE_MULTICAST_ADDRESS = 0x01010209
    OFFLOAD_ENCAPSULATION = 0x0101010A
    WAN_GET_INFO = 0x04010107
    TAPI_GET_ID = 0x07030113
    WWAN_DRIVER_CAPS = 0x0E010100
    TCP_OFFLOAD_CURRENT_CONFIG = 0xFC01020B
    TCP_OFFLOAD_PARAMETERS = 0xFC01020C
    TCP_OFFLOAD_HARDWARE_CAPABILITIES = 0xFC01020D
    PNP_CAPABILITIES = 0xFD010100
    PNP_SET_POWER = 0xFD010101
    PNP_QUERY_POWER = 0xFD010102
    PNP_REMOVE_WAKE_UP_PATTERN = 0xFD010104
    PM_ADD_WOL_PATTERN = 0xFD01010A
    PM_REMOVE_WOL_PATTERN = 0xFD01010B
    PM_REMOVE_PROTOCOL_OFFLOAD = 0xFD01010F

    @property
    def windows_name(self) -> str:
        """Return the name that Windows headers give it, with its prefix."""
        return "OID_" + (self.name.replace("IEEE_", "802_3_"))

    @classmethod
    def parse(cls, text: str) -> int:
        """Return the number of a Windows name (with or without ``OID_``) or of a number as text; raises ValueError."""
        plain = text.upper().removeprefix("OID_").replace("802_3_", "IEEE_")
        if plain in cls.__members__:
            return cls[plain]
        try:
            value = int(text, 0)
        except ValueError:
            known = ", ".join(oid.windows_name for oid in cls)
            raise ValueError(f"{text!r} is neither a number nor one of {known}") from None
        if not 0 <= value < 1 << 32:
            raise ValueError(f"{text} is no 32-bit object identifier")
        return value


class RequestType(IntEnum):
    """NDIS_REQUEST_TYPE, with its Windows values."""

    QUERY = 0
    SET = 1
    STATISTICS = 2
    METHOD = 12


class Delivery(IntEnum):
    """By which of the three interfaces a request is issued; only regular ones are serialised (N6-OID-01)."""

    REGULAR = 0
    DIRECT = 1
    SYNCHRONOUS = 2


class PacketFilter(IntFlag):
    """NDIS_PACKET_TYPE_XXX, with their Windows values."""

    NONE = 0
    DIRECTED = 0x1
    MULTICAST = 0x2
    ALL_MULTICAST = 0x4
    BROADCAST = 0x8
    PROMISCUOUS = 0x20


_FREE_STATUSES = frozenset({Status.SUCCESS, Status.NOT_ACCEPTED, Status.REQUEST_ABORTED})
MUST_NOT_FAIL: dict[int, frozenset[Status]] = {
    Oid.PNP_SET_POWER: frozenset({Status.SUCCESS, Status.NOT_ACCEPTED}),
    Oid.PNP_REMOVE_WAKE_UP_PATTERN: _FREE_STATUSES,
    Oid.PM_REMOVE_WOL_PATTERN: _FREE_STATUSES,
    Oid.PM_REMOVE_PROTOCOL_OFFLOAD: _FREE_STATUSES,
    Oid.RECEIVE_FILTER_FREE_QUEUE: _FREE_STATUSES,
    Oid.RECEIVE_FILTER_CLEAR_FILTER: _FREE_STATUSES,
    Oid.IEEE_DELETE_MULTICAST_ADDRESS: _FREE_STATUSES,
}
"""What OIDs that free, clear or remove something, and the power OID, may be answered with (N6-OID-08)."""

REVISIONED = frozenset(
    {
        Oid.TCP_OFFLOAD_PARAMETERS,
        Oid.OFFLOAD_ENCAPSULATION,
        Oid.GEN_INTERRUPT_MODERATION,
        Oid.GEN_LINK_PARAMETERS,
    }
)
"""OIDs whose structure has a revision, which a successful set reports back (N6-OID-19)."""


def permits_indication(oid: int) -> bool:
    """Return whether an OID may be answered with INDICATION_REQUIRED: those of mobile broadband (N6-OID-15)."""
    return 0x0E010100 <= oid <= 0x0E0101FF


def is_power(oid: int) -> bool:
    """Return whether an OID is one of OID_PNP_*, which an intermediate driver always passes down (N6-IM-05)."""
    return oid >> 8 == 0xFD0101


def oid_name(oid: int) -> str:
    """Return the Windows name of an OID, or its hexadecimal value when it has none here."""
    try:
        return Oid(oid).windows_name
    except ValueError:
        return f"{oid:#010x}"


def _result(name: str, meaning: str) -> Any:
    """Return a property for a result of a request, which is not to be looked at before its completion (N6-OID-04)."""

    def look(self: OidRequest) -> int:
        if self.early_look is not None:
            self.early_look(self)
            return 0
        return self._results.get(name, 0)

    def note(self: OidRequest, value: int) -> None:
        self._results[name] = value

    return property(look, note, doc=meaning)


@dataclass(eq=False)
class OidRequest:
    """A request (NDIS_OID_REQUEST).

    `buffer` is what a set or method brings, `output_length` how many bytes of answer a query or method has room for,
    `timeout` after how many ns NDIS cancels it (0: never), `request_id` what names it to a cancel. The driver that
    answers fills in `answer` by `write`, and takes its input by `read`. `bytes_written`, `bytes_read`, `bytes_needed`
    and `supported_revision` are results; `source` is the binding that a later indication is for.
    """

    oid: int
    type: RequestType = RequestType.QUERY
    buffer: bytes = b""
    output_length: int = 256
    request_id: int = 0
    timeout: int = 0
    source: int = 0
    delivery: Delivery = Delivery.REGULAR
    clone_of: OidRequest | None = None
    handle: int = field(default=0, repr=False)
    served: bool = field(default=False, repr=False)
    """Whether a driver here is to answer it: not this driver's to issue (N6-OID-13)."""
    passed_on: bool = field(default=False, repr=False)
    """Whether a clone of it has been issued further down."""
    freed: bool = field(default=False, repr=False)
    """Whether it was a clone, and is none any more."""
    came_back: bool = field(default=False, repr=False)
    """Whether a clone of it has come back with an answer, which is to be copied."""
    context: object = field(default=None, repr=False)
    """A filter's own, between its two handlers of a synchronous request (N6-OID-20)."""
    early_look: Callable[[OidRequest], None] | None = field(default=None, repr=False)
    """While NDIS has the request: what reports a look at its results (N6-OID-04)."""
    _answer: bytes = field(default=b"", repr=False)
    _results: dict[str, int] = field(default_factory=dict, repr=False)

    bytes_written = _result("bytes_written", "How long the answer is.")
    bytes_read = _result("bytes_read", "How much of the input was taken.")
    bytes_needed = _result("bytes_needed", "How long a buffer that was too short should have been.")
    supported_revision = _result("supported_revision", "Which revision of the structure a set was taken as.")

    @property
    def asked(self) -> tuple[int, RequestType, bytes, int, int]:
        """Return what is asked, which stays as it is until the request is complete (N6-OID-05)."""
        return self.oid, self.type, self.buffer, self.output_length, self.request_id

    @property
    def name(self) -> str:
        """Return type and OID in words."""
        return f"{self.type.name.lower()} of {oid_name(self.oid)}"

    @property
    def pending(self) -> bool:
        """Return whether the request is with NDIS and the drivers below now."""
        return self.early_look is not None

    @property
    def answer(self) -> bytes:
        """Return what the answering driver wrote; looking before the request is complete breaks N6-OID-04."""
        if self.early_look is not None:
            self.early_look(self)
            return b""
        return self._answer

    @answer.setter
    def answer(self, value: bytes) -> None:
        self._answer = value

    def write(self, data: bytes) -> Status:
        """Answer with `data`: SUCCESS, or BUFFER_TOO_SHORT with `bytes_needed` set when there is no room for it."""
        if len(data) > self.output_length:
            self.bytes_needed = len(data)
            return Status.BUFFER_TOO_SHORT
        self._answer = bytes(data)
        self.bytes_written = len(data)
        return Status.SUCCESS

    def read(self, length: int) -> bytes | None:
        """Return the first `length` bytes of the input; None, with `bytes_needed` set, when it is shorter.

        The driver then returns INVALID_LENGTH (N6-OID-07).
        """
        if len(self.buffer) < length:
            self.bytes_needed = length
            return None
        self.bytes_read = length
        return self.buffer[:length]

    def clone(self) -> OidRequest:
        """Return a copy that may be passed on (NdisAllocateCloneOidRequest, N6-OID-13)."""
        return OidRequest(
            self.oid,
            self.type,
            self.buffer,
            self.output_length,
            self.request_id,
            source=self.source,
            delivery=self.delivery,
            clone_of=self,
        )

    def copy_results(self, clone: OidRequest) -> None:
        """Take over what a clone was answered with."""
        self._answer = clone.answer
        self.bytes_written, self.bytes_read = clone.bytes_written, clone.bytes_read
        self.bytes_needed, self.supported_revision = clone.bytes_needed, clone.supported_revision


def unlawful(request: OidRequest, status: int) -> tuple[str, str] | None:
    """Return rule and reason when a request may not be answered so; None when all is well.

    Checks N6-OID-07 (byte counts), N6-OID-08 (must not fail), N6-OID-15 (indication later), N6-OID-19 (revision).
    """
    allowed = MUST_NOT_FAIL.get(request.oid)
    if allowed is not None and request.type is RequestType.SET and status not in allowed:
        return "N6-OID-08", f"{request.name} may not fail, but ended with {status_name(status)}"
    if status == Status.INDICATION_REQUIRED and not permits_indication(request.oid):
        return "N6-OID-15", f"{request.name} was answered with INDICATION_REQUIRED, which it does not permit"
    room = 0 if request.type is RequestType.SET else request.output_length
    if request.bytes_written > room or request.bytes_read > len(request.buffer):
        return (
            "N6-OID-07",
            f"{request.name} was answered with {request.bytes_written} bytes written and {request.bytes_read} read; "
            f"there was room for {room} and there were {len(request.buffer)}",
        )
    if status in (Status.INVALID_LENGTH, Status.BUFFER_TOO_SHORT) and not request.bytes_needed:
        return "N6-OID-07", f"{request.name} ended with {status_name(status)}, but says no bytes needed"
    if (
        status == Status.SUCCESS
        and request.type is RequestType.SET
        and request.oid in REVISIONED
        and not request.supported_revision
    ):
        return "N6-OID-19", f"{request.name} succeeded without a supported revision"
    return None
