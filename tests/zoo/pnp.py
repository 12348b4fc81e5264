"""Plug and play: drivers that are not where NDIS has taken them, or leave something behind when they go."""

from __future__ import annotations

from nodes import Miniport, NblChain, Protocol, Status
from nodes.ndis import Adapter, Binding, DevicePnpEvent, NetEvent
from orchestrator import Run
from tests.zoo.beast import ABOVE_NIC, ON_TOP, SECONDS, beast

MS = 1_000_000
RECEIVER = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256}
  nic0:  {driver: miniport}
  nic:   {driver: miniport}
  beast: {driver: beast}
bindings: [bulk -> nic0, beast -> nic]
wires: [{between: [nic0, nic]}]
"""
"""The beast is the protocol at which frames arrive."""


def pause_the_beast(run: Run) -> None:
    """Pause the miniport and what is on top of it."""
    run.pause("beast")


def remove_the_beast(run: Run) -> None:
    """Let the sends begin, then pull the device out."""
    run.wait(0.3, until_done=False)
    run.remove("beast")


def unbind_the_beast(run: Run) -> None:
    """Let what is on its way arrive, then undo the binding."""
    run.wait(SECONDS)
    run.wait(0.3, until_done=False)
    run.unbind("beast", "nic")


class Nic(Miniport):
    """Completes every send at once."""

    def initialize(self, adapter: Adapter) -> None:
        self.held: list[NblChain] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.finish(chain)

    def finish(self, chain: NblChain, status: Status = Status.SUCCESS) -> None:
        """Complete a chain."""
        chain.status = status
        self.adapter.send_net_buffer_lists_complete(chain)


@beast("N6-PNP-02", ABOVE_NIC, act=pause_the_beast)
class RefusesToPause(Nic):
    """Answers its pause with a failure."""

    def pause(self) -> Status:
        return Status.FAILURE


@beast("N6-PNP-03", ABOVE_NIC)
class IsPausedWithSends(Nic):
    """Says that it is paused and still has the sends that it was given."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.held.append(chain)


@beast("N6-PNP-05", ABOVE_NIC)
class CompletesNoPause(Nic):
    """Completes a pause that nobody asked for."""

    def finish(self, chain: NblChain, status: Status = Status.SUCCESS) -> None:
        super().finish(chain, status)
        self.pause_complete()


@beast("N6-PNP-05", ABOVE_NIC)
class CompletesNoRestart(Nic):
    """Completes its restart in the handler and returns SUCCESS as if it had not."""

    def restart(self) -> Status:
        self.restart_complete(Status.SUCCESS)
        return Status.SUCCESS


@beast("N6-PNP-05", ABOVE_NIC, act=pause_the_beast)
class CompletesItsPauseTwice(Nic):
    """Completes its pause twice."""

    def pause(self) -> Status:
        self.set_timer(MS, self.end)
        return Status.PENDING

    def end(self) -> None:
        """Complete it."""
        self.pause_complete()
        self.pause_complete()


class Top(Protocol):
    """Sends a packet when its binding restarts."""

    source = True

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.send(binding)
        return Status.SUCCESS

    def send(self, binding: Binding) -> None:
        """Send one packet."""
        binding.send_net_buffer_lists(binding.allocate_net_buffer_lists(1, 64))

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        self.report_done()


@beast("N6-PNP-05", ON_TOP)
class CompletesNoBindingPause(Top):
    """Completes a pause of its binding that nobody asked for."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        binding.pause_complete()
        super().send_net_buffer_lists_complete(binding, chain, flags)


@beast("N6-PNP-02", ON_TOP)
class RefusesToPauseItsBinding(Top):
    """Answers the pause of its binding with a failure."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        super().net_pnp_event(binding, event)
        return Status.FAILURE if event is NetEvent.PAUSE else Status.SUCCESS


@beast("N6-PNP-09", ON_TOP)
class SendsWhilePausing(Top):
    """Sends a last packet when it is told to pause."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        self.send(binding)
        return Status.SUCCESS


@beast("N6-PNP-14", ABOVE_NIC)
class LeavesATimer(Nic):
    """Halts with its watchdog's timer set."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.set_timer(3600 * 1000 * MS, lambda: None)


@beast("N6-UNB-01", ON_TOP)
class SendsBeforeTheOpenHasEnded(Top):
    """Sends on a binding from the handler that opens it."""

    def bind_adapter(self, binding: Binding) -> None:
        self.send(binding)


@beast("N6-UNB-02", ON_TOP)
class RefusesToUnbind(Top):
    """Answers an unbind with a failure."""

    def unbind_adapter(self, binding: Binding) -> Status:
        return Status.FAILURE


@beast("N6-UNB-02", ON_TOP, act=unbind_the_beast)
class UnbindsTwice(Top):
    """Completes its unbind twice."""

    def unbind_adapter(self, binding: Binding) -> Status:
        self.set_timer(MS, lambda: self.end(binding))
        return Status.PENDING

    def end(self, binding: Binding) -> None:
        """Complete it."""
        binding.unbind_complete()
        binding.unbind_complete()


@beast("N6-UNB-03", ON_TOP, act=unbind_the_beast)
class SendsAfterTheClose(Top):
    """Sends on a binding that it has closed."""

    def unbind_adapter(self, binding: Binding) -> None:
        binding.close()
        self.send(binding)


@beast("N6-UNB-03", ON_TOP, act=unbind_the_beast)
class ClosesTwice(Top):
    """Closes a binding that it has closed."""

    def unbind_adapter(self, binding: Binding) -> None:
        binding.close()
        binding.close()


@beast("N6-UNB-03", ON_TOP)
class ClosesWithoutBeingUnbound(Top):
    """Closes its binding while it runs, which is for the unbind handler."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        binding.close()


@beast("N6-SEND-22", RECEIVER, act=unbind_the_beast)
class UnbindsWithReceives(Protocol):
    """Keeps the packets that it has received when its binding is undone."""

    def bind_adapter(self, binding: Binding) -> None:
        self.kept: list[NblChain] = []

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.kept.append(chain)


@beast("N6-SEND-22", RECEIVER)
class HaltsWithReceives(UnbindsWithReceives):
    """Keeps the packets that it has received for ever."""


class Pulled(Nic):
    """Holds its sends until its device is pulled out, then fails them."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        if adapter.present:
            self.held.append(chain)
        else:
            self.finish(chain, Status.FAILURE)

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        for chain in self.held:
            self.finish(chain, self.verdict)

    verdict = Status.FAILURE


@beast("N6-UNB-05", "policy: {removal_status: closed-set}\n" + ABOVE_NIC, act=remove_the_beast)
class FailsTheDeviceNotTheSend(Pulled):
    """Completes sends with DEVICE_FAILED after the removal, in a run that allows the closed set alone."""

    verdict = Status.DEVICE_FAILED
