"""The structures that a WAN miniport and NDISWAN show each other, with the bytes that travel in status and OID buffers.

Handles are numbers here. Records are mutable, as the C structures are: NDISWAN fills in the link context of a line-up.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

SPEED_UNIT = 100
"""Link speeds of WAN records are in units of 100 bit/s."""


class MalformedRecord(ValueError):
    """A buffer has another length than the record that it should hold."""


@dataclass
class Record:
    """Base of the records: `FORMAT` is the layout of its fields in order, as `struct` has it."""

    FORMAT: ClassVar[str] = ""

    def pack(self) -> bytes:
        """Return the record's bytes; raises struct.error when a field does not fit."""
        return struct.pack(self.FORMAT, *astuple(self))

    @classmethod
    def unpack(cls, buffer: bytes) -> Self:
        """Return the record in a buffer; raises MalformedRecord when it has another size."""
        if len(buffer) != struct.calcsize(cls.FORMAT):
            raise MalformedRecord(
                f"a {cls.__name__} has {struct.calcsize(cls.FORMAT)} bytes, the buffer {len(buffer)}"
            )
        return cls(*struct.unpack(cls.FORMAT, buffer))


class WanQuality(IntEnum):
    """NDIS_WAN_QUALITY."""

    RAW = 0
    ERROR_CONTROL = 1
    RELIABLE = 2


class WanError(IntFlag):
    """WAN_ERROR_XXX: what is wrong with a partial frame."""

    CRC = 0x01
    FRAMING = 0x02
    HARDWARE_OVERRUN = 0x04
    BUFFER_OVERRUN = 0x08
    TIMEOUT = 0x10
    ALIGNMENT = 0x20


@dataclass
class WanInfo(Record):
    """NDIS_WAN_INFO, the answer to OID_WAN_GET_INFO.

    `max_frame_size` bounds what one WAN packet may carry (bytes), `max_transmit` how many may be outstanding on a
    link, `header_padding` and `tail_padding` are the room that the miniport wants around the data.
    """

    FORMAT = "<7I"
    max_frame_size: int = 1600
    max_transmit: int = 8
    header_padding: int = 0
    tail_padding: int = 0
    endpoints: int = 1
    memory_flags: int = 0
    framing_bits: int = 0x3


@dataclass
class MacLineUp(Record):
    """NDIS_MAC_LINE_UP (WAN-LNK-01).

    `link_speed` in units of 100 bit/s; a `send_window` of 0 stands for the default, MaxTransmit (WAN-LNK-05).
    `ndis_link_context` is NDISWAN's and garbage until the call has returned.
    """

    FORMAT = "<IIHQQQ"
    link_speed: int = 0
    quality: int = WanQuality.RAW
    send_window: int = 0
    connection_wrapper_id: int = 0
    ndis_link_handle: int = 0
    ndis_link_context: int = 0


@dataclass
class MacLineDown(Record):
    """NDIS_MAC_LINE_DOWN: names the link by NDISWAN's context (WAN-LNK-04)."""

    FORMAT = "<Q"
    ndis_link_context: int = 0


@dataclass
class MacFragment(Record):
    """NDIS_MAC_FRAGMENT: a frame of which only a part arrived, and why (WAN-LNK-08)."""

    FORMAT = "<QI"
    ndis_link_context: int = 0
    errors: int = 0


@dataclass
class WanLineUp(Record):
    """NDIS_WAN_LINE_UP, which NDISWAN shows the protocols above (WAN-LNK-07).

    `link_speed` is that of all links of the bundle together, in units of 100 bit/s; addresses are Ethernet ones.
    """

    FORMAT = "<IIIH6s6s"
    link_speed: int = 0
    maximum_total_size: int = 0
    quality: int = WanQuality.RAW
    send_window: int = 0
    remote_address: bytes = bytes(6)
    local_address: bytes = bytes(6)


@dataclass
class WanLineDown(Record):
    """NDIS_WAN_LINE_DOWN: the bundle has lost its last link (WAN-LNK-07)."""

    FORMAT = "<6s6s"
    remote_address: bytes = bytes(6)
    local_address: bytes = bytes(6)


@dataclass
class WanFragment(Record):
    """NDIS_WAN_FRAGMENT, which NDISWAN shows the protocols above (WAN-LNK-08)."""

    FORMAT = "<6s6sI"
    remote_address: bytes = bytes(6)
    local_address: bytes = bytes(6)
    errors: int = 0


@dataclass
class CoLinkParameters(Record):
    """WAN_CO_LINKPARAMS of a CoNDIS link (WAN-CO-03).

    Speeds in bytes per second, as CoNDIS has them; a `send_window` of 0 closes the window (WAN-LNK-06).
    """

    FORMAT = "<QIII"
    ndis_link_context: int = 0
    transmit_speed: int = 0
    receive_speed: int = 0
    send_window: int = 0


@dataclass
class CoFragment(Record):
    """NDIS_WAN_CO_FRAGMENT: errors on a CoNDIS link (WAN-CO-03)."""

    FORMAT = "<QI"
    ndis_link_context: int = 0
    errors: int = 0
