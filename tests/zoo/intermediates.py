"""Intermediate drivers: layers that mix up what is theirs and what is of the driver above."""

from __future__ import annotations

from nodes import Intermediate, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding, NetEvent, Oid, OidRequest, RequestType
from tests.zoo.beast import BETWEEN, beast


class Forwarder(Intermediate):
    """Passes every packet on both ways."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.forward(self.bindings[0], chain, flags)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.restore(chain)
        self.adapters[0].send_net_buffer_lists_complete(chain, flags)

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.adapters[0].indicate_receive_net_buffer_lists(chain, flags)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.bindings[0].return_net_buffer_lists(chain, flags)


@beast("N6-IM-02", BETWEEN)
class KeepsItsSourceHandle(Forwarder):
    """Completes forwarded sends without putting their SourceHandles back."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.adapters[0].send_net_buffer_lists_complete(chain, flags)


class Cloner(Forwarder):
    """Sends clones of what it gets, and completes each original when its clone is back."""

    originates = True

    @classmethod
    def pool_size(cls, options: object) -> int:
        return 4096

    def initialize(self, adapter: Adapter) -> None:
        self.originals: dict[int, NblChain] = {}

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for place, nbl in enumerate(chain):
            clone = self.bindings[0].allocate_clone_net_buffer_list(nbl)
            self.originals[int(clone.handles[0])] = chain[place : place + 1]
            self.bindings[0].send_net_buffer_lists(clone, flags)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        for place, handle in enumerate(chain.handles.tolist()):
            self.free(chain[place : place + 1])
            self.end(self.originals.pop(handle))

    def end(self, original: NblChain) -> None:
        """Complete an original."""
        original.status = Status.SUCCESS
        self.adapters[0].send_net_buffer_lists_complete(original)


@beast("N6-IM-04", BETWEEN)
class CompletesBeforeItsParts(Cloner):
    """Completes each original at once, while its clone is on its way."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists(adapter, chain, flags)
        for original in self.originals.values():
            super().end(original)
        self.originals.clear()

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.free(chain)


class PowerManager(Protocol):
    """Takes the adapter to another power state."""

    source = True

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            binding.oid_request(OidRequest(Oid.PNP_SET_POWER, RequestType.SET, b"\x01\0\0\0"))
        return Status.SUCCESS

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.report_done()


@beast(
    "N6-IM-05",
    BETWEEN.replace("{driver: traffic, packets: 40, size: 256}", "{driver: power}"),
    extra={"power": PowerManager},
)
class AnswersForTheDevice(Forwarder):
    """Answers a power request itself, so that the device below never hears of it."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.SUCCESS
