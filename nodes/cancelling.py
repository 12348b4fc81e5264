"""A cancel on its way through a node: the handler works on it, the runtime looks at what it did (N6-CAN-05 to -07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.status import Status

if TYPE_CHECKING:
    from nodes.chain import NblChain
    from nodes.node import Node
    from nodes.port import Port

U64 = NDArray[np.uint64]


class Cancelling:
    """The cancel that a handler of this node is working on.

    `current` is its id, None outside of a handler; `passed` counts the cancels handed on below. A cancel completes
    nothing itself: what is cancelled still comes back once, by its completion (N6-CAN-04). One dispatcher runs
    handlers and completions, so that taking a packet out of a queue decides which of the two has it (N6-CAN-08).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.current: int | None = None
        self.passed = 0

    def run(
        self, port: Port, cancel_id: int, handler: Callable[[int], None], *, missing: bool, passes_on: bool
    ) -> None:
        """Call a cancel handler and check what it did.

        A driver without one of its own (`missing`) may hold no packet with this id, except parents of packets that it
        has sent on (N6-CAN-07); a layer with one below
        must have passed the id on when the handler returns (`passes_on`, N6-CAN-06).
        """
        if missing:
            self._complain_of_queued(port, cancel_id)
        before = self.passed
        self.current = cancel_id
        try:
            handler(cancel_id)
        finally:
            self.current = None
        if passes_on and self.passed == before:
            self._node.complain("N6-CAN-06", 0, f"cancel {cancel_id:#x} was not passed on to the layer below")

    def check_aborted(self, chain: NblChain, statuses: NDArray[np.uint32]) -> None:
        """Report packets that a cancel handler completes as aborted though they have another id (N6-CAN-05)."""
        if self.current is None:
            return
        aborted = statuses == Status.SEND_ABORTED
        foreign = aborted & (self._node.arena.cancel[chain.slots] != np.uint64(self.current))
        for handle in chain.handles[foreign].tolist():
            self._node.complain(
                "N6-CAN-05", handle, f"packet {handle:#018x} was aborted by a cancel of another id"
            )

    def _complain_of_queued(self, port: Port, cancel_id: int) -> None:
        custody = self._node.custody
        slots = np.flatnonzero(custody.held)
        matching = slots[(custody.arena.cancel[slots] == np.uint64(cancel_id)) & (slots != 0)]
        matching = matching[custody.came[matching] == port.index]
        handles = custody.held[matching].tolist()
        waiting = [handle for handle in handles if not custody.duties.has_children(handle)]
        if waiting:
            text = f"{len(waiting)} sends with cancel id {cancel_id:#x} wait here, and there is no cancel handler"
            self._node.complain("N6-CAN-07", waiting[0], text)
