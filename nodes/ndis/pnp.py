"""What NDIS does with a driver beside its states: events, single bindings, device removal, reset, halt.

The commands of the orchestrator arrive here; the order in which a stack is taken through them is its business
(N6-PNP-08, N6-UNB-04).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.ndis.net_event import NetEvent
from nodes.ndis.owed import receives_kept, sends_owed
from nodes.ndis.states import BINDING_COMMANDS, REMOVAL_STATUSES, BindingStates, DevicePnpEvent, HaltAction
from nodes.status import status_name

if TYPE_CHECKING:
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]

_DEVICE_COMMANDS = frozenset({"device_pnp_event", "unplug", "reset"})


class PnpCommands:
    """The commands that do not move the node itself from state to state."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bindings = BindingStates(node)

    @property
    def busy(self) -> bool:
        """Return whether a binding is being paused or closed."""
        return self._bindings.busy

    def knows(self, name: str) -> bool:
        """Return whether this is a command for here."""
        return name in BINDING_COMMANDS or name in _DEVICE_COMMANDS

    def advance(self) -> None:
        """End what can end now."""
        self._bindings.advance()

    def command(self, name: str, arguments: dict[str, Any], reply: Reply) -> None:
        """Carry out a command; an event that this kind of driver does not know is refused."""
        driver = self._node.driver
        if name == "net_pnp_event" and driver.kind == "filter":
            status = driver.net_pnp_event(NetEvent(arguments["event"]))  # type: ignore[attr-defined]
            reply({"ok": True, "value": status_name(status)})
        elif name in BINDING_COMMANDS:
            self._bindings.command(name, arguments, reply)
        elif driver.kind != "miniport":
            reply({"ok": False, "error": f"{name} is for a miniport, this is a {driver.kind}"})
        elif name == "reset":
            driver.adapter.resets.begin(reply)  # type: ignore[attr-defined]
        elif name == "unplug":
            driver.adapter.present = False  # type: ignore[attr-defined]
            reply({"ok": True, "value": None})
        else:
            self._device_event(DevicePnpEvent(arguments["event"]))
            reply({"ok": True, "value": None})

    def outstanding(self) -> str:
        """Say what keeps a layer from being halted, empty if nothing does (N6-PNP-13); OIDs are aborted then."""
        node = self._node
        out = sum(port.outstanding for port in node.ports)
        sends = sends_owed(node)
        found = {"packets that are out": out, "sends not completed": sends}
        return ", ".join(f"{count} {what}" for what, count in found.items() if count)

    def check_paused(self) -> None:
        """Check at the end of a pause that nothing of others is left with the driver (N6-PNP-03, N6-PNP-10)."""
        node = self._node
        rule = {"miniport": "N6-PNP-03", "intermediate": "N6-PNP-03", "filter": "N6-PNP-10"}.get(
            node.driver.kind
        )
        if rule is not None and (count := sends_owed(node)):
            node.complain(rule, 0, f"the pause has ended, but the driver still has {count} sends of others")
        elif rule == "N6-PNP-10" and len(kept := receives_kept(node)):
            text = f"the pause has ended, but the filter still has {len(kept)} receives of others"
            node.complain(rule, int(node.custody.held[kept[0]]), text)

    def halt(self, arguments: dict[str, Any]) -> None:
        """Halt or detach the driver, then see which timers it left (N6-PNP-13, N6-PNP-14)."""
        node, driver = self._node, self._node.driver
        adapter = getattr(driver, "adapter", None)
        if adapter is not None:
            adapter.halt_action = HaltAction(arguments.get("reason", HaltAction.DISABLED))
        driver.stop()
        timers = node.timers.cancel_all_of_driver()
        if timers and driver.kind in ("miniport", "intermediate"):
            node.complain("N6-PNP-14", 0, f"halted with {timers} timers set")

    def shut_down(self) -> None:
        """Tell the miniport that the system goes down."""
        driver: Any = self._node.driver
        driver.shutdown(driver.adapter)

    def step_aside(self) -> None:
        """Let packets pass where the filter was."""
        driver: Any = self._node.driver
        driver.step_aside()

    def _device_event(self, event: DevicePnpEvent) -> None:
        driver: Any = self._node.driver
        adapter = driver.adapter
        adapter.present = False
        adapter.oids_above.removed = True
        if self._node.policy.removal_status == "any":
            adapter.also_allowed |= REMOVAL_STATUSES
        driver.device_pnp_event_notify(adapter, event)
