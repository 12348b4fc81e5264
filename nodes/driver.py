"""The base of all driver layers: what every driver has, whatever its place in the stack.

A driver runs on one dispatcher thread; its handlers are called from there only. It gets time from `now`, chance from
`rng`, later calls from `set_timer`, and never blocks. It owns the packets that a handler is given until it hands them
on (sends, completes, indicates, returns them); after that it may not touch them (N6-SEND-03). A driver cannot tell
whether its neighbour lives in this process or in another.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nodes.irql import Irql, SpinLock
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.crossings.crossing import Op
    from nodes.crossings.message import Message
    from nodes.crossings.port import Port
    from nodes.ndis.oid import OidRequest
    from nodes.node import Node
    from nodes.packets.chain import NblChain
    from nodes.rng import Rng
    from nodes.timers import Timer


@dataclass(frozen=True)
class NoOptions:
    """The options of a driver that has none."""


class Driver:
    """A driver layer.

    `kind` is its place in the stack (``protocol``, ``filter``, ``intermediate``, ``miniport``), `Options` the frozen
    dataclass of its options, `source` whether it makes traffic of its own and says when it is done. `originates` says
    that a filter or an intermediate driver sends packets of its own too, clones included, which then count as accepted.
    `upper_edge` and `lower_edge` say what it speaks there: ``ndis``, or ``wan`` between NDISWAN and its miniports.
    `backfill` is how many bytes the layer puts before the data of sends, for those above to plan with (N6-NBL-16).
    `stands_in` marks what NDIS itself puts in a driver's place while that is halted.
    """

    kind: ClassVar[str] = ""
    Options: ClassVar[type[Any]] = NoOptions
    source: ClassVar[bool] = False
    originates: ClassVar[bool] = False
    stands_in: ClassVar[bool] = False
    backfill: ClassVar[int] = 0
    default_pool_size: ClassVar[int] = 0
    generation: ClassVar[int] = 6
    upper_edge: ClassVar[str] = "ndis"
    lower_edge: ClassVar[str] = "ndis"

    def __init__(self, node: Node, options: Any) -> None:
        self._node = node
        self.options = options

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return how many packets the node's pool needs for these options."""
        return cls.default_pool_size

    @property
    def name(self) -> str:
        """Return the node's name."""
        return self._node.name

    @property
    def now(self) -> int:
        """Return the time in ns."""
        return self._node.clock.now()

    @property
    def rng(self) -> Rng:
        """Return the run's chance: draws keyed by stream name and packet id."""
        return self._node.rng

    def set_timer(self, delay: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once from the dispatcher after `delay` ns, at DISPATCH_LEVEL (NdisSetTimerObject)."""
        self._node.irql.check("NdisSetTimerObject")
        return self._node.timers.at(self.now + delay, callback, of_driver=True)

    def queue_work_item(self, callback: Callable[[], None]) -> None:
        """Call `callback` once soon from the dispatcher, at PASSIVE_LEVEL (NdisQueueIoWorkItem)."""
        self._node.irql.run_at_passive(callback)

    def wait(self, condition: Callable[[], bool], limit: int) -> bool:
        """Block until `condition` holds, at most `limit` ns; return whether it does (KeWaitForSingleObject).

        Completions and returns reach their handlers meanwhile and timers run; new work waits. Allowed at
        PASSIVE_LEVEL only (N6-IRQL-01).
        """
        self._node.irql.check("NdisWaitEvent")
        return self._node.waiting.until(condition, limit)

    def allocate_spin_lock(self, name: str) -> SpinLock:
        """Return a spin lock, free; `name` is what violations call it (NdisAllocateSpinLock, N6-LOCK-01)."""
        return SpinLock(self._node.irql, self._node, name)

    def current_irql(self) -> Irql:
        """Return the IRQL (KeGetCurrentIrql); DISPATCH_LEVEL flags must not be made from it (N6-IRQL-02)."""
        return self._node.irql.measure()

    def raise_irql(self, level: Irql) -> Irql:
        """Raise the IRQL and return the old one (NDIS_RAISE_IRQL_TO_DISPATCH)."""
        return self._node.irql.raise_to(level)

    def lower_irql(self, level: Irql) -> None:
        """Lower the IRQL to what it was before it was raised (NDIS_LOWER_IRQL)."""
        self._node.irql.lower_to(level)

    def stall_execution(self, microseconds: int) -> None:
        """Spin for at most 50 us (NdisStallExecution, N6-RST-08); no time passes here."""
        self._node.irql.stall(microseconds)

    def free(self, chain: NblChain) -> None:
        """Give packets of the node's own pool back to it (NdisFreeNetBufferList)."""
        if self._node.irql.level:
            self._node.irql.check("NdisFreeNetBufferList")
        self._node.free(chain)

    def report_done(self) -> None:
        """Say that this source has sent all it wanted and that all of it came back."""
        self._node.report_done()

    def start(self) -> None:
        """Open what the driver needs, Halted to Paused; called by the runtime."""

    def restart_layer(self) -> Status | None:
        """Let data flow, Paused to Running; called by the runtime.

        Nothing or SUCCESS, PENDING until `restart_complete`, or a failure, which leads back to Paused (N6-PNP-07).
        """
        return None

    def restart_complete(self, status: Status) -> None:
        """End a restart that was answered with PENDING (NdisMRestartComplete, NdisFRestartComplete, N6-PNP-05)."""
        self._node.irql.check("NdisFRestartComplete" if self.kind == "filter" else "NdisMRestartComplete")
        self._node.lifecycle.restart_complete(status)

    def layer_settled(self) -> bool:
        """Return whether nothing more is to be waited for in a pause than what was handed over; for the runtime."""
        return True

    def layer_paused(self) -> None:
        """Note that the pause has ended; called by the runtime."""

    def pause_layer(self) -> Status:
        """Stop data, Running to Paused: SUCCESS, or PENDING until `pause_complete` (N6-PNP-02)."""
        return Status.SUCCESS

    def pause_complete(self) -> None:
        """End a pause that was answered with PENDING (NdisMPauseComplete, NdisFPauseComplete, N6-PNP-05)."""
        self._node.irql.check("NdisFPauseComplete" if self.kind == "filter" else "NdisMPauseComplete")
        self._node.lifecycle.pause_complete()

    def stop(self) -> None:
        """Release everything, Paused to Halted; called by the runtime."""

    def successor(self) -> Driver:
        """Return the driver that comes up in this one's place when its halted node is initialized again: a new one."""
        return type(self)(self._node, self.options)

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Take one call or reply that arrived; the rooms turn it into handler calls."""
        raise NotImplementedError(f"a {self.kind or 'bare'} driver takes no {op.name}")

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Take a notice that arrived; the rooms turn it into handler calls."""

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Take a message that arrived; the rooms turn it into handler calls, and here nobody takes any."""
        message.answer(Status.NOT_SUPPORTED)

    def submit_oid(self, request: OidRequest, finish: Callable[[OidRequest, int], None]) -> None:
        """Have a request of a user of the run answered; `finish` gets the final status. Here nobody answers any."""
        finish(request, Status.NOT_SUPPORTED)

    def awaited_verdicts(self, port: Port) -> Set[int]:
        """Return the handles of packets for whose verdict a call to this neighbour waits."""
        return frozenset()

    def neighbour_died(self, port: Port) -> None:
        """Note that a neighbour is dead: what was out to it is coming back; called by the runtime."""

    def broken(self, rule: str, handle: int) -> str:
        """Return the id of a rule that this driver broke, where receives or its generation have one of their own."""
        return self._node.loans.broken(rule, handle)

    def bypasses(self, op: Op) -> bool:
        """Return whether this driver has no handler for `op`, so that the runtime passes it on (N6-FLT-07)."""
        return False

    def pass_on(self, port: Port, op: Op, chain: NblChain, meta: Any) -> None:
        """Pass on a batch of requests for which `bypasses` is true, with its meta words."""
        raise NotImplementedError

    def pass_back(self, port: Port, op: Op, chain: NblChain, meta: Any) -> None:
        """Pass back a batch of replies for which `bypasses` is true, with its meta words."""
        raise NotImplementedError
