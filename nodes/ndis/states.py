"""The states of bindings, and the commands that move one binding while its driver's others go on (N6-PNP-01).

    Unbound -> open -> Opening -> Paused -> restart -> Restarting -> Running -> pause -> Pausing -> Paused
    Paused -> close -> Closing -> Unbound

Undone, a binding stays so; a new one may be opened in its place.
A blank cell of the table is a refusal. A binding lands in Paused when it is opened. Pausing ends when the driver says
so and all its packets are back (N6-PNP-09); closing ends when nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from nodes.ndis.net_event import NetEvent
from nodes.status import Status, status_name

if TYPE_CHECKING:
    from nodes.ndis.binding import Binding
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]


class BindingState(Enum):
    """States of a binding of a protocol, or of an intermediate driver's lower edge."""

    UNBOUND = "unbound"
    OPENING = "opening"
    PAUSED = "paused"
    RESTARTING = "restarting"
    RUNNING = "running"
    PAUSING = "pausing"
    CLOSING = "closing"


class DevicePnpEvent(Enum):
    """What `device_pnp_event_notify` tells a miniport about its device."""

    SURPRISE_REMOVED = "surprise-removed"


REMOVAL_STATUSES = frozenset({Status.DEVICE_FAILED, Status.REQUEST_ABORTED})
"""What sends may carry after a surprise removal beside the usual (contradiction 10)."""


class HaltAction(IntEnum):
    """NDIS_HALT_ACTION: why a miniport is halted, with the Windows values."""

    DISABLED = 0
    INSTANCE_DEINITIALIZED = 1
    POWERED_DOWN = 2
    SURPRISE_REMOVED = 3


BINDING_TRANSITIONS: dict[tuple[BindingState, str], BindingState] = {
    (BindingState.UNBOUND, "open"): BindingState.OPENING,
    (BindingState.OPENING, "opened"): BindingState.PAUSED,
    (BindingState.PAUSED, "restart"): BindingState.RESTARTING,
    (BindingState.RESTARTING, "restarted"): BindingState.RUNNING,
    (BindingState.RESTARTING, "failed"): BindingState.PAUSED,
    (BindingState.RUNNING, "pause"): BindingState.PAUSING,
    (BindingState.PAUSING, "paused"): BindingState.PAUSED,
    (BindingState.PAUSED, "close"): BindingState.CLOSING,
    (BindingState.CLOSING, "closed"): BindingState.UNBOUND,
}
"""The state entered at each event; a blank cell is a refusal."""

BINDING_COMMANDS = frozenset({"pause_binding", "restart_binding", "unbind", "bind", "net_pnp_event"})


class BindingStates:
    """Carries out the commands that concern one binding of a node, named by its edge."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._ending: list[tuple[Binding, str, Reply]] = []

    def command(self, name: str, arguments: dict[str, Any], reply: Reply) -> None:
        """Carry out one of BINDING_COMMANDS; the reply comes when it has ended."""
        binding = self._find(arguments.get("edge"))
        if binding is None:
            reply({"ok": False, "error": f"{name}: this node has no binding on edge {arguments.get('edge')}"})
            return
        if name == "net_pnp_event":
            status = binding.tell(NetEvent(arguments["event"]))
            reply({"ok": True, "value": status_name(status)})
            return
        event = {"pause_binding": "pause", "restart_binding": "restart", "unbind": "close", "bind": "open"}[
            name
        ]
        if (binding.state, event) not in BINDING_TRANSITIONS:
            reply({"ok": False, "error": f"{name} is not allowed in state {binding.state.name}"})
        elif event == "open":
            self._open_again(binding)
            reply({"ok": True, "value": None})
        elif event == "pause":
            binding.begin_pause()
            self._ending.append((binding, "paused", reply))
        elif event == "close":
            binding.begin_unbind()
            self._ending.append((binding, "closed", reply))
        else:
            status = binding.restart()
            failed = {"ok": False, "error": f"restart failed with {status_name(status)}"}
            reply({"ok": True, "value": None} if status == Status.SUCCESS else failed)

    def advance(self) -> None:
        """End the pauses and closings whose conditions now hold."""
        for entry in [entry for entry in self._ending if entry[0].settled]:
            self._ending.remove(entry)
            binding, event, reply = entry
            if event == "closed":
                binding.end_unbind()
            else:
                binding.move(event)
            reply({"ok": True, "value": None})

    @property
    def busy(self) -> bool:
        """Return whether a pause or closing has not ended."""
        return bool(self._ending)

    def _open_again(self, undone: Binding) -> None:
        """Open a binding where one was undone."""
        port = next(port for port in self._node.ports if port.spec.edge == undone.edge)
        port.resetting = False
        driver: Any = self._node.driver
        driver.bind_port(port)

    def _find(self, edge: Any) -> Binding | None:
        bindings: list[Binding] = getattr(self._node.driver, "bindings", [])
        return next((binding for binding in bindings if binding.edge == edge), None)
