"""A binding: what a protocol, or an intermediate driver's lower edge, calls NDIS with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.chain import NblChain
from nodes.crossing import Op, ReturnFlags, SendFlags
from nodes.custody import binding_handle
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis.nbl import NblSource
from nodes.ndis.oid_edges import OidAsking
from nodes.ndis.oid_issuer import OidIssuer
from nodes.port import Port
from nodes.status import Status
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.node import Node

Completed = Callable[["Binding", NblChain, int], None]


class Binding(OidAsking, NblSource):
    """The binding handle of one edge to a lower driver.

    `handle` is the SourceHandle of everything sent here; `room` the credits left. `completed` is the owner's
    send-complete handler, for sends that NDIS itself refuses.
    """

    def __init__(self, node: Node, port: Port, completed: Completed) -> None:
        self.handle = binding_handle(node.spec.node, port.index)
        self._node = node
        self._port = port
        self._completed = completed
        self.oids_below = OidIssuer(node, port, self.handle, lambda request, status: None)
        self._early = node.policy.early_completion == "yes"

    @property
    def lower(self) -> str:
        """Return the name of the node below."""
        return self._port.spec.peer_name

    @property
    def room(self) -> int:
        """Return how many more packets may be out on this binding."""
        return self._port.room()

    @property
    def outstanding(self) -> int:
        """Return how many packets are out on this binding."""
        return self._port.outstanding

    @property
    def backfill(self) -> int:
        """Return the bytes that the layers below put before data: what to leave unused there (N6-NBL-16)."""
        return int(self._port.spec.options.get("backfill", 0))

    def allocate_net_buffer_lists(
        self, count: int, length: int | NDArray[np.uint32], *, backfill: int = 0
    ) -> NblChain:
        """Return a chain of at most `count` packets of `length` data bytes, SourceHandle set (N6-SEND-01, -02).

        The chain is shorter when the pool is short, and may be empty.
        """
        return self._made(count, length, backfill)

    def send_net_buffer_lists(self, chain: NblChain, flags: int = SendFlags.NONE) -> None:
        """Send a chain as one call (NdisSendNetBufferLists); every packet comes back through the complete handler.

        What exceeds `room` comes back with RESOURCES, and everything with PAUSED while the binding is not running,
        which is a violation of N6-PNP-09 as well.
        """
        if not len(chain):
            return
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisSendNetBufferLists", flags)
        if not self._node.lifecycle.running:
            self._node.complain(
                "N6-PNP-09", int(chain.handles[0]), f"{len(chain)} packets sent on a paused binding"
            )
            self._refuse(chain, Status.PAUSED)
            return
        room = self._port.room()
        if len(chain) > room:
            self._refuse(chain[room:], Status.RESOURCES)
            chain = chain[:room]
        if len(chain):
            self._port.request(Op.SEND, chain, flags)
            if self._early:
                self._node.waiting.linger(self._port, chain)

    def return_net_buffer_lists(self, chain: NblChain, flags: int = ReturnFlags.NONE) -> None:
        """Return received packets (NdisReturnNetBufferLists), each exactly once and to this binding (N6-RX-04).

        Packets that did not come from it are reported and stay with the driver.
        """
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisReturnNetBufferLists", flags)
        astray = self._node.custody.came[chain.slots] != self._port.index
        if not none_set(astray):
            for handle in chain.handles[astray].tolist():
                self._node.complain(
                    "N6-RX-04",
                    handle,
                    f"packet {handle:#018x} was returned to {self.lower}, which never lent it",
                )
            chain = chain[~astray]
        self._port.reply(Op.RETURN, chain, flags)

    def cancel_send_net_buffer_lists(self, cancel_id: int) -> None:
        """Ask for packets with this cancel id to be completed soon (NdisCancelSendNetBufferLists, N6-CAN-03)."""
        self._node.cancelling.passed += 1
        self._port.notice(Op.CANCEL, cancel_id)

    def _refuse(self, chain: NblChain, status: Status) -> None:
        chain.status = status
        if self._node.driver.kind == "protocol":  # others pass on what a protocol has counted
            counters = self._node.board.counters
            counters[Counter.SENT] += len(chain)
            counters[Counter.COMPLETED] += len(chain)
            self._node.board.count_status(status, len(chain))
        self._node.defer(lambda: self._completed(self, chain, 0))
