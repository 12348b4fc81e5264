"""NDIS_STATUS codes (contract section 9.1) and the closed sets that operations may complete with."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The NDIS_STATUS codes of the contract, with their Windows values."""

    SUCCESS = 0x00000000
    ALREADY_COMPLETE = 0x000000FF
    PENDING = 0x00000103
    NOT_RECOGNIZED = 0x00010001
    NOT_COPIED = 0x00010002
    NOT_ACCEPTED = 0x00010003
    CALL_ACTIVE = 0x00010007
    INDICATION_REQUIRED = 0x40230001
    RESET_START = 0x40010004
    RESET_END = 0x40010005
    WAN_LINE_UP = 0x40010008
    WAN_LINE_DOWN = 0x40010009
    WAN_FRAGMENT = 0x4001000A
    MEDIA_CONNECT = 0x4001000B
    MEDIA_DISCONNECT = 0x4001000C
    WAN_CO_FRAGMENT = 0x40010015
    WAN_CO_LINKPARAMS = 0x40010016
    LINK_STATE = 0x40010017
    BUFFER_OVERFLOW = 0x80000005
    NOT_RESETTABLE = 0x80010001
    SOFT_ERRORS = 0x80010003
    HARD_ERRORS = 0x80010004
    FAILURE = 0xC0000001
    INVALID_PARAMETER = 0xC000000D
    RESOURCES = 0xC000009A
    NOT_SUPPORTED = 0xC00000BB
    INVALID_STATE = 0xC0000184
    CLOSING = 0xC0010002
    BAD_VERSION = 0xC0010004
    ADAPTER_NOT_FOUND = 0xC0010006
    OPEN_FAILED = 0xC0010007
    DEVICE_FAILED = 0xC0010008
    REQUEST_ABORTED = 0xC001000C
    RESET_IN_PROGRESS = 0xC001000D
    INVALID_PACKET = 0xC001000F
    ADAPTER_NOT_READY = 0xC0010011
    INVALID_LENGTH = 0xC0010014
    INVALID_DATA = 0xC0010015
    BUFFER_TOO_SHORT = 0xC0010016
    INVALID_OID = 0xC0010017
    ADAPTER_REMOVED = 0xC0010018
    SEND_ABORTED = 0xC023000C
    MEDIA_DISCONNECTED = 0xC023001F
    PAUSED = 0xC023002A


SEND_STATUSES = frozenset(
    {
        Status.SUCCESS,
        Status.INVALID_LENGTH,
        Status.RESOURCES,
        Status.PAUSED,
        Status.SEND_ABORTED,
        Status.RESET_IN_PROGRESS,
        Status.FAILURE,
    }
)
"""What an NDIS 6 send may complete with (N6-SEND-11)."""

UNSET = 0xFFFFFFFF
"""What the Status field of a packet holds between hand-over and completion; no completion may carry it."""


def status_name(status: int) -> str:
    """Return the name of a status without its prefix, or its hexadecimal value when it has none here."""
    if status == UNSET:
        return "no status at all"
    try:
        return Status(status).name
    except ValueError:
        return f"{status:#010x}"
