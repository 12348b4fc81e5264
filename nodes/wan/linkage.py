"""What NDISWAN knows of the miniports below: their properties, their lines, and what it tells the drivers above."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nodes.crossings.port import Port
from nodes.formats.frames import ETHERNET_LENGTH
from nodes.ndis.binding import Binding
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.status import Status, status_name
from nodes.timers import RETRY
from nodes.wan.links import Link, Links, usable
from nodes.wan.records import (
    SPEED_UNIT,
    CoFragment,
    CoLinkParameters,
    MacFragment,
    MacLineDown,
    MacLineUp,
    MalformedRecord,
    Record,
    WanFragment,
    WanInfo,
    WanLineDown,
    WanLineUp,
)

if TYPE_CHECKING:
    from nodes.stock.ndiswan import NdisWan

MAXIMUM_TOTAL_SIZE = 1514


class NotAWanMiniport(RuntimeError):
    """The driver below does not say what a WAN miniport can do; bind NDISWAN above WAN miniports only."""


class Linkage:
    """Brings lines into use: properties first (OID_WAN_GET_INFO), then the line's own line-up.

    `changed` is called when more can be sent than before, `left` with the context of each link that is gone.
    """

    def __init__(
        self,
        driver: NdisWan,
        links: Links,
        addresses: tuple[bytes, bytes],
    ) -> None:
        """Take the driver, its links, and the (remote, local) addresses shown above."""
        self._driver = driver
        self.links = links
        self._ports: dict[Binding, Port] = {}
        self._remote, self._local = addresses
        self._infos: dict[Binding, WanInfo] = {}
        self._held: set[Binding] = set()
        self._asked: dict[int, Binding] = {}
        self._questions = 0
        self._early: dict[Binding, list[MacLineUp]] = {}
        self._been_up = False
        self._takers: dict[int, tuple[type[Record], Callable[[Binding, Record], None]]] = {
            Status.WAN_LINE_UP: (MacLineUp, self._line_up),
            Status.WAN_LINE_DOWN: (MacLineDown, self._line_down),
            Status.WAN_FRAGMENT: (MacFragment, self._fragment),
            Status.WAN_CO_LINKPARAMS: (CoLinkParameters, self._parameters),
            Status.WAN_CO_FRAGMENT: (CoFragment, self._fragment),
        }

    @property
    def dead(self) -> bool:
        """Return whether lines have been up and none is now."""
        return self._been_up and not len(self.links)

    def join(self, binding: Binding, port: Port) -> None:
        """Count a binding in, maybe in the place of one that was undone; its lines are those that come up from now."""
        before = next((other for other, its in self._ports.items() if its is port), binding)
        self._ports = {other: its for other, its in self._ports.items() if its is not port} | {binding: port}
        for known in (self._infos, self._early):
            known.pop(before, None)
        self._held.discard(before)
        self._early[binding] = []

    def dial(self, binding: Binding) -> None:
        """Ask the miniport of a binding for its properties, unless it has answered."""
        if binding not in self._infos:
            self._ask(binding, Oid.WAN_GET_INFO)

    def answered(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Take the answer to a request.

        Raises NotAWanMiniport when the properties were refused, or are such that no packet could be made.
        """
        self._asked.pop(request.request_id, None)
        if status == Status.RESOURCES:
            self._driver.set_timer(RETRY, lambda: self._ask(binding, Oid(request.oid)))
            return
        if request.oid != Oid.WAN_GET_INFO:
            return
        if status in (Status.REQUEST_ABORTED, Status.NOT_ACCEPTED):  # it has died, or is being taken away
            return
        info = _unpacked(WanInfo, request.answer) if status == Status.SUCCESS else None
        if not isinstance(info, WanInfo) or not usable(info):
            told = status_name(status) if info is None else str(info)
            raise NotAWanMiniport(
                f"{binding.lower} answered OID_WAN_GET_INFO with {told}; it is no WAN miniport"
            )
        self._infos[binding] = info
        for record in self._early.pop(binding, ()):
            self._line_up(binding, record)
        self._ask(binding, Oid.TAPI_GET_ID)

    def withdraw(self, binding: Binding) -> None:
        """Cancel what the miniport of a binding has been asked and has not answered."""
        for number in [number for number, its in self._asked.items() if its is binding]:
            binding.cancel_oid_request(number)

    def asks(self, binding: Binding) -> bool:
        """Return whether the miniport of a binding owes an answer."""
        return binding in self._asked.values()

    def answer(self, request: OidRequest) -> Status:
        """Answer a request from above for all links together."""
        if request.type is not RequestType.QUERY:
            return Status.NOT_SUPPORTED
        numbers = {
            Oid.GEN_LINK_SPEED: min(self.links.speed // SPEED_UNIT, 0xFFFFFFFF),
            Oid.GEN_MAXIMUM_FRAME_SIZE: MAXIMUM_TOTAL_SIZE - ETHERNET_LENGTH,
            Oid.GEN_MAXIMUM_TOTAL_SIZE: MAXIMUM_TOTAL_SIZE,
            Oid.GEN_MEDIA_CONNECT_STATUS: 0 if len(self.links) else 1,
        }
        if request.oid in numbers:
            return request.write(numbers[Oid(request.oid)].to_bytes(4, "little"))
        if request.oid in (Oid.IEEE_PERMANENT_ADDRESS, Oid.IEEE_CURRENT_ADDRESS):
            return request.write(self._local)
        return Status.NOT_SUPPORTED

    def status(self, binding: Binding, indication: StatusIndication) -> bool:
        """Take a status indication; return False for one that is not about WAN links.

        A record that makes no sense is counted and dropped.
        """
        if indication.code not in self._takers:
            return False
        kind, take = self._takers[indication.code]
        record = _unpacked(kind, indication.buffer)
        if record is None:
            self._driver.count_malformed()
        else:
            take(binding, record)
        return True

    def hold(self, binding: Binding, *, held: bool) -> None:
        """Send nothing on the lines of a binding that is paused or whose adapter is being reset, or go on again."""
        (self._held.add if held else self._held.discard)(binding)
        for link in self.links:
            if link.port is self._ports[binding]:
                link.held = held
        self._driver.bundle.pump()

    def port_of(self, binding: Binding) -> Port:
        """Return the port that a binding sends through."""
        return self._ports[binding]

    def hang_up(self, port: Port) -> None:
        """Take down the lines of a miniport that has died."""
        binding = next(binding for binding, its in self._ports.items() if its is port)
        for link in [link for link in self.links if link.port is port]:
            self._line_down(binding, MacLineDown(link.context))

    def _ask(self, binding: Binding, oid: Oid) -> None:
        if binding not in self._ports:
            return
        self._questions += 1
        request = OidRequest(oid, request_id=self._questions)
        self._asked[request.request_id] = binding
        status = binding.oid_request(request)
        if status != Status.PENDING:
            self.answered(binding, request, status)

    def _line_up(self, binding: Binding, record: Record) -> None:
        assert isinstance(record, MacLineUp)
        if binding not in self._infos:
            self._early[binding].append(record)
            return
        link = self.links.get(record.ndis_link_context)
        if link is None:
            link = Link(
                self._ports[binding], record.ndis_link_handle, record.ndis_link_context, self._infos[binding]
            )
            link.held = binding in self._held
            self.links.add(link)
            self._driver.inbound.join(link.context)
        link.line_up(record)
        self._been_up = True
        self._tell_line_up(link)
        self._driver.bundle.pump()

    def _line_down(self, binding: Binding, record: Record) -> None:
        assert isinstance(record, MacLineDown)
        self._early_down(binding, record)
        link = self.links.remove(record.ndis_link_context)
        if link is None:
            return
        self._driver.deliver(self._driver.inbound.leave(link.context))
        rest = next(iter(self.links), None)
        if rest is not None:
            self._tell_line_up(rest)
            return
        self._driver.bundle.abort(Status.FAILURE)
        self._tell(Status.WAN_LINE_DOWN, WanLineDown(self._remote, self._local))

    def _early_down(self, binding: Binding, record: MacLineDown) -> None:
        if binding in self._early:
            context = record.ndis_link_context
            self._early[binding] = [
                line for line in self._early[binding] if line.ndis_link_context != context
            ]

    def _parameters(self, binding: Binding, record: Record) -> None:
        assert isinstance(record, CoLinkParameters)
        link = self.links.get(record.ndis_link_context)
        if link is not None:
            link.link_parameters(record)
            self._tell_line_up(link)
            self._driver.bundle.pump()

    def _fragment(self, binding: Binding, record: Record) -> None:
        assert isinstance(record, MacFragment | CoFragment)
        if self.links.get(record.ndis_link_context) is not None:
            self._tell(Status.WAN_FRAGMENT, WanFragment(self._remote, self._local, record.errors))

    def _tell_line_up(self, link: Link) -> None:
        window = sum(link.window for link in self.links)
        speed = min(self.links.speed // SPEED_UNIT, 0xFFFFFFFF)
        self._tell(
            Status.WAN_LINE_UP,
            WanLineUp(
                speed, MAXIMUM_TOTAL_SIZE, link.quality, min(window, 0xFFFF), self._remote, self._local
            ),
        )

    def _tell(self, code: Status, record: Record) -> None:
        for adapter in self._driver.adapters:
            adapter.indicate_status(StatusIndication(code, record.pack()))


def _unpacked(kind: type[Record], buffer: bytes) -> Record | None:
    try:
        return kind.unpack(buffer)
    except MalformedRecord:
        return None
