"""What the stock miniport answers when asked: real values from its counters and options, settings with real effect."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from nodes.metrics import Counter
from nodes.ndis.indication import LinkState
from nodes.ndis.oid import Oid, OidRequest, PacketFilter, RequestType
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.stock.miniport import StockMiniport

MTU = 1500
HEADER = 14
MULTICAST_LIST_SIZE = 32
_UNLIMITED = 0xFFFFFFFF * 100
"""Line speed that is answered for a link without limit, in bit/s: the most that OID_GEN_LINK_SPEED can say."""
_FILTERS = PacketFilter.DIRECTED | PacketFilter.MULTICAST | PacketFilter.ALL_MULTICAST
_FILTERS |= PacketFilter.BROADCAST | PacketFilter.PROMISCUOUS
_STATISTICS = struct.Struct("<BBHI18Q")
_BYTES_RCV, _RCV_DISCARDS, _BYTES_XMIT, _XMIT_DISCARDS = 0x8, 0x10, 0x200, 0x8000
_MODERATION = struct.Struct("<BBHII")
_MODERATED, _UNMODERATED = 2, 3
_OFFLOAD = struct.Struct("<BBH96x")
_OFFLOAD_TYPE, _DEFAULT_TYPE = 0xA7, 0x80
_PARAMETERS = struct.Struct("<BBH12B")
_NO_CHANGE, _DISABLED = 0, 1

Answer = Callable[[OidRequest], Status]


class NicOids:
    """The answers of one NIC. Queries first, then sets; what is in neither table is NOT_SUPPORTED."""

    def __init__(self, nic: StockMiniport, node: int) -> None:
        self._nic = nic
        self._packet_filter = 0
        self._multicast = b""
        self.address = bytes((0x02, 0x4E, 0x44)) + node.to_bytes(3, "big")
        self._queries: dict[int, Callable[[], bytes]] = {
            Oid.GEN_SUPPORTED_LIST: self._supported,
            Oid.GEN_HARDWARE_STATUS: lambda: _u32(0),
            Oid.GEN_MAXIMUM_FRAME_SIZE: lambda: _u32(MTU),
            Oid.GEN_MAXIMUM_TOTAL_SIZE: lambda: _u32(MTU + HEADER),
            Oid.GEN_LINK_SPEED: lambda: _u32(min(self._speed // 100, 0xFFFFFFFF)),
            Oid.GEN_MAX_LINK_SPEED: lambda: struct.pack("<QQ", self._speed, self._speed),
            Oid.GEN_LINK_STATE: lambda: self.link_state.pack(),
            Oid.GEN_MEDIA_CONNECT_STATUS: lambda: _u32(0 if nic.connected else 1),
            Oid.GEN_VENDOR_DESCRIPTION: lambda: b"ndisim miniport\0",
            Oid.GEN_CURRENT_PACKET_FILTER: lambda: _u32(self._packet_filter),
            Oid.GEN_XMIT_OK: lambda: _u64(nic.counted(Counter.WIRE_SENT)),
            Oid.GEN_RCV_OK: lambda: _u64(nic.received_frames),
            Oid.GEN_RCV_NO_BUFFER: lambda: _u64(nic.counted(Counter.RX_MISSED)),
            Oid.GEN_STATISTICS: self._statistics,
            Oid.GEN_INTERRUPT_MODERATION: self._moderation,
            Oid.IEEE_PERMANENT_ADDRESS: lambda: self.address,
            Oid.IEEE_CURRENT_ADDRESS: lambda: self.address,
            Oid.IEEE_MULTICAST_LIST: lambda: self._multicast,
            Oid.IEEE_MAXIMUM_LIST_SIZE: lambda: _u32(MULTICAST_LIST_SIZE),
            Oid.TCP_OFFLOAD_CURRENT_CONFIG: _no_offload,
            Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES: _no_offload,
            Oid.PNP_QUERY_POWER: lambda: b"",
        }
        self._sets: dict[int, Answer] = {
            Oid.GEN_CURRENT_PACKET_FILTER: self._set_packet_filter,
            Oid.GEN_INTERRUPT_MODERATION: self._set_moderation,
            Oid.IEEE_MULTICAST_LIST: self._set_multicast,
            Oid.TCP_OFFLOAD_PARAMETERS: self._set_offload,
            Oid.PNP_SET_POWER: lambda request: Status.SUCCESS,
        }

    @property
    def link_state(self) -> LinkState:
        """Return the state of the link as it is now."""
        return LinkState(self._nic.connected, self._speed, self._speed)

    def answer(self, request: OidRequest) -> Status:
        """Answer a request at once; sets reject contents that make no sense with INVALID_DATA (N6-OID-19)."""
        if request.type is RequestType.SET:
            change = self._sets.get(request.oid)
            return Status.NOT_SUPPORTED if change is None else change(request)
        query = self._queries.get(request.oid)
        return Status.NOT_SUPPORTED if query is None else request.write(query())

    @property
    def _speed(self) -> int:
        return int(self._nic.options.link) or _UNLIMITED

    def _supported(self) -> bytes:
        return b"".join(_u32(oid) for oid in sorted(self._queries.keys() | self._sets.keys()))

    def _statistics(self) -> bytes:
        nic = self._nic
        supported = _BYTES_RCV | _RCV_DISCARDS | _BYTES_XMIT | _XMIT_DISCARDS
        values = [0] * 18
        values[0] = nic.counted(Counter.RX_MISSED)
        values[2] = nic.received_octets
        values[6] = nic.sent_octets
        values[11] = nic.counted(Counter.WIRE_LOST)
        return _STATISTICS.pack(_DEFAULT_TYPE, 1, _STATISTICS.size, supported, *values)

    def _moderation(self) -> bytes:
        state = _MODERATED if self._nic.moderation else _UNMODERATED
        return _MODERATION.pack(_DEFAULT_TYPE, 1, _MODERATION.size, 0, state)

    def _set_packet_filter(self, request: OidRequest) -> Status:
        value = request.read(4)
        if value is None:
            return Status.INVALID_LENGTH
        wanted = int.from_bytes(value, "little")
        if wanted & ~int(_FILTERS):
            return Status.INVALID_DATA
        self._packet_filter = wanted
        return Status.SUCCESS

    def _set_multicast(self, request: OidRequest) -> Status:
        addresses = [request.buffer[at : at + 6] for at in range(0, len(request.buffer), 6)]
        if any(len(address) != 6 or not address[0] & 1 for address in addresses):
            return Status.INVALID_DATA
        if len(addresses) > MULTICAST_LIST_SIZE:
            return Status.RESOURCES
        self._multicast = request.buffer
        request.bytes_read = len(request.buffer)
        return Status.SUCCESS

    def _set_moderation(self, request: OidRequest) -> Status:
        value = request.read(_MODERATION.size)
        if value is None:
            return Status.INVALID_LENGTH
        _, revision, size, _, state = _MODERATION.unpack(value)
        if revision != 1 or size < _MODERATION.size or state not in (_MODERATED, _UNMODERATED):
            return Status.INVALID_DATA
        self._nic.moderation = self._nic.options.interrupt_delay if state == _MODERATED else 0
        request.supported_revision = 1
        return Status.SUCCESS

    def _set_offload(self, request: OidRequest) -> Status:
        value = request.read(_PARAMETERS.size)
        if value is None:
            return Status.INVALID_LENGTH
        _, revision, _, *settings = _PARAMETERS.unpack(value)
        if revision != 1 or any(setting not in (_NO_CHANGE, _DISABLED) for setting in settings):
            return Status.INVALID_DATA  # this NIC offloads nothing, so nothing can be switched on
        request.supported_revision = 1
        return Status.SUCCESS


def _no_offload() -> bytes:
    """Return NDIS_OFFLOAD of revision 1 without any capability."""
    return _OFFLOAD.pack(_OFFLOAD_TYPE, 1, _OFFLOAD.size)


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")
