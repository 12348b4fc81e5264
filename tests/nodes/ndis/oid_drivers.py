"""Driver layers for tests of OIDs and indications: each does what a test tells it to, and keeps what it sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodes.ndis import Adapter, Binding, Filter, FilterModule, Intermediate
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import OidRequest
from nodes.status import Status, status_name
from tests.bench import Bench
from tests.layers import Floor, Teller

Answer = Callable[[OidRequest], Status]


def pend(request: OidRequest) -> Status:
    """Answer later."""
    return Status.PENDING


class Asker(Teller):
    """Issues what a test tells it to; `answers` are (request, status name), `heard` the indications."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.answers: list[tuple[OidRequest, str]] = []
        self.heard: list[StatusIndication] = []
        self.listen: Callable[[StatusIndication], None] = self.heard.append
        self.take: Callable[[OidRequest, int], None] = lambda request, status: None

    def ask(self, oid: int = 0x10101, **fields: Any) -> tuple[OidRequest, Status]:
        """Issue a regular request; return it with what the call returned."""
        request = OidRequest(oid, **fields)
        return request, self.bindings[0].oid_request(request)

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.answers.append((request, status_name(status)))
        self.take(request, status)

    def direct_oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.answers.append((request, "direct " + status_name(status)))

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        self.listen(indication)

    @property
    def statuses(self) -> list[str]:
        """Return the statuses of all answers in the order they came."""
        return [status for _, status in self.answers]


class Answerer(Floor):
    """A miniport that answers by `how`, and keeps the requests it got and the ids of cancels."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.how: Answer = pend
        self.how_direct: Answer = pend
        self.how_synchronous: Answer = lambda request: request.write(b"at once")
        self.got: list[OidRequest] = []
        self.oid_cancels: list[int] = []
        self.obey = True

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.got.append(request)
        return self.how(request)

    def direct_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.got.append(request)
        return self.how_direct(request)

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.got.append(request)
        return self.how_synchronous(request)

    def cancel_oid_request(self, adapter: Adapter, request_id: int) -> None:
        self.oid_cancels.append(request_id)
        if self.obey:
            for request in self.got:
                if request.request_id == request_id:
                    adapter.oid_request_complete(request, Status.REQUEST_ABORTED)

    def answer(self, text: bytes = b"", status: Status = Status.SUCCESS, place: int = -1) -> None:
        """Answer a request that was pended."""
        if text:
            self.got[place].write(text)
        self.adapter.oid_request_complete(self.got[place], status)


class Transparent(Filter):
    """A filter without any handler."""


class Cloner(Filter):
    """A filter that passes clones on by itself; `order` is what it did."""

    def attach(self, module: FilterModule) -> None:
        self.got: list[OidRequest] = []
        self.clones: list[OidRequest] = []
        self.own: list[tuple[OidRequest, str]] = []
        self.free_first = True
        self.hold = False

    def oid_request(self, request: OidRequest) -> Status:
        self.got.append(request)
        if self.hold:
            return Status.PENDING
        clone = self.module.allocate_clone_oid_request(request)
        self.clones.append(clone)
        return self.module.oid_request(clone)

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        original = request.clone_of
        if original is None:
            self.own.append((request, status_name(status)))
            return
        original.copy_results(request)
        if self.free_first:
            self.module.free_clone_oid_request(request)
        self.module.oid_request_complete(original, status)
        if not self.free_first:
            self.module.free_clone_oid_request(request)


class Relay(Intermediate):
    """An intermediate driver without OID handlers that sends everything on."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: Any, flags: int) -> None:
        self.forward(self.bindings[0], chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: Any, flags: int) -> None:
        self.restore(chain)
        self.adapters[0].send_net_buffer_lists_complete(chain)


class Proxy(Relay):
    """An intermediate driver that passes clones on by itself, or answers alone."""

    alone = False

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        if self.alone:
            return request.write(b"alone")
        return self.bindings[0].oid_request(self.allocate_clone_oid_request(request))

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        original.copy_results(request)
        self.free_clone_oid_request(request)
        self.adapters[0].oid_request_complete(original, status)


def stack(*middle: type[Filter] | type[Intermediate], **options: Any) -> tuple[Bench, Asker, Answerer]:
    """Return a running bench of an asker over `middle` over an answerer, with both ends."""
    layers: dict[str, Any] = {"top": Asker}
    layers |= {f"layer{number}": layer for number, layer in enumerate(middle)}
    layers["nic"] = Answerer
    bench = Bench(layers, [" -> ".join(layers)], **options).start()
    return bench, bench.driver("top", Asker), bench.driver("nic", Answerer)
