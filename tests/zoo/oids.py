"""OID requests: drivers that ask, answer or pass on as the contract forbids."""

from __future__ import annotations

from typing import ClassVar

from nodes import Driver, Filter, Intermediate, Miniport, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding, NetEvent
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.timers import Timer
from orchestrator import Run
from tests.zoo.beast import beast

SOON = 1_000_000
LATE = 60_000_000
TOO_LONG = 150_000_000
ANSWER = b"1234"
SET = RequestType.SET


class Asker(Protocol):
    """A right protocol: makes one request when it begins, and pauses once that is answered."""

    oid: ClassVar[int] = Oid.GEN_MAXIMUM_FRAME_SIZE
    way: ClassVar[RequestType] = RequestType.QUERY
    buffer: ClassVar[bytes] = b""

    def bind_adapter(self, binding: Binding) -> None:
        self.out = 0
        self.pausing = False

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.ask(binding)
        self.pausing = event is NetEvent.PAUSE
        return Status.PENDING if self.pausing and self.out else Status.SUCCESS

    def ask(self, binding: Binding) -> OidRequest:
        """Make the request."""
        request = OidRequest(self.oid, self.way, self.buffer, request_id=5)
        if binding.oid_request(request) is Status.PENDING:
            self.out += 1
        return request

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.out -= 1
        if self.pausing and not self.out:
            self.pause_complete()


class Nic(Miniport):
    """A right miniport: answers a little later."""

    delay: ClassVar[int] = SOON

    def initialize(self, adapter: Adapter) -> None:
        self.timers: list[Timer] = []

    def halt(self) -> None:
        for timer in self.timers:
            timer.cancel()

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.timers.append(self.set_timer(self.delay, lambda: self.finish(request)))
        return Status.PENDING

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return request.write(ANSWER)

    def finish(self, request: OidRequest) -> None:
        """Answer."""
        status = Status.SUCCESS if request.type is SET else request.write(ANSWER)
        self.adapter.oid_request_complete(request, status)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class SlowNic(Nic):
    """Answers late, as it may."""

    delay = LATE


class Cloner(Filter):
    """A right filter: passes clones on."""

    def oid_request(self, request: OidRequest) -> Status:
        return self.module.oid_request(self.module.allocate_clone_oid_request(request))

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        original.copy_results(request)
        self.module.free_clone_oid_request(request)
        self.module.oid_request_complete(original, status)


class Proxy(Intermediate):
    """A right intermediate driver: passes clones on."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return self.bindings[0].oid_request(self.allocate_clone_oid_request(request))

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        original.copy_results(request)
        self.free_clone_oid_request(request)
        self.adapters[0].oid_request_complete(original, status)


class Powerer(Asker):
    """Sets the power state."""

    oid, way, buffer = Oid.PNP_SET_POWER, SET, ANSWER


class Freer(Asker):
    """Frees a receive queue."""

    oid, way, buffer = Oid.RECEIVE_FILTER_FREE_QUEUE, SET, ANSWER


class Offloader(Asker):
    """Sets offload parameters, a structure with revisions."""

    oid, way, buffer = Oid.TCP_OFFLOAD_PARAMETERS, SET, ANSWER


class Canceller(Asker):
    """Cancels its request."""

    def ask(self, binding: Binding) -> OidRequest:
        self.set_timer(SOON, lambda: binding.cancel_oid_request(5))
        return super().ask(binding)


class Mobile(Asker):
    """Asks for what may be answered by an indication, and has done when it has its answer."""

    oid = Oid.WWAN_DRIVER_CAPS
    source = True

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        super().oid_request_complete(binding, request, status)
        self.set_timer(5 * SOON, self.report_done)


class Leaver(Asker):
    """Asks while it pauses, when the device below may be gone already."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.PAUSE:
            self.ask(binding)
        return super().net_pnp_event(binding, event) if event is NetEvent.PAUSE else Status.SUCCESS


class Synchronous(Protocol):
    """Makes a synchronous request."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.set_timer(SOON, lambda: binding.synchronous_oid_request(OidRequest(3)))
        return Status.SUCCESS


BELOW = """
nodes:
  top:   {driver: top}
  beast: {driver: beast}
bindings: [top -> beast]
"""
"""The beast is the miniport that is asked."""

BETWEEN = """
nodes:
  top:   {driver: top}
  beast: {driver: beast}
  nic:   {driver: nic}
bindings: [top -> beast -> nic]
"""
"""The beast is a filter or an intermediate driver on the way."""

ABOVE = """
nodes:
  beast: {driver: beast}
  nic:   {driver: nic}
bindings: [beast -> nic]
"""
"""The beast is the protocol that asks."""

ASKED = {"top": Asker}
PASSED: dict[str, type[Driver]] = {"top": Asker, "nic": Nic}
ASKING = {"nic": Nic}


@beast("N6-OID-02", BELOW, extra=ASKED)
class CompletesTwice(Nic):
    """Completes a pended request twice."""

    def finish(self, request: OidRequest) -> None:
        super().finish(request)
        super().finish(request)


@beast("N6-OID-02", BELOW, extra=ASKED)
class CompletesWhatItAnswered(Nic):
    """Completes a request that its handler has answered with SUCCESS."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        super().oid_request(adapter, request)
        return request.write(ANSWER)


@beast("N6-OID-02", BELOW, extra=ASKED)
class CompletesInside(Nic):
    """Completes a request in its handler, which then returns SUCCESS."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.finish(request)
        return Status.SUCCESS


@beast("N6-OID-02", BELOW, extra={"top": Canceller})
class CompletesOnCancelToo(Nic):
    """Completes a cancelled request as aborted, and once more when its answer is there."""

    delay = 5 * SOON

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.request = request
        return super().oid_request(adapter, request)

    def cancel_oid_request(self, adapter: Adapter, request_id: int) -> None:
        adapter.oid_request_complete(self.request, Status.REQUEST_ABORTED)


@beast("N6-OID-02", BETWEEN, extra=PASSED)
class FilterCompletesTwice(Cloner):
    """A filter that completes the original twice."""

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        original = request.clone_of
        super().oid_request_complete(request, status)
        assert original is not None
        self.module.oid_request_complete(original, status)


@beast("N6-OID-03", BELOW, extra=ASKED)
class CompletesWithPending(Nic):
    """Completes a request with PENDING."""

    def finish(self, request: OidRequest) -> None:
        self.adapter.oid_request_complete(request, Status.PENDING)


@beast("N6-OID-04", ABOVE, extra=ASKING)
class LooksEarly(Asker):
    """Reads the answer after PENDING."""

    def ask(self, binding: Binding) -> OidRequest:
        request = super().ask(binding)
        assert request.answer == b""
        return request


@beast("N6-OID-04", ABOVE, extra=ASKING)
class CountsEarly(Asker):
    """Reads how many bytes were written after PENDING."""

    def ask(self, binding: Binding) -> OidRequest:
        request = super().ask(binding)
        assert request.bytes_written == 0
        return request


@beast("N6-OID-05", ABOVE, extra=ASKING)
class AsksAgain(Asker):
    """Uses the structure of a request that is out for another one."""

    def ask(self, binding: Binding) -> OidRequest:
        request = super().ask(binding)
        binding.oid_request(request)
        return request


@beast("N6-OID-05", ABOVE, extra=ASKING)
class DropsBuffer(Asker):
    """Frees the buffer of a request that is out."""

    way, buffer = SET, ANSWER

    def ask(self, binding: Binding) -> OidRequest:
        request = super().ask(binding)
        request.buffer = b""
        return request


@beast("N6-OID-07", BELOW, extra=ASKED)
class WritesBeyond(Nic):
    """Says that it wrote more than there was room for."""

    def finish(self, request: OidRequest) -> None:
        request.bytes_written = request.output_length + 1
        self.adapter.oid_request_complete(request, Status.SUCCESS)


@beast("N6-OID-07", BELOW, extra={"top": Freer})
class ReadsBeyond(Nic):
    """Says that it read more than it was given."""

    def finish(self, request: OidRequest) -> None:
        request.bytes_read = len(request.buffer) + 1
        self.adapter.oid_request_complete(request, Status.SUCCESS)


@beast("N6-OID-07", BELOW, extra=ASKED)
class SaysTooShort(Nic):
    """Says that a buffer is too short, but not how long it should be."""

    def finish(self, request: OidRequest) -> None:
        self.adapter.oid_request_complete(request, Status.BUFFER_TOO_SHORT)


@beast("N6-OID-08", BELOW, extra={"top": Powerer})
class RefusesPower(Nic):
    """Fails to set the power state."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.FAILURE


@beast("N6-OID-08", BELOW, extra={"top": Freer})
class RefusesToFree(Nic):
    """Pends a request to free a queue, then fails it."""

    def finish(self, request: OidRequest) -> None:
        self.adapter.oid_request_complete(request, Status.NOT_SUPPORTED)


@beast("N6-OID-09", "policy: {handler_limit: 100ms}" + BELOW, extra=ASKED)
class Blocks(Nic):
    """Waits for its hardware in the handler."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.wait(lambda: False, TOO_LONG)
        return request.write(ANSWER)


@beast("N6-OID-10", "policy: {oid_limit: 10ms}" + BELOW, extra=ASKED)
class AnswersLate(SlowNic):
    """Takes longer than the limit to complete a request."""


@beast("N6-OID-12", "policy: {oid_cancel_limit: 10ms}" + BELOW, extra={"top": Canceller})
class IgnoresCancel(SlowNic):
    """Goes on with a request that is cancelled."""


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class PassesOriginal(Filter):
    """A filter that passes the original on."""

    def oid_request(self, request: OidRequest) -> Status:
        return self.module.oid_request(request)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class ProxyPassesOriginal(Proxy):
    """An intermediate driver that passes the original on."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return self.bindings[0].oid_request(request)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class CompletesBeforeFreeing(Cloner):
    """A filter that completes the original, then frees the clone."""

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        original.copy_results(request)
        self.module.oid_request_complete(original, status)
        self.module.free_clone_oid_request(request)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class ForgetsResults(Cloner):
    """A filter that completes the original without the results of its clone."""

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        self.module.free_clone_oid_request(request)
        self.module.oid_request_complete(original, status)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class LeaksClone(Proxy):
    """An intermediate driver that never frees its clone."""

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        original = request.clone_of
        assert original is not None
        original.copy_results(request)
        self.adapters[0].oid_request_complete(original, status)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class FreesCloneWhileOut(Cloner):
    """A filter that frees its clone while it is out."""

    def oid_request(self, request: OidRequest) -> Status:
        clone = self.module.allocate_clone_oid_request(request)
        status = self.module.oid_request(clone)
        self.module.free_clone_oid_request(clone)
        return status


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class FreesTwice(Cloner):
    """A filter that frees its clone twice."""

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        super().oid_request_complete(request, status)
        self.module.free_clone_oid_request(request)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class PassesFreedClone(Cloner):
    """A filter that passes on a clone that it has freed."""

    def oid_request(self, request: OidRequest) -> Status:
        clone = self.module.allocate_clone_oid_request(request)
        self.module.free_clone_oid_request(clone)
        return self.module.oid_request(clone)


@beast("N6-OID-13", BETWEEN, extra=PASSED)
class AbortsWithCloneOut(Cloner):
    """A filter that completes the original while its clone is still below."""

    def oid_request(self, request: OidRequest) -> Status:
        super().oid_request(request)
        self.module.oid_request_complete(request, Status.REQUEST_ABORTED)
        return Status.PENDING

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        self.module.free_clone_oid_request(request)


@beast("N6-OID-14", BETWEEN, extra=PASSED)
class CompletesOwnUpwards(Cloner):
    """A filter that completes a request of its own upwards."""

    def oid_request(self, request: OidRequest) -> Status:
        self.module.oid_request(OidRequest(Oid.GEN_LINK_STATE))
        return request.write(ANSWER)

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        self.module.oid_request_complete(request, status)


@beast("N6-OID-15", BELOW, extra=ASKED)
class PromisesIndication(Nic):
    """Answers a request with INDICATION_REQUIRED that does not permit it."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.INDICATION_REQUIRED


@beast("N6-OID-15", BELOW, extra={"top": Mobile})
class NeverIndicates(PromisesIndication):
    """Never indicates the result that it promised."""


@beast("N6-OID-15", BELOW, extra={"top": Mobile})
class IndicatesToAll(PromisesIndication):
    """Indicates a promised result to everybody, without destination and request id."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.set_timer(SOON, lambda: adapter.indicate_status(StatusIndication(0x40030001)))
        return super().oid_request(adapter, request)


@beast("N6-OID-15", BELOW, extra={"top": Mobile})
class IndicatesAnother(PromisesIndication):
    """Indicates a promised result under the id of another request, then under the right one."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.request = request
        self.set_timer(SOON, self.indicate)
        return super().oid_request(adapter, request)

    def indicate(self) -> None:
        """Indicate both."""
        for number in (6, self.request.request_id):
            self.adapter.indicate_status(StatusIndication(0x40030001, b"", self.request.source, number))


def remove(run: Run) -> None:
    """Pull the device out."""
    run.remove("beast")


@beast("N6-OID-16", BELOW, extra={"top": Leaver}, act=remove)
class AnswersForTheDead(Nic):
    """Answers as if the device were still there."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return request.write(ANSWER)


@beast("N6-OID-16", BELOW, extra={"top": Leaver}, act=remove)
class PendsForTheDead(Nic):
    """Pends a request to a device that is gone."""

    def finish(self, request: OidRequest) -> None:
        self.adapter.oid_request_complete(request, Status.NOT_ACCEPTED)


@beast("N6-OID-18", BELOW, extra=ASKED)
class TellsInside(Nic):
    """Sends an event from within its handler."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        adapter.net_pnp_event(NetEvent.PORT_ACTIVATION)
        return request.write(ANSWER)


@beast("N6-OID-19", BELOW, extra={"top": Offloader})
class TakesAnyRevision(Nic):
    """Sets offload parameters without a word on the revision."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        request.read(len(request.buffer))
        return Status.SUCCESS


@beast("N6-OID-20", BETWEEN, extra={"top": Synchronous, "nic": Nic})
class PendsHook(Filter):
    """A filter that pends a synchronous request."""

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        return Status.PENDING


@beast("N6-OID-20", BETWEEN, extra={"top": Synchronous, "nic": Nic})
class ClonesInHook(Filter):
    """A filter that clones a synchronous request."""

    def synchronous_oid_request(self, request: OidRequest) -> Status:
        self.module.free_clone_oid_request(self.module.allocate_clone_oid_request(request))
        return Status.SUCCESS


@beast("N6-OID-20", BELOW, extra={"top": Synchronous})
class PendsSynchronous(Nic):
    """A miniport that pends a synchronous request."""

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.PENDING


def unbind(run: Run) -> None:
    """Undo the beast's binding."""
    run.unbind("beast", "nic")


@beast("N6-OID-22", ABOVE, extra={"nic": SlowNic}, act=unbind)
class ClosesTooEarly(Protocol):
    """Lets its binding be closed while a request is out."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.PAUSE:
            binding.oid_request(OidRequest(Oid.GEN_LINK_STATE))
        return Status.SUCCESS
