"""A cancel on its way through a node: the handler works on it, the runtime looks at what it did (N6-CAN-05 to -07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.status import Status
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node
    from nodes.packets.chain import NblChain

HIGH_BYTE = 56
"""Where the partial id of a cancel id begins."""
KEPT = 4096
"""How many packets that cancel handlers have completed are remembered before a new count begins."""


class Cancelling:
    """The cancel that a handler of this node is working on.

    `current` is its id, None outside of a handler; `passed` counts the cancels handed on below, `aborted` are packets
    that handlers have completed, `left` those that they left in the driver's hands, `watching` says that completions
    are to be looked at, from the first cancel on. A cancel completes nothing itself: what is cancelled still comes
    back once, by its completion (N6-CAN-04). One dispatcher runs handlers and completions, so that taking a packet out
    of a queue decides which of the two has it (N6-CAN-08).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.current: int | None = None
        self.passed = 0
        self.aborted: set[int] = set()
        self.left: set[int] = set()
        self.watching = False

    def check_id(self, cancel_id: int) -> None:
        """Report a protocol's cancel of an id that begins with another driver's partial id (N6-CAN-01)."""
        node = self._node
        if node.driver.kind == "protocol" and cancel_id >> HIGH_BYTE not in (0, node.custody.cancel_byte):
            text = (
                f"cancel {cancel_id:#x} begins with the partial id of another driver, whose sends it may hit"
            )
            node.complain("N6-CAN-01", 0, text)

    def run(
        self, port: Port, cancel_id: int, handler: Callable[[int], None], *, missing: bool, passes_on: bool
    ) -> None:
        """Call a cancel handler and check what it did.

        A driver without one of its own (`missing`) may hold no packet with this id, except parents of packets that it
        has sent on (N6-CAN-07); a layer with one below
        must have passed the id on when the handler returns (`passes_on`, N6-CAN-06). What it leaves queued may not be
        handed on any more.
        """
        waiting = self._waiting(port, cancel_id)
        if missing and waiting:
            text = f"{len(waiting)} sends with cancel id {cancel_id:#x} wait here, and there is no cancel handler"
            self._node.complain("N6-CAN-07", waiting[0], text)
        before = self.passed
        self.current = cancel_id
        self.watching = True
        try:
            handler(cancel_id)
        finally:
            self.current = None
        if passes_on and self.passed == before:
            self._node.complain("N6-CAN-06", 0, f"cancel {cancel_id:#x} was not passed on to the layer below")
        if waiting and not missing:
            self._watch(self._waiting(port, cancel_id))

    def check_completed(self, chain: NblChain) -> NblChain:
        """Return the packets of a completion that only one of cancel handler and ordinary path completes.

        One that both complete breaks N6-CAN-08. In a handler, a packet may be aborted only if it has the id, and one
        that has it must be (N6-CAN-05).
        """
        arena, held = self._node.arena, self._node.custody.held
        gone: NDArray[np.bool_] = held[chain.slots] != chain.handles
        if self.current is not None:
            self._check_aborted(chain[~gone], arena.status[chain.slots[~gone]])
        elif none_set(gone) and not self.left:
            return chain
        else:
            gone &= np.array([handle in self.aborted for handle in chain.handles.tolist()], np.bool_)
        for handle in chain.handles[gone].tolist():
            text = f"packet {handle:#018x} was completed both by the cancel handler and in the ordinary way"
            self._node.complain("N6-CAN-08", handle, text)
        ended = chain.handles[~gone].tolist()
        self.left.difference_update(ended)
        if self.current is not None:
            self.aborted = self.aborted if len(self.aborted) < KEPT else set()
            self.aborted.update(ended)
        return chain[~gone]

    def _check_aborted(self, chain: NblChain, statuses: NDArray[np.uint32]) -> None:
        mine = self._node.arena.cancel[chain.slots] == np.uint64(self.current or 0)
        aborted = statuses == Status.SEND_ABORTED
        for handle in chain.handles[aborted & ~mine].tolist():
            text = f"packet {handle:#018x} was aborted by a cancel of another id"
            self._node.complain("N6-CAN-05", handle, text)
        for handle in chain.handles[mine & (statuses == Status.SUCCESS)].tolist():
            text = f"packet {handle:#018x} was taken out of the queue by a cancel and completed with SUCCESS"
            self._node.complain("N6-CAN-05", handle, text)

    def _waiting(self, port: Port, cancel_id: int) -> list[int]:
        """Return the sends with this id that the driver holds, without parents of packets that it has sent on."""
        custody = self._node.custody
        slots = np.flatnonzero(custody.held)
        matching = slots[(custody.arena.cancel[slots] == np.uint64(cancel_id)) & (slots != 0)]
        matching = matching[custody.came[matching] == port.index]
        handles = custody.held[matching].tolist()
        return [handle for handle in handles if not custody.duties.has_children(handle)]

    def _watch(self, left: list[int]) -> None:
        """Have the ports below tell when packets that a cancel handler left queued are handed on after all."""
        if not left:
            return
        self.left.update(left)
        for port in self._node.ports:
            if port.spec.side == "upper" and self._leaving not in port.looks:
                port.looks = (*port.looks, self._leaving)

    def _leaving(self, chain: NblChain, flags: int) -> None:
        """Report packets that leave though their cancel has come (N6-CAN-05)."""
        for handle in chain.handles.tolist() if self.left else ():
            if handle in self.left:
                self.left.discard(handle)
                text = (
                    f"packet {handle:#018x} was left in the queue by its cancel, and has been handed on now"
                )
                self._node.complain("N6-CAN-05", handle, text)
