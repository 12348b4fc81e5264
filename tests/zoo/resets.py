"""Resets: miniports that reset themselves as the contract forbids, and protocols that go on meanwhile."""

from __future__ import annotations

from typing import ClassVar

from nodes import Miniport, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding, NetEvent, Oid, OidRequest, RequestType, StatusIndication
from tests.zoo.beast import ABOVE_NIC, ON_TOP, beast

MS = 1_000_000
ASKED = """
nodes:
  asker: {driver: asker}
  beast: {driver: beast}
bindings: [asker -> beast]
"""
"""The beast is the miniport under a protocol that asks OIDs."""


class Nic(Miniport):
    """Completes every send at once and asks for a reset at the first; the reset takes a millisecond."""

    addressing_reset: ClassVar[bool] = False

    def initialize(self, adapter: Adapter) -> None:
        self.asked = self.over = False
        self.held: list[NblChain] = []

    def halt(self) -> None:
        if self.asked:
            self.timer.cancel()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.held.append(chain)
        if self.over:
            self.release()
        elif not self.asked:
            self.asked = True
            adapter.reset_miniport()

    def reset(self) -> Status | tuple[Status, bool]:
        self.abort()
        self.timer = self.set_timer(MS, self.end)
        return Status.PENDING

    def abort(self) -> None:
        """Complete what is outstanding as the reset's victims."""
        self.release(Status.RESET_IN_PROGRESS)

    def end(self) -> None:
        """Complete the reset."""
        self.over = True
        self.adapter.reset_complete(Status.SUCCESS, self.addressing_reset)

    def release(self, status: Status = Status.SUCCESS) -> None:
        """Complete all that is held."""
        for chain in self.held:
            chain.status = status
            self.adapter.send_net_buffer_lists_complete(chain)
        self.held = []


@beast("N6-RST-02", ABOVE_NIC)
class CompletesAResetTwice(Nic):
    """Completes its reset twice."""

    def end(self) -> None:
        super().end()
        super().end()


@beast("N6-RST-02", ABOVE_NIC)
class CompletesNoReset(Nic):
    """Completes a reset that nobody asked for."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.held.append(chain)
        self.release()
        adapter.reset_complete(Status.SUCCESS)


@beast("N6-RST-02", ABOVE_NIC)
class FailsToReset(Nic):
    """Answers the reset with a status that its handler must not return."""

    def reset(self) -> Status:
        self.abort()
        self.over, self.asked = True, False
        return Status.FAILURE


@beast("N6-RST-02", ABOVE_NIC)
class CompletesAndDeniesIt(Nic):
    """Completes the reset within the handler, and returns SUCCESS as if it had not."""

    def reset(self) -> Status:
        self.abort()
        self.end()
        self.asked = False
        return Status.SUCCESS


@beast("N6-RST-03", ABOVE_NIC)
class HoldsSendsAcrossTheReset(Nic):
    """Completes the reset with sends outstanding though it is of NDIS 6.30, and transmits them afterwards."""

    def abort(self) -> None:
        """Leave them."""

    def end(self) -> None:
        super().end()
        self.release()


@beast("N6-RST-03", "policy: {reset_hold: never}\n" + ABOVE_NIC)
class HoldsSendsLikeOldMiniports(HoldsSendsAcrossTheReset):
    """Does so as a miniport of NDIS 6.20, in a run that allows it to nobody."""

    ndis_version = (6, 20)


@beast("N6-RST-04", ABOVE_NIC)
class AbortsAsFailed(Nic):
    """Aborts sends at its reset with a status that does not tell why."""

    def abort(self) -> None:
        self.release(Status.FAILURE)


@beast("N6-RST-04", "policy: {reset_status: reset-in-progress}\n" + ABOVE_NIC)
class AbortsAsTheGuideSays(Nic):
    """Aborts sends with REQUEST_ABORTED, in a run that goes by the send-complete page alone."""

    def abort(self) -> None:
        self.release(Status.REQUEST_ABORTED)


@beast("N6-RST-05", ABOVE_NIC)
class AnnouncesItsReset(Nic):
    """Indicates RESET_START itself, which NDIS does."""

    def reset(self) -> Status | tuple[Status, bool]:
        self.adapter.indicate_status(StatusIndication(Status.RESET_START))
        return super().reset()


@beast("N6-RST-07", ABOVE_NIC)
class CompletesTheResetUnderALock(Nic):
    """Completes its reset with a spin lock held."""

    def end(self) -> None:
        with self.allocate_spin_lock("registers"):
            super().end()


@beast("N6-RST-08", ABOVE_NIC)
class StallsForTheHardware(Nic):
    """Spins for a millisecond until the hardware has reset itself."""

    def abort(self) -> None:
        super().abort()
        self.stall_execution(1000)


class Sender(Protocol):
    """Sends a packet at the beginning and one whenever it hears that a reset begins or ends."""

    source = True

    def bind_adapter(self, binding: Binding) -> None:
        self.back = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.send(binding)
        return Status.SUCCESS

    def send(self, binding: Binding) -> None:
        """Send one packet."""
        binding.send_net_buffer_lists(binding.allocate_net_buffer_lists(1, 64))

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        self.back += 1
        if self.back == 2:
            self.report_done()


@beast("N6-RST-06", ON_TOP.replace("driver: miniport", "driver: nic"), extra={"nic": Nic})
class SendsDuringTheReset(Sender):
    """Sends as soon as it hears that the adapter below is being reset."""

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        if indication.code == Status.RESET_START:
            self.send(binding)


class Asker(Protocol):
    """Sets a packet filter, then sends the packet at which the miniport resets itself."""

    source = True
    oid = Oid.GEN_CURRENT_PACKET_FILTER
    setting = b"\x01\0\0\0"

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            binding.oid_request(OidRequest(self.oid, RequestType.SET, self.setting))
        return Status.SUCCESS

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        binding.send_net_buffer_lists(binding.allocate_net_buffer_lists(1, 64))


class OnlyAsker(Asker):
    """Sends nothing."""

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        self.report_done()


class GroupAsker(Asker):
    """Sets a multicast list instead."""

    oid = Oid.IEEE_MULTICAST_LIST
    setting = b"\x01\x00\x5e\x00\x00\x01"


class Addressed(Nic):
    """Keeps what it is set, until its reset."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.settings: dict[int, bytes] = {}

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        if request.type is RequestType.SET:
            self.settings[request.oid] = request.buffer
            request.bytes_read = len(request.buffer)
            return Status.SUCCESS
        return request.write(self.settings.get(request.oid, b""))


@beast("N6-RST-10", ASKED, extra={"asker": Asker})
class ForgetsItsPacketFilter(Addressed):
    """Comes out of its reset with the packet filter of power-on, and says that no addressing was reset."""

    def abort(self) -> None:
        super().abort()
        self.settings[Oid.GEN_CURRENT_PACKET_FILTER] = bytes(4)


@beast("N6-RST-10", ASKED, extra={"asker": GroupAsker})
class ForgetsItsMulticastList(Addressed):
    """Comes out of its reset with an empty multicast list, and says that no addressing was reset."""

    def abort(self) -> None:
        super().abort()
        self.settings.clear()


@beast("N6-RST-04", ASKED, extra={"asker": OnlyAsker})
class AbortsRequestsOtherwise(Nic):
    """Aborts the request that it has at its reset with a status that is for sends."""

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        self.request, self.asked = request, True
        adapter.reset_miniport()
        return Status.PENDING

    def abort(self) -> None:
        self.adapter.oid_request_complete(self.request, Status.RESET_IN_PROGRESS)


class Checked(Nic):
    """A miniport with a hang check, every millisecond, that never asks for a reset itself."""

    check_for_hang_interval = MS
    send_limit = 5 * MS

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.set_timer(2 * MS, lambda: self.finish(chain))

    def finish(self, chain: NblChain) -> None:
        """Complete a send."""
        self.held.append(chain)
        self.release()

    def check_for_hang(self) -> bool:
        return False


@beast("N6-RST-11", ABOVE_NIC)
class OverlooksAStuckSend(Checked):
    """Says in its hang check that all is well while a send is stuck for longer than its limit."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.held.append(chain)
        if len(self.held) == 1:
            self.set_timer(10 * MS, self.release)


@beast("N6-RST-11", "policy: {handler_limit: 100ms}\n" + ABOVE_NIC)
class BlocksInItsHangCheck(Checked):
    """Waits for the hardware in its hang check, which must return fast."""

    def check_for_hang(self) -> bool:
        return self.wait(lambda: False, 200 * MS)
