"""Status indications: what a driver tells those above it about its device, and how NDIS carries that upwards."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nodes.crossings.crossing import Op
from nodes.crossings.message import Message
from nodes.metrics import Counter
from nodes.status import Status, status_name

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.ndis.oid_queue import OidQueue
    from nodes.node import Node

INDICATION_LIMIT = 1900
"""Longest buffer of an indication, in bytes."""
_LINK_STATE = struct.Struct("<BBHII4xQQII")
_OBJECT_DEFAULT = 0x80


@dataclass(frozen=True)
class StatusIndication:
    """An indication (NDIS_STATUS_INDICATION): `code` and the `buffer` that belongs to it.

    `destination` 0 is for all bindings above; else it names one, as `OidRequest.source` does, and `request_id` the
    request whose result this is (N6-IND-02).
    """

    code: int
    buffer: bytes = b""
    destination: int = 0
    request_id: int = 0


@dataclass(frozen=True)
class LinkState:
    """What LINK_STATE indicates and OID_GEN_LINK_STATE answers (NDIS_LINK_STATE): speeds in bit/s."""

    connected: bool
    transmit: int
    receive: int

    def pack(self) -> bytes:
        """Return the structure of revision 1, 40 bytes."""
        media = 1 if self.connected else 2
        return _LINK_STATE.pack(
            _OBJECT_DEFAULT, 1, _LINK_STATE.size, media, 2, self.transmit, self.receive, 0, 0
        )

    @classmethod
    def unpack(cls, buffer: bytes) -> LinkState:
        """Return what `pack` packed; raises struct.error for another length."""
        _, _, _, media, _, transmit, receive, _, _ = _LINK_STATE.unpack(buffer)
        return cls(media == 1, transmit, receive)


LENGTHS: dict[int, int] = {
    Status.LINK_STATE: _LINK_STATE.size,
    Status.MEDIA_CONNECT: 0,
    Status.MEDIA_DISCONNECT: 0,
    Status.RESET_START: 0,
    Status.RESET_END: 0,
}
"""Buffer length of the codes whose structure is fixed; others, and a driver's own, have any (N6-IND-03)."""


class Indicator:
    """The upper edge of an adapter or module, as far as indications go; `ports` lead to the drivers above."""

    def __init__(self, node: Node, ports: Sequence[Port], oids: OidQueue) -> None:
        self.open = True
        self._node = node
        self._ports = ports
        self._oids = oids

    def indicate(self, indication: StatusIndication) -> None:
        """Indicate on behalf of this node's driver; what breaks a rule is reported and goes nowhere.

        Allowed from initialisation until halt has returned (N6-IND-01), also while paused (N6-IND-04).
        """
        if indication.code in (Status.RESET_START, Status.RESET_END):
            wrong: tuple[str, str] | None = ("N6-RST-05", "is NDIS's to indicate, not the miniport's")
        else:
            wrong = self._wrong(indication)
        if wrong is not None:
            self._node.complain(wrong[0], 0, f"{status_name(indication.code)} {wrong[1]}")
            return
        self._node.board.counters[Counter.STATUS_INDICATIONS] += 1
        self.pass_on(indication)

    def pass_on(self, indication: StatusIndication) -> None:
        """Carry an indication up, to all or to the one it is for; nobody's way is nobody's loss."""
        ports: Sequence[Port | None] = self._ports
        if indication.destination:
            ports = [self._oids.port_of(indication.destination)]
        body = (indication.code, indication.destination, indication.request_id, indication.buffer)
        for port in ports:
            if port is None or self._node.messages.post(port, Op.STATUS, body, _nobody_waits) is None:
                self._node.board.counters[Counter.DROPPED] += 1

    def send_event(self, number: int) -> None:
        """Carry an event of plug and play up, to all drivers above."""
        for port in self._ports:
            port.notice(Op.PNP, number)

    def close(self) -> None:
        """Allow no more indications; results that were owed are lost (N6-OID-15)."""
        self.open = False
        for source, request_id in sorted(self._oids.owed):
            self._node.complain(
                "N6-OID-15",
                0,
                f"the result of request {request_id} for binding {source:#x} was never indicated",
            )

    def _wrong(self, indication: StatusIndication) -> tuple[str, str] | None:
        length = LENGTHS.get(indication.code, len(indication.buffer))
        if not self.open:
            return "N6-IND-01", "was indicated after halt"
        if len(indication.buffer) != length or length > INDICATION_LIMIT:
            return "N6-IND-03", f"was indicated with a buffer of {len(indication.buffer)} bytes"
        if not indication.destination:
            return None
        if not indication.request_id:
            return "N6-IND-02", "was indicated to one binding without a request id"
        owed = self._oids.settle_indication(indication.destination, indication.request_id)
        if self._oids.port_of(indication.destination) is None or (not owed and self._oids.owed):
            return (
                "N6-OID-15",
                f"was indicated for request {indication.request_id} of binding {indication.destination:#x}, "
                "which is owed nothing",
            )
        return None


def deliver_indication(node: Node, message: Message, handler: Callable[[StatusIndication], None]) -> None:
    """Hand an indication to a driver's status handler and answer it; a slow handler breaks N6-IND-05."""
    code, destination, request_id, buffer = message.body
    assert isinstance(buffer, bytes)
    if code in (Status.RESET_START, Status.RESET_END):
        message.port.resetting = code == Status.RESET_START
    began = node.clock.now()
    node.irql.deliver()
    handler(StatusIndication(int(code), buffer, int(destination), int(request_id)))
    if node.irql.dirty:
        node.irql.settle()
    if node.clock.now() - began >= node.policy.handler_limit:
        node.complain("N6-IND-05", message.handle, "a status handler took too long")
    message.answer(Status.SUCCESS)


def _nobody_waits(status: int, body: object) -> None:
    """Take the answer to an indication, which says nothing."""
