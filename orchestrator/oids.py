"""OIDs as a user writes and reads them: values to bytes, answers to something readable."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from nodes.ndis.indication import LinkState
from nodes.ndis.oid import Oid, PacketFilter, oid_name

_ADDRESS = re.compile(r"(?:[0-9a-f]{2}:)+[0-9a-f]{2}", re.IGNORECASE)
_STATISTICS = (
    "in_discards",
    "in_errors",
    "in_octets",
    "in_unicast",
    "in_multicast",
    "in_broadcast",
    "out_octets",
    "out_unicast",
    "out_multicast",
    "out_broadcast",
    "out_errors",
    "out_discards",
)
_FLAGS = {"in_octets": 0x8, "in_discards": 0x10, "out_octets": 0x200, "out_discards": 0x8000}


class ValueUnclear(ValueError):
    """A value for an OID is written in no way that is known."""


def encode_value(text: str) -> bytes:
    """Return the bytes of a value: a number (32 bits), ``02:4e:...`` or ``hex:...``, flags of a packet filter by name.

    Raises ValueUnclear.
    """
    if text.startswith("hex:"):
        try:
            return bytes.fromhex(text.removeprefix("hex:"))
        except ValueError as error:
            raise ValueUnclear(f"{text!r} is no row of hexadecimal digits: {error}") from None
    if _ADDRESS.fullmatch(text):
        return bytes.fromhex(text.replace(":", ""))
    names = [name.strip().upper() for name in text.split("+")]
    if all(name in PacketFilter.__members__ for name in names):
        return sum(PacketFilter[name] for name in names).to_bytes(4, "little")
    try:
        return int(text, 0).to_bytes(4, "little")
    except (ValueError, OverflowError):
        raise ValueUnclear(
            f"{text!r} is neither a 32-bit number, an address such as 01:00:5e:00:00:01, flags such as "
            "directed+broadcast, nor bytes such as hex:0a1b"
        ) from None


def decode_answer(oid: int, answer: bytes) -> Any:
    """Return what an answer says, as JSON can hold it; its bytes as hexadecimal digits when they are not understood."""
    decoder = _DECODERS.get(oid, _number)
    try:
        return decoder(answer)
    except (struct.error, UnicodeDecodeError):
        return answer.hex()


def _number(answer: bytes) -> Any:
    return int.from_bytes(answer, "little") if len(answer) in (4, 8) else answer.hex()


def _address(answer: bytes) -> Any:
    return answer.hex(":")


def _addresses(answer: bytes) -> Any:
    return [answer[at : at + 6].hex(":") for at in range(0, len(answer), 6)]


def _names(answer: bytes) -> Any:
    return [oid_name(oid) for (oid,) in struct.iter_unpack("<I", answer)]


def _text(answer: bytes) -> Any:
    return answer.rstrip(b"\0").decode()


def _filter(answer: bytes) -> Any:
    value = int.from_bytes(answer, "little")
    return (
        "+".join(flag.name.lower() for flag in PacketFilter if flag and flag.name and value & flag) or "none"
    )


def _link(answer: bytes) -> Any:
    state = LinkState.unpack(answer)
    return {"connected": state.connected, "transmit_bps": state.transmit, "receive_bps": state.receive}


def _statistics(answer: bytes) -> Any:
    supported, *values = struct.unpack_from(f"<4xI{len(_STATISTICS)}Q", answer)
    counts = dict(zip(_STATISTICS, values, strict=True))
    return {name: counts[name] for name, flag in _FLAGS.items() if supported & flag}


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    Oid.GEN_SUPPORTED_LIST: _names,
    Oid.GEN_VENDOR_DESCRIPTION: _text,
    Oid.GEN_CURRENT_PACKET_FILTER: _filter,
    Oid.GEN_LINK_STATE: _link,
    Oid.GEN_STATISTICS: _statistics,
    Oid.IEEE_PERMANENT_ADDRESS: _address,
    Oid.IEEE_CURRENT_ADDRESS: _address,
    Oid.IEEE_MULTICAST_LIST: _addresses,
}
