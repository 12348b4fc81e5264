"""Reset of a miniport adapter, as NDIS runs it (N6-RST).

NDIS or the miniport asks; RESET_START goes up, the handler runs, and RESET_END goes up when the reset has been
completed. Meanwhile NDIS refuses sends and OIDs. Nothing outstanding is aborted by NDIS: from version 6.30 on the
miniport completes all of it first, before that it may hold sends and OIDs across the reset (N6-RST-03).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.metrics import NodeState
from nodes.ndis.indication import StatusIndication
from nodes.ndis.owed import oldest_send, sends_owed
from nodes.status import Status, status_name

if TYPE_CHECKING:
    from nodes.ndis.adapter import Adapter
    from nodes.ndis.miniport import Miniport
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]
HOLDING_ENDS = (6, 30)
"""The NDIS version from which on nothing is held across a reset."""
FINAL = (Status.SUCCESS, Status.SOFT_ERRORS, Status.HARD_ERRORS)
RESET_STATUSES = frozenset({Status.REQUEST_ABORTED})
"""What a send aborted by reset may carry beside RESET_IN_PROGRESS (contradiction 2)."""
_RESETTABLE = (NodeState.PAUSED, NodeState.RESTARTING, NodeState.RUNNING, NodeState.PAUSING)


class Resets:
    """The resets of one adapter, one at a time; `active` while one is under way."""

    def __init__(self, node: Node, adapter: Adapter) -> None:
        self.active = False
        self.count = 0
        self._node = node
        self._adapter = adapter
        self._pending = False
        self._scheduled = False
        self._replies: list[Reply] = []

    def schedule(self) -> None:
        """Begin a reset after the handler that runs now (NdisMResetMiniport, N6-RST-01)."""
        if not self._scheduled:
            self._scheduled = True
            self._node.defer(self._begin_scheduled)

    def begin(self, reply: Reply | None = None) -> None:
        """Begin a reset; `reply` is called when it has ended, also if one was under way (N6-RST-02)."""
        state = self._node.lifecycle.state
        if state not in _RESETTABLE:
            if reply is not None:
                reply({"ok": False, "error": f"reset is not allowed in state {state.name}"})
            return
        if reply is not None:
            self._replies.append(reply)
        if self.active:
            return
        self.active = self._pending = True
        self._adapter.oids_above.refuse = Status.RESET_IN_PROGRESS
        if self._node.policy.reset_status == "both":
            self._adapter.also_allowed |= RESET_STATUSES
        self._adapter.indicator.pass_on(StatusIndication(Status.RESET_START))
        driver: Miniport = self._node.driver  # type: ignore[assignment]
        self._answered(driver.reset())

    def complete(self, status: int, addressing_reset: bool = False) -> None:
        """End a reset that was answered with PENDING (NdisMResetComplete); without one it breaks N6-RST-02."""
        if not self._pending:
            self._node.complain("N6-RST-02", 0, "reset was completed, but no reset is pending")
            return
        self._pending = False
        if status not in FINAL:
            self._node.complain("N6-RST-02", 0, f"reset was completed with {status_name(status)}")
        self._end(status, addressing_reset)

    def aborts_wrongly(self, status: int) -> bool:
        """Return whether a send that ends with this status during a reset should have said why (N6-RST-04)."""
        if status == Status.PAUSED:
            return self._node.lifecycle.running
        return status == Status.FAILURE

    def watch_for_hang(self, driver: Miniport) -> None:
        """Ask the driver at its interval whether it hangs, from the end of its initialisation to its halt."""
        node = self._node

        def ask() -> None:
            if node.lifecycle.state in _RESETTABLE and node.driver is driver and not self.active:
                self._check_for_hang(driver)
            if node.lifecycle.state is not NodeState.HALTED and node.driver is driver:
                self.watch_for_hang(driver)

        node.timers.at(node.clock.now() + driver.check_for_hang_interval, lambda: node.defer(ask))

    def _check_for_hang(self, driver: Miniport) -> None:
        """Ask once, at PASSIVE; reset what hangs, or has left an OID unanswered for two intervals (N6-OID-10)."""
        node = self._node
        began = node.clock.now()
        hangs = driver.check_for_hang()
        if node.irql.dirty:
            node.irql.settle()
        now = node.clock.now()
        oldest_oid = self._adapter.oids_above.oldest
        if now - began >= node.policy.handler_limit:
            node.complain("N6-RST-11", 0, "the hang check blocked")
        if hangs or (oldest_oid is not None and oldest_oid <= now - 2 * driver.check_for_hang_interval):
            self.begin()
        elif driver.ndis_version >= HOLDING_ENDS and oldest_send(node) <= now - driver.send_limit:
            node.complain("N6-RST-11", 0, "a send is stuck, but the hang check says that all is well")

    def _begin_scheduled(self) -> None:
        self._scheduled = False
        self.begin()

    def _answered(self, answer: Status | tuple[Status, bool]) -> None:
        status, addressing_reset = answer if isinstance(answer, tuple) else (answer, False)
        if status == Status.PENDING:
            return
        if not self._pending:
            self._node.complain("N6-RST-02", 0, "reset was completed, but its handler did not return PENDING")
            return
        self._pending = False
        if status not in (*FINAL, Status.RESET_IN_PROGRESS):
            self._node.complain("N6-RST-02", 0, f"the reset handler returned {status_name(status)}")
        self._end(status, addressing_reset)

    def _end(self, status: int, addressing_reset: bool) -> None:
        self._check_nothing_held()
        self.active = False
        self.count += 1
        self._adapter.oids_above.refuse = None
        if not self._adapter.oids_above.removed:
            self._adapter.also_allowed -= RESET_STATUSES
        self._adapter.indicator.pass_on(StatusIndication(Status.RESET_END))
        if addressing_reset:
            self._adapter.oids_above.set_again()
        elif status in (Status.SUCCESS, Status.SOFT_ERRORS):
            self._adapter.oids_above.check_settings()
        replies, self._replies = self._replies, []
        for reply in replies:
            reply({"ok": True, "value": status_name(status)})

    def _check_nothing_held(self) -> None:
        hold = self._node.policy.reset_hold
        version: tuple[int, int] = self._node.driver.ndis_version  # type: ignore[attr-defined]
        if hold == "always" or (hold == "by-version" and version < HOLDING_ENDS):
            return
        sends, oids = sends_owed(self._node), self._adapter.oids_above.outstanding
        if sends or oids:
            text = f"the reset has ended with {sends} sends and {oids} OIDs not completed"
            self._node.complain("N6-RST-03", 0, text)
