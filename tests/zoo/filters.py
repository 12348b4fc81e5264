"""Filters: layers that lose packets, give them two outcomes, take others' for their own, or are not paused."""

from __future__ import annotations

from nodes import Filter, NblChain, Protocol, Status
from nodes.crossings.crossing import SendFlags
from nodes.ndis import Binding, FilterModule, NetEvent
from orchestrator import Run
from tests.zoo.beast import BETWEEN, beast

MS = 1_000_000
RECEIVING = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256}
  nic0:  {driver: miniport}
  nic1:  {driver: miniport}
  beast: {driver: beast}
  sink:  {driver: receiver}
bindings: [bulk -> nic0, sink -> beast -> nic1]
wires: [{between: [nic0, nic1]}]
"""
"""The beast is a filter that sees receives pass."""


class Injector(Filter):
    """Sends a packet of its own beside the first send that it sees, and keeps it when it comes back."""

    originates = True
    default_pool_size = 8

    def attach(self, module: FilterModule) -> None:
        self.injected = False

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        if not self.injected:
            self.injected = True
            self.inject()
        self.module.send_net_buffer_lists(chain, flags)

    def inject(self) -> None:
        """Send one."""
        self.module.send_net_buffer_lists(self.module.allocate_net_buffer_lists(1, 64))

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        own = self.own(chain)
        if own.any():
            self.free(chain[own])
        if not own.all():
            self.module.send_net_buffer_lists_complete(chain[~own], flags)

    def own(self, chain: NblChain):  # type: ignore[no-untyped-def]
        """Return which packets are the filter's own."""
        return chain.source_handle == self.module.handle


@beast("N6-FLT-01", BETWEEN)
class IndicatesWithoutAReturnHandler(Injector):
    """Indicates a packet of its own, and has no handler that would take it back."""

    def inject(self) -> None:
        self.module.indicate_receive_net_buffer_lists(self.module.allocate_net_buffer_lists(1, 64))


@beast("N6-FLT-02", BETWEEN)
class PassesOnAndCompletes(Filter):
    """Passes each send on, and completes it as well."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists(chain, flags)
        self.module.send_net_buffer_lists_complete(chain, flags)


@beast("N6-FLT-02", BETWEEN)
class CompletesAndPassesOn(Filter):
    """Completes each send as one that it drops, and passes it on as well."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        chain.status = Status.FAILURE
        self.module.send_net_buffer_lists_complete(chain, flags)
        self.module.send_net_buffer_lists(chain, flags)


@beast("N6-FLT-03", BETWEEN)
class CompletesItsOwnUpwards(Injector):
    """Completes everything upwards, its own packet among it."""

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        own = self.own(chain)
        self.module.send_net_buffer_lists_complete(chain, flags)
        if own.any():
            self.free(chain[own])


class Indicator(Injector):
    """Indicates a packet of its own beside the first receives that it sees."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        if not self.injected:
            self.injected = True
            self.inject()
        self.module.indicate_receive_net_buffer_lists(chain, flags)

    def inject(self) -> None:
        self.module.indicate_receive_net_buffer_lists(self.module.allocate_net_buffer_lists(1, 64))

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        own = self.own(chain)
        if not own.all():
            self.module.return_net_buffer_lists(chain[~own], flags)
        if own.any():
            self.free(chain[own])


@beast("N6-FLT-04", RECEIVING)
class ReturnsItsOwnDownwards(Indicator):
    """Returns everything downwards, its own packet among it."""

    def return_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        own = self.own(chain)
        self.module.return_net_buffer_lists(chain, flags)
        if own.any():
            self.free(chain[own])


@beast("N6-FLT-05", BETWEEN)
class ShortensAndForgets(Filter):
    """Cuts each send to 100 bytes, and does not undo that when the send has come back."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        chain.length = 100
        self.module.send_net_buffer_lists(chain, flags)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists_complete(chain, flags)


class Hearing(Protocol):
    """Sends a packet that it wants to hear itself."""

    source = True

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            chain = binding.allocate_net_buffer_lists(1, 64)
            binding.send_net_buffer_lists(chain, SendFlags.CHECK_FOR_LOOPBACK)
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        self.report_done()


@beast(
    "N6-FLT-06",
    BETWEEN.replace("{driver: traffic, packets: 40, size: 256}", "{driver: hearing}"),
    extra={"hearing": Hearing},
)
class DropsTheLoopbackFlag(Filter):
    """Passes sends on without the flags that they came with."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.module.send_net_buffer_lists(chain)


class Queue(Filter):
    """Keeps the packets that it gets for twenty milliseconds, and looks at its queue every five."""

    def attach(self, module: FilterModule) -> None:
        self.waiting: list[NblChain] = []

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.keep(chain)

    def keep(self, chain: NblChain) -> None:
        """Put a chain into the queue."""
        self.waiting.append(chain)
        if len(self.waiting) == 1:
            self.look(4)

    def look(self, times: int) -> None:
        """Let everything go after so many more looks."""
        if not times:
            self.release()
        elif self.waiting:
            self.set_timer(5 * MS, lambda: self.look(times - 1))

    def release(self) -> None:
        """Pass on what waits."""
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            self.module.send_net_buffer_lists(chain)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        self.module.cancel_send_net_buffer_lists(cancel_id)


PATIENT = "policy: {send_limit: 300ms}\n"
"""A limit that the right layers of the stack meet on a busy machine too."""


class SlowQueue(Queue):
    """Keeps packets for six tenths of a second."""

    def keep(self, chain: NblChain) -> None:
        self.waiting.append(chain)
        if len(self.waiting) == 1:
            self.look(120)


@beast("N6-FLT-08", PATIENT + BETWEEN)
class HoldsSendsForTooLong(SlowQueue):
    """Keeps sends for longer than it may."""


def go_on(run: Run) -> None:
    """Let the run go on after its source is done."""
    run.wait(2, until_done=False)


@beast("N6-FLT-08", PATIENT + RECEIVING, act=go_on)
class HoldsReceivesForTooLong(SlowQueue):
    """Keeps receives for longer than it may."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.keep(chain)

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for chain in waiting:
            self.module.return_net_buffer_lists(chain)

    def pause(self) -> Status:
        self.release()
        return Status.SUCCESS


@beast("N6-PNP-10", BETWEEN)
class IsPausedWithSendsQueued(Queue):
    """Says that it is paused and keeps the sends of others that it has queued."""

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.waiting.append(chain)


@beast("N6-PNP-10", RECEIVING)
class IsPausedWithReceivesQueued(Filter):
    """Says that it is paused and keeps the receives of others that it has queued."""

    def attach(self, module: FilterModule) -> None:
        self.waiting: list[NblChain] = []

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.waiting.append(chain)

    def detach(self) -> None:
        for chain in self.waiting:
            self.module.return_net_buffer_lists(chain)


@beast("N6-PNP-10", BETWEEN)
class SendsWhilePausing(Injector):
    """Sends a packet of its own from its pause handler."""

    def pause(self) -> Status:
        self.inject()
        return Status.SUCCESS


@beast("N6-PNP-10", RECEIVING)
class IndicatesWhilePausing(Indicator):
    """Indicates a packet of its own from its pause handler."""

    def pause(self) -> Status:
        self.inject()
        return Status.SUCCESS


def pause_the_beast(run: Run) -> None:
    """Pause the filter and what is on top of it."""
    run.pause("beast")


@beast("N6-PNP-11", "policy: {pause_limit: 5ms}\n" + BETWEEN, act=pause_the_beast)
class TakesLongToPause(Filter):
    """Takes twice the time that it may have to pause."""

    def pause(self) -> Status:
        self.set_timer(10 * MS, self.pause_complete)
        return Status.PENDING


@beast("N6-PNP-02", BETWEEN)
class RefusesToPause(Filter):
    """Answers its pause with a failure."""

    def pause(self) -> Status:
        return Status.RESOURCES


@beast("N6-PNP-05", BETWEEN)
class CompletesThePauseAtOnce(Filter):
    """Completes its pause within the handler and returns SUCCESS as well."""

    def pause(self) -> Status:
        self.pause_complete()
        return Status.SUCCESS
