"""What is alike at all edges of a driver: pause, restart and halt of its bindings, and sends that enter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from nodes.ndis.states import BindingState
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.ndis.adapter import Adapter
    from nodes.ndis.binding import Binding
    from nodes.node import Node
    from nodes.packets.chain import NblChain


class Binder(Protocol):
    """A driver with bindings below, as far as they are opened."""

    bindings: list[Binding]

    def open_lower(self, binding: Binding) -> None:
        """Make the binding's requests end in the driver's handlers."""

    def bind_adapter(self, binding: Binding) -> None:
        """Learn of the binding."""


def bind(driver: Binder, binding: Binding) -> None:
    """Offer a new binding to its driver, in the place of the one that was undone if there was one (N6-UNB-01)."""
    for place, before in enumerate(driver.bindings):
        if before.edge == binding.edge:
            driver.bindings[place] = binding
            break
    else:
        driver.bindings.append(binding)
    driver.open_lower(binding)
    driver.bind_adapter(binding)
    binding.move("opened")


def enter_send(
    node: Node,
    handler: Callable[[Adapter, NblChain, int], object],
    edge: Adapter,
    chain: NblChain,
    flags: int,
) -> None:
    """Call a miniport's send handler; a verdict that it returns breaks N6-SEND-09 and means nothing to anyone."""
    verdict = handler(edge, chain, flags)
    if verdict is not None:
        node.complain(
            "N6-SEND-09", 0, f"the send handler returned {verdict!r}; every send is completed by a call"
        )


def restart(bindings: Sequence[Binding]) -> Status:
    """Restart every paused binding; return SUCCESS, or the first failure if none runs."""
    answers = [binding.restart() for binding in bindings if binding.state is BindingState.PAUSED]
    failed = [status for status in answers if status != Status.SUCCESS]
    return failed[0] if failed and len(failed) == len(answers) else Status.SUCCESS


def pause(bindings: Sequence[Binding]) -> Status:
    """Begin to pause every running binding."""
    for binding in bindings:
        if binding.state is BindingState.RUNNING:
            binding.begin_pause()
    return Status.SUCCESS


def settled(bindings: Sequence[Binding]) -> bool:
    """Return whether every binding that is being paused may be counted as paused."""
    return all(binding.settled for binding in bindings if binding.state is BindingState.PAUSING)


def note_paused(bindings: Sequence[Binding]) -> None:
    """End the pauses."""
    for binding in bindings:
        if binding.state is BindingState.PAUSING:
            binding.move("paused")


def complete_pauses(node: Node, bindings: Sequence[Binding]) -> None:
    """End the pauses that the driver answered with PENDING; without one it is a violation (N6-PNP-05)."""
    pending = [binding for binding in bindings if binding.answer_pending == "pause"]
    for binding in pending:
        binding.pause_complete()
    if not pending:
        node.complain("N6-PNP-05", 0, "pause was completed, but no pause is pending")


def unbind(bindings: Sequence[Binding]) -> None:
    """Undo every binding that is left, as its driver halts; PENDING is too late then (N6-UNB-02)."""
    for binding in bindings:
        if binding.answer_pending == "unbind":
            binding.never_unbound()
        elif binding.state is BindingState.PAUSED:
            binding.begin_unbind()
            if binding.answer_pending:
                binding.unbind_complete()
            binding.end_unbind()
