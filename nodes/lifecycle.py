"""The states of a node and the commands that move it (N6-PNP-01).

    Halted -> initialize -> Paused -> restart -> Running -> pause -> Paused -> halt -> Halted

A command in a state that has no row for it is refused. Pausing ends when the driver says so and everything that
this node handed over has come back (N6-PNP-03, N6-PNP-09, N6-PNP-10).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.metrics import NodeState
from nodes.ndis.oid_command import run_oid_command
from nodes.status import Status
from shm.board import Word

if TYPE_CHECKING:
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]

TRANSITIONS: dict[tuple[NodeState, str], NodeState] = {
    (NodeState.HALTED, "initialize"): NodeState.INITIALIZING,
    (NodeState.PAUSED, "restart"): NodeState.RESTARTING,
    (NodeState.RUNNING, "pause"): NodeState.PAUSING,
    (NodeState.PAUSED, "halt"): NodeState.HALTED,
}
"""The state entered by each command; a blank cell is a refusal."""


class Lifecycle:
    """One node's state machine."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.state = NodeState.HALTED
        self._pause_reply: Reply | None = None
        self._pause_pending = False
        self.exit_requested = False

    @property
    def running(self) -> bool:
        """Return whether sends are taken: in Running only (N6-PNP-04)."""
        return self.state is NodeState.RUNNING

    def command(self, name: str, arguments: dict[str, Any], reply: Reply) -> None:
        """Carry out one command; `reply` gets ``{"ok": True, "value": ...}`` or ``{"ok": False, "error": ...}``."""
        if name == "settle":
            reply({"ok": True, "value": self._settle()})
        elif name == "describe":
            reply({"ok": True, "value": {"state": self.state.name, "held": self._node.custody.count}})
        elif name == "exit":
            self.exit_requested = True
            reply({"ok": True, "value": None})
        elif name == "oid":
            run_oid_command(self._node, arguments, reply)
        elif (self.state, name) in TRANSITIONS:
            self._move(name, reply)
        else:
            reply({"ok": False, "error": f"{name} is not allowed in state {self.state.name}"})

    def advance(self) -> None:
        """End a pause whose conditions now hold."""
        if (
            self._pause_reply is None
            or self._pause_pending
            or not all(port.idle for port in self._node.ports)
        ):
            return
        reply, self._pause_reply = self._pause_reply, None
        self._enter(NodeState.PAUSED)
        reply({"ok": True, "value": None})

    def pause_complete(self) -> None:
        """End a pause that the driver answered with PENDING; without one it is a violation (N6-PNP-05)."""
        if not self._pause_pending:
            self._node.complain("N6-PNP-05", 0, "pause was completed, but no pause is pending")
        self._pause_pending = False

    def failed(self) -> None:
        """Enter the state of a node whose driver raised."""
        self._enter(NodeState.FAILED)

    def _move(self, name: str, reply: Reply) -> None:
        self._enter(TRANSITIONS[self.state, name])
        driver = self._node.driver
        if name == "initialize":
            driver.start()
            self._enter(NodeState.PAUSED)
        elif name == "restart":
            self._enter(NodeState.RUNNING)
            driver.restart_layer()
        elif name == "pause":
            self._pause(reply)
            return
        else:
            driver.stop()
            self._node.originated.check_leaks()
        reply({"ok": True, "value": None})

    def _pause(self, reply: Reply) -> None:
        self._pause_reply = reply
        self._pause_pending = True  # a driver may complete the pause before its handler returns PENDING
        status = self._node.driver.pause_layer()
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
        on_the_way = [port for port in ports if port.spec.kind == "wire" or port.spec.side == "upper"]
        return {
            "quiet": all(port.idle for port in on_the_way),
            "sent": sum(port.producer.position for port in ports),
            "received": sum(port.consumer.position for port in ports),
        }

    def _enter(self, state: NodeState) -> None:
        self.state = state
        self._node.board.words[Word.STATE] = state
