"""The states of a node and the commands that move it (N6-PNP-01).

    Halted -> initialize -> Paused -> restart -> Running -> pause -> Paused -> halt -> Halted

A command in a state that has no row for it is refused. Pausing ends when the driver says so and everything that
this node handed over has come back (N6-PNP-03, N6-PNP-09, N6-PNP-10); restarting when the driver says so, a failed
one in Paused (N6-PNP-07). A node that was halted may be initialized again: with a new driver, on the same ports,
packets and counters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.crossings.dead_peer import DeadPeer
from nodes.metrics import NodeState
from nodes.ndis.oid_command import run_oid_command
from nodes.ndis.pnp import PnpCommands
from nodes.status import Status, status_name
from shm.board import Word

if TYPE_CHECKING:
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]

TRANSITIONS: dict[tuple[NodeState, str], NodeState] = {
    (NodeState.HALTED, "initialize"): NodeState.INITIALIZING,
    (NodeState.PAUSED, "restart"): NodeState.RESTARTING,
    (NodeState.RUNNING, "pause"): NodeState.PAUSING,
    (NodeState.PAUSED, "halt"): NodeState.HALTED,
    (NodeState.PAUSED, "detach"): NodeState.HALTED,
    (NodeState.PAUSED, "shutdown"): NodeState.SHUTDOWN,
    (NodeState.RESTARTING, "shutdown"): NodeState.SHUTDOWN,
    (NodeState.RUNNING, "shutdown"): NodeState.SHUTDOWN,
    (NodeState.PAUSING, "shutdown"): NodeState.SHUTDOWN,
}
"""The state entered by each command; a blank cell is a refusal."""

URGENT = frozenset({"peer_died"})
"""Commands that are carried out even while the driver waits in a handler."""
_ONLY = {"detach": "filter", "shutdown": "miniport"}


class Lifecycle:
    """One node's state machine; `pnp` carries out what concerns a single binding, or the device."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.state = NodeState.HALTED
        self.pnp = PnpCommands(node)
        self.exit_requested = False
        self._instances = 0
        self._pause_reply: Reply | None = None
        self._pause_pending = False
        self._pause_due = 0
        self._check_pause = True
        self._restart_reply: Reply | None = None

    @property
    def running(self) -> bool:
        """Return whether sends are taken: in Running only (N6-PNP-04)."""
        return self.state is NodeState.RUNNING

    @property
    def indicating(self) -> bool:
        """Return whether receives may be indicated: already while restarting (N6-PNP-07, N6-RX-12)."""
        return self.state in (NodeState.RUNNING, NodeState.RESTARTING)

    def command(self, name: str, arguments: dict[str, Any], reply: Reply) -> None:
        """Carry out one command; `reply` gets ``{"ok": True, "value": ...}`` or ``{"ok": False, "error": ...}``."""
        if name == "settle":
            reply({"ok": True, "value": self._settle()})
        elif name == "describe":
            reply({"ok": True, "value": {"state": self.state.name, "held": self._node.custody.count}})
        elif name == "exit":
            self.exit_requested = True
            reply({"ok": True, "value": None})
        elif name == "peer_died":
            self._bury(arguments["edges"])
            reply({"ok": True, "value": None})
        elif name == "oid":
            run_oid_command(self._node, arguments, reply)
        elif name == "fault":
            self._node.faults.command(arguments)
            reply({"ok": True, "value": None})
        elif self.pnp.knows(name):
            self.pnp.command(name, arguments, reply)
        elif (self.state, name) in TRANSITIONS and _ONLY.get(name) in (None, self._node.driver.kind):
            self._move(name, arguments, reply)
        else:
            reply({"ok": False, "error": f"{name} is not allowed in state {self.state.name}"})

    def advance(self) -> None:
        """End a pause whose conditions now hold."""
        if self.pnp.busy or self._pause_reply is not None:
            self._node.publish()  # what was given back just now is no reason to wait
        if self.pnp.busy:
            self.pnp.advance()
        if self._pause_reply is None:
            return
        self._watch_pause()
        self._node.publish()  # a last reply that is yet to leave is nothing to wait for: nobody answers it
        if (
            self._pause_pending
            or not self._node.driver.layer_settled()
            or not all(port.idle for port in self._node.ports)
        ):
            return
        reply, self._pause_reply = self._pause_reply, None
        self._node.driver.layer_paused()
        if self._check_pause:
            self.pnp.check_paused()
        self._enter(NodeState.PAUSED)
        reply({"ok": True, "value": None})

    def _watch_pause(self) -> None:
        """Report, once, a filter that takes too long to pause."""
        node = self._node
        if self._pause_due and node.clock.now() >= self._pause_due:
            self._pause_due = 0
            node.complain("N6-PNP-11", 0, f"the filter has not paused in {node.policy.pause_limit / 1e9:g} s")

    def pause_complete(self) -> None:
        """End a pause that the driver answered with PENDING; without one it is a violation (N6-PNP-05)."""
        if not self._pause_pending:
            self._node.complain("N6-PNP-05", 0, "pause was completed, but no pause is pending")
        self._pause_pending = False

    def restart_complete(self, status: int) -> None:
        """End a restart that the driver answered with PENDING; without one it is a violation (N6-PNP-05)."""
        if self._restart_reply is None:
            self._node.complain("N6-PNP-05", 0, "restart was completed, but no restart is pending")
            return
        reply, self._restart_reply = self._restart_reply, None
        if status == Status.SUCCESS:
            self._enter(NodeState.RUNNING)
            reply({"ok": True, "value": None})
        else:
            self._enter(NodeState.PAUSED)
            reply({"ok": False, "error": f"restart failed with {status_name(status)}, the node is paused"})

    @property
    def _restart_pending(self) -> bool:
        return self._restart_reply is not None

    def failed(self) -> None:
        """Enter the state of a node whose driver raised."""
        if self._node.board.words[Word.STATE] not in (NodeState.BUGCHECKED, NodeState.CRASHED):
            self._enter(NodeState.FAILED)

    def _move(self, name: str, arguments: dict[str, Any], reply: Reply) -> None:
        if name in ("halt", "detach") and (held := self.pnp.outstanding()):
            reply({"ok": False, "error": f"{name} with work outstanding (N6-PNP-13): {held}"})
            return
        self._enter(TRANSITIONS[self.state, name])
        if name == "initialize":
            self._node.calibrate()
            self._begin_instance()
            self._enter(NodeState.PAUSED)
        elif name == "restart":
            self._restart(reply)
            return
        elif name == "pause":
            self._check_pause = bool(arguments.get("check", True))
            self._pause(reply)
            return
        elif name == "shutdown":
            self.pnp.shut_down()
        else:
            self.pnp.halt(arguments)
            self._node.originated.check_leaks()
            if name == "detach":
                self.pnp.step_aside()
        reply({"ok": True, "value": None})

    def _begin_instance(self) -> None:
        """Start the driver; where one was halted before, a new one in its place."""
        if self._instances:
            self._node.driver = self._node.driver.successor()
        self._instances += 1
        self._node.driver.start()

    def _restart(self, reply: Reply) -> None:
        self._restart_reply = reply
        status: Status | None = self._node.driver.restart_layer()
        if status == Status.PENDING:
            return
        if not self._restart_pending:
            self._node.complain(
                "N6-PNP-05", 0, "restart was completed, but its handler did not return PENDING"
            )
            return
        self.restart_complete(Status.SUCCESS if status is None else status)

    def _pause(self, reply: Reply) -> None:
        self._pause_reply = reply
        limited = self._node.driver.kind == "filter"
        self._pause_due = self._node.clock.now() + self._node.policy.pause_limit if limited else 0
        self._pause_pending = True  # a driver may complete the pause before its handler returns PENDING
        status = self._node.driver.pause_layer()
        self._node.faults.let_go()
        if status != Status.PENDING and not self._pause_pending:
            self._node.complain("N6-PNP-05", 0, "pause was completed, but its handler did not return PENDING")
        self._pause_pending &= status == Status.PENDING
        if status not in (Status.SUCCESS, Status.PENDING):
            self._node.complain(
                "N6-PNP-02", 0, f"pause returned {status!r}; only SUCCESS and PENDING are allowed"
            )

    def _settle(self) -> dict[str, Any]:
        """Say whether anything is still on its way; what a driver above keeps has arrived, and is not."""
        ports = self._node.ports
        living = [port for port in ports if not port.dead]
        on_the_way = [port for port in ports if port.spec.kind == "wire" or port.spec.side == "upper"]
        return {
            "quiet": all(port.idle for port in on_the_way),
            "sent": sum(port.producer.position for port in living),
            "received": sum(port.consumer.position for port in living),
        }

    def _bury(self, edges: list[int]) -> None:
        """Cut off the neighbours at these edges, which are dead."""
        for port in self._node.ports:
            if port.spec.edge in edges and not port.dead:
                self._node.faults.catch_up(port)
                DeadPeer(self._node, port)

    def _enter(self, state: NodeState) -> None:
        self.state = state
        self._node.board.words[Word.STATE] = state
