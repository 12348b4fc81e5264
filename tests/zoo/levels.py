"""Levels: drivers that are at the wrong IRQL, or hold spin locks as the contract forbids."""

from __future__ import annotations

from nodes import Miniport, NblChain, Protocol, Status
from nodes.crossings.crossing import SendCompleteFlags
from nodes.irql import Irql
from nodes.ndis import Adapter, Binding, NetEvent
from tests.zoo.beast import ABOVE_NIC, ON_TOP, beast

MS = 1_000_000


class Nic(Miniport):
    """Completes every send at once; the beasts do this at the wrong level, or with a lock too many."""

    def initialize(self, adapter: Adapter) -> None:
        self.lock = self.allocate_spin_lock("queue")
        self.other = self.allocate_spin_lock("statistics")

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.finish(chain)

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        """Complete a chain with SUCCESS."""
        chain.status = Status.SUCCESS
        self.adapter.send_net_buffer_lists_complete(chain, flags)


class InADpc(Nic):
    """Completes every send a millisecond later, in a timer's function at DISPATCH, and there does something more."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.set_timer(MS, lambda: self.in_dpc(chain))

    def in_dpc(self, chain: NblChain) -> None:
        """Do what is wrong, then complete."""
        self.mistake()
        self.finish(chain)

    def mistake(self) -> None:
        """Do what is wrong."""


@beast("N6-IRQL-01", ABOVE_NIC)
class CompletesAboveDispatch(Nic):
    """Completes sends from its interrupt service routine, as it were."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        old = self.raise_irql(Irql.DIRQL)
        super().finish(chain)
        self.lower_irql(old)


@beast("N6-IRQL-01", ABOVE_NIC)
class WaitsInItsTimer(InADpc):
    """Waits for an event in a timer's function, which runs at DISPATCH."""

    def mistake(self) -> None:
        self.wait(lambda: False, 10)


@beast("N6-IRQL-01", ABOVE_NIC)
class WaitsUnderALock(Nic):
    """Waits for an event while it holds a spin lock."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        with self.lock:
            self.wait(lambda: False, MS)
        self.finish(chain)


@beast("N6-IRQL-01", ABOVE_NIC)
class AcquiresAboveDispatch(Nic):
    """Acquires a spin lock in its interrupt service routine, where only one of the interrupt's own will do."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        old = self.raise_irql(Irql.DIRQL)
        with self.lock:
            pass
        self.lower_irql(old)
        super().finish(chain)


@beast("N6-IRQL-01", ABOVE_NIC)
class StaysAtDispatch(Nic):
    """Raises the IRQL in its send handler and forgets to lower it."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        super().finish(chain)
        self.raise_irql(Irql.DISPATCH)


@beast("N6-IRQL-01", ABOVE_NIC)
class LowersUnderALock(Nic):
    """Lowers the IRQL to PASSIVE while it holds a spin lock."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        with self.lock:
            self.lower_irql(Irql.PASSIVE)
            self.raise_irql(Irql.DISPATCH)
        super().finish(chain)


@beast("N6-IRQL-01", ABOVE_NIC)
class RaisesDownwards(InADpc):
    """Raises the IRQL to a level below the one it runs at, and to where it was."""

    def mistake(self) -> None:
        old = self.raise_irql(Irql.PASSIVE)
        self.raise_irql(old)


@beast("N6-IRQL-01", ABOVE_NIC)
class TellsTheProtocolsFromADpc(InADpc):
    """Sends an event of plug and play upwards from a timer's function, at DISPATCH."""

    def mistake(self) -> None:
        self.adapter.net_pnp_event(NetEvent.QUERY_REMOVE_DEVICE)


class Top(Protocol):
    """Sends one packet when its binding restarts."""

    source = True

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is NetEvent.RESTART:
            self.send(binding)
        return Status.SUCCESS

    def send(self, binding: Binding) -> None:
        """Send it."""
        binding.send_net_buffer_lists(binding.allocate_net_buffer_lists(1, 64))

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        self.report_done()


@beast("N6-IRQL-01", ON_TOP)
class EndsItsPauseInADpc(Top):
    """Completes the pause of its binding in a timer's function; NdisCompleteNetPnPEvent is for PASSIVE only."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        if event is not NetEvent.PAUSE:
            return super().net_pnp_event(binding, event)
        self.set_timer(MS, binding.pause_complete)
        return Status.PENDING


@beast("N6-IRQL-01", ON_TOP)
class SendsAboveDispatch(Top):
    """Sends from an interrupt service routine."""

    def send(self, binding: Binding) -> None:
        chain = binding.allocate_net_buffer_lists(1, 64)
        old = self.raise_irql(Irql.DIRQL)
        binding.send_net_buffer_lists(chain)
        self.lower_irql(old)


@beast("N6-IRQL-01", ON_TOP)
class AllocatesAboveDispatch(Top):
    """Allocates a packet in an interrupt service routine."""

    def send(self, binding: Binding) -> None:
        old = self.raise_irql(Irql.DIRQL)
        chain = binding.allocate_net_buffer_lists(1, 64)
        self.lower_irql(old)
        binding.send_net_buffer_lists(chain)


@beast("N6-IRQL-02", ABOVE_NIC)
class ClaimsToBeAtDispatch(Nic):
    """Completes with DISPATCH_LEVEL set though it is at PASSIVE."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        super().finish(chain, SendCompleteFlags.DISPATCH_LEVEL)


@beast("N6-IRQL-02", "policy: {delivery_irql: dispatch}\n" + ABOVE_NIC)
class MeasuresToClaim(Nic):
    """Asks for the IRQL to set DISPATCH_LEVEL from the answer, which is right this time."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        at_dispatch = self.current_irql() == Irql.DISPATCH
        super().finish(chain, SendCompleteFlags.DISPATCH_LEVEL if at_dispatch else 0)


@beast("N6-LOCK-01", ABOVE_NIC)
class ReturnsWithALock(Nic):
    """Returns from its send handler without releasing its lock."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        super().finish(chain)
        self.lock.acquire()


@beast("N6-LOCK-01", ABOVE_NIC)
class AcquiresTwice(Nic):
    """Acquires a lock that it holds: it would spin for ever."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        with self.lock:
            self.lock.acquire()
        super().finish(chain)


@beast("N6-LOCK-01", ABOVE_NIC)
class ReleasesTwice(Nic):
    """Releases a lock that it has released."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        with self.lock:
            pass
        self.lock.release()
        super().finish(chain)


@beast("N6-LOCK-01", ABOVE_NIC)
class AcquiresForADpcAtPassive(Nic):
    """Uses NdisDprAcquireSpinLock at PASSIVE, which does not raise the IRQL."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        self.lock.acquire_dpr()
        self.lock.release_dpr()
        self.lower_irql(Irql.PASSIVE)
        super().finish(chain)


@beast("N6-LOCK-01", "policy: {delivery_irql: dispatch}\n" + ABOVE_NIC)
class MixesTheReleases(Nic):
    """Acquires with NdisAcquireSpinLock and releases with NdisDprReleaseSpinLock."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        self.lock.acquire()
        self.lock.release_dpr()
        super().finish(chain)


@beast("N6-LOCK-01", ABOVE_NIC)
class ReleasesInTheOrderOfAcquisition(Nic):
    """Releases the outer of two locks first, and so runs below DISPATCH with the inner one."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        self.lock.acquire()
        self.other.acquire()
        self.lock.release()
        self.other.release()
        super().finish(chain)


@beast("N6-LOCK-02", ABOVE_NIC)
class CompletesUnderALock(Nic):
    """Completes sends with a lock held that a completion's handler may want."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        with self.lock:
            super().finish(chain)


@beast("N6-LOCK-02", ON_TOP)
class SendsUnderALock(Top):
    """Sends with a lock held that its completion handler may want, which may run before the call returns."""

    def send(self, binding: Binding) -> None:
        with self.allocate_spin_lock("queue"):
            super().send(binding)


@beast("N6-LOCK-02", ABOVE_NIC)
class IndicatesUnderALock(Nic):
    """Indicates a received packet with a lock held that its return handler may want."""

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        with self.lock:
            received = self.adapter.allocate_net_buffer_lists(1, 64)
            self.adapter.indicate_receive_net_buffer_lists(received)
        super().finish(chain)


@beast("DV-LOCK-01", ABOVE_NIC)
class AcquiresBothWaysRound(InADpc):
    """Acquires two locks in one order when it gets sends and in the other when it completes them."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        with self.lock, self.other:
            pass
        super().send_net_buffer_lists(adapter, chain, flags)

    def mistake(self) -> None:
        with self.other, self.lock:
            pass
