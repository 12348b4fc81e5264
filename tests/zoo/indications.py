"""Status indications: drivers that indicate what nobody can use, or do not come back from hearing it."""

from __future__ import annotations

from nodes import Filter, Protocol, Status
from nodes.ndis import Adapter, Binding
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import OidRequest
from tests.zoo.beast import beast
from tests.zoo.oids import ABOVE, ASKED, BELOW, BETWEEN, TOO_LONG, Nic

QUICK = "policy: {handler_limit: 100ms}"


class Teller(Nic):
    """Indicates that its link is up once it is asked something."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.tell(adapter, request)
        return super().oid_request(adapter, request)

    def tell(self, adapter: Adapter, request: OidRequest) -> None:
        """Indicate."""
        adapter.indicate_status(StatusIndication(Status.MEDIA_CONNECT))


@beast("N6-IND-02", BELOW, extra=ASKED)
class TellsOneWithoutId(Teller):
    """Indicates to one binding without a request id."""

    def tell(self, adapter: Adapter, request: OidRequest) -> None:
        adapter.indicate_status(StatusIndication(Status.MEDIA_CONNECT, b"", request.source))


@beast("N6-IND-03", BELOW, extra=ASKED)
class TellsHalf(Teller):
    """Indicates a link state that is cut short."""

    def tell(self, adapter: Adapter, request: OidRequest) -> None:
        adapter.indicate_status(StatusIndication(Status.LINK_STATE, bytes(12)))


@beast("N6-IND-03", BELOW, extra=ASKED)
class TellsTooMuch(Teller):
    """Indicates a code that has no buffer with one."""

    def tell(self, adapter: Adapter, request: OidRequest) -> None:
        adapter.indicate_status(StatusIndication(Status.MEDIA_DISCONNECT, b"bye"))


@beast("N6-IND-05", QUICK + ABOVE, extra={"nic": Teller})
class ListensSlowly(Protocol):
    """Waits in its status handler."""

    def bind_adapter(self, binding: Binding) -> None:
        binding.oid_request(OidRequest(1))

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        self.wait(lambda: False, TOO_LONG)


@beast("N6-IND-05", QUICK + BETWEEN, extra={**ASKED, "nic": Teller})
class FiltersSlowly(Filter):
    """A filter that waits in its status handler."""

    def status(self, indication: StatusIndication) -> None:
        self.wait(lambda: False, TOO_LONG)
        self.module.indicator.pass_on(indication)
