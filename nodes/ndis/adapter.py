"""A miniport adapter: what a miniport, or an intermediate driver's upper edge, calls NDIS with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import CLAIMS, LOOPED, RESOURCES, Op
from nodes.crossings.port import Port
from nodes.irql import DISPATCH_FLAG
from nodes.metrics import Counter
from nodes.ndis.claims import check_claims
from nodes.ndis.generations import Ndis5CallsForbidden
from nodes.ndis.loopback import LoopedBack
from nodes.ndis.nbl import NblSource
from nodes.ndis.oid_edges import OidServing
from nodes.ndis.reset import RESET_STATUSES, Resets
from nodes.ndis.routing import by_receiver, complete_upwards
from nodes.ndis.states import REMOVAL_STATUSES, HaltAction
from nodes.packets.chain import NblChain
from nodes.status import SEND_STATUSES, Status, status_name
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.node import Node

ALL_ONES = 0xFFFFFFFF
Lend = Callable[[Port, NblChain, int], None]
Returned = Callable[["Adapter", NblChain, int], None]


class Adapter(OidServing, NblSource, Ndis5CallsForbidden):
    """The adapter handle: `ports` lead to the drivers bound above.

    `handle` is the SourceHandle of everything indicated here, `looped` what NDIS looped back at this edge, `open`
    false once a virtual miniport has been taken away. `present` says whether the device is there, `also_allowed` which
    statuses sends may carry now beside the closed set (N6-RST-04, N6-UNB-05), `halt_action` why it is halted, and
    `resets` runs its resets. `returned` is the owner's return handler, for
    indications that no binding takes.
    """

    def __init__(self, node: Node, ports: Sequence[Port], returned: Returned) -> None:
        self.handle = node.spec.node << 16 | 0x8000 | ports[0].index
        self._node = node
        self._ports = tuple(ports)
        self._returned = returned
        self.looped = LoopedBack(node, self.handle)
        self.open = True
        self.present = True
        self.also_allowed: frozenset[Status] = frozenset()
        self.halt_action = HaltAction.DISABLED
        self.resets = Resets(node, self)

    def reset_miniport(self) -> None:
        """Ask NDIS to reset this adapter, which it does later (NdisMResetMiniport, N6-RST-01)."""
        self._node.irql.check("NdisMResetMiniport")
        self.resets.schedule()

    def reset_complete(self, status: Status, addressing_reset: bool = False) -> None:
        """End a reset whose handler returned PENDING, once (NdisMResetComplete, N6-RST-02).

        `addressing_reset` has NDIS set filters and addresses again (N6-RST-10). No spin lock may be held (N6-RST-07).
        """
        self._node.irql.check("NdisMResetComplete", lock_rule="N6-RST-07")
        self.resets.complete(status, addressing_reset)

    def read_register(self) -> int:
        """Return what a register of the device holds: all ones once the device is gone (N6-UNB-06)."""
        return 0 if self.present else ALL_ONES

    @property
    def uppers(self) -> tuple[str, ...]:
        """Return the names of the nodes above."""
        return tuple(port.spec.peer_name for port in self._ports)

    @property
    def receive_room(self) -> int:
        """Return how many more packets may be lent out to the bindings above."""
        return min(port.room() for port in self._ports)

    def allocate_net_buffer_lists(self, count: int, length: int | NDArray[np.uint32]) -> NblChain:
        """Return a chain of at most `count` receive packets of `length` bytes, SourceHandle set (N6-RX-01)."""
        return self._made(count, length)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int = 0) -> None:
        """Complete sends with the Status in each NBL (NdisMSendNetBufferListsComplete).

        Exactly once each (N6-SEND-10), any order and grouping (N6-SEND-07), a status of the closed set
        (N6-SEND-11); the packets are off limits afterwards (N6-SEND-14).
        """
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisMSendNetBufferListsComplete", flags, lock_rule="N6-LOCK-02")
        if self._node.cancelling.watching:
            chain = self._node.cancelling.check_completed(chain)
        statuses = self._node.arena.status[chain.slots]
        if not none_set(statuses):
            self._check_statuses(chain, statuses)
        if self._node.order.parts:
            self._node.order.check_whole(chain, statuses)
        complete_upwards(self._node, self._ports, chain, statuses, flags)

    def indicate_receive_net_buffer_lists(self, chain: NblChain, flags: int = 0) -> None:
        """Lend received packets to the bindings above (NdisMIndicateReceiveNetBufferLists, N6-RX-02).

        Each packet goes to one binding, picked by frame type (N6-RX-10). Packets that none takes, or for which no
        room is left, come straight back through the return handler; so they do while the miniport is not running,
        which is a violation of N6-RX-12. With RESOURCES the packets are the miniport's again when the call returns,
        and no return handler is called (N6-RX-03).
        """
        if not len(chain):
            return
        irql = self._node.irql
        if irql.level or flags & DISPATCH_FLAG:
            irql.check("NdisMIndicateReceiveNetBufferLists", flags, lock_rule="N6-LOCK-02")
        if not self._node.lifecycle.indicating:
            self._node.complain(
                "N6-RX-12", int(chain.handles[0]), f"{len(chain)} packets indicated while not running"
            )
            self._bounce(chain)
            return
        self._check_indication(chain, flags)
        lend = None
        if flags & RESOURCES:
            chain, flags, lend = self._lent(chain, flags)
        for port, part in by_receiver(self._ports, chain):
            room = 0 if port is None else port.room()
            if len(part) > room:
                self._bounce(part[room:], lent=lend is not None)
                part = part[:room]
            if len(part) and port is not None:
                if lend is not None:
                    lend(port, part, flags)
                else:
                    port.request(Op.INDICATE, part, flags)

    def _bounce(self, chain: NblChain, *, lent: bool = False) -> None:
        self._node.board.counters[Counter.DROPPED] += len(chain)
        chain = self._node.loans.without_copies(chain)
        if not lent and len(chain):
            self._node.defer(lambda: self._returned(self, chain, 0))

    def _lent(self, chain: NblChain, flags: int) -> tuple[NblChain, int, Lend | None]:
        """Return what is indicated under RESOURCES, with which flags and how: by a call, or as copies without it."""
        loans = self._node.loans
        copies = loans.copied(chain) if self._node.policy.resources == "copy" else None
        if copies is None:
            return chain, flags, loans.indicate
        return copies, flags & ~RESOURCES, None

    def _check_indication(self, chain: NblChain, flags: int) -> None:
        """Check SourceHandles (N6-RX-01), which are put right, and the claims that flags make (N6-RX-09)."""
        source = self._node.arena.source
        wrong = source[chain.slots] != self.handle
        if not none_set(wrong):
            self._node.complain(
                "N6-RX-01", int(chain.handles[int(np.argmax(wrong))]), "indicated with a foreign SourceHandle"
            )
            source[chain.slots] = self.handle
        if flags & CLAIMS:
            check_claims(self._node, chain, flags, self._ports, self.oids_above)
        if flags & LOOPED and getattr(self._node.driver, "no_loopback", False):
            text = "a miniport that declared NO_LOOPBACK indicated a send of its own host"
            self._node.complain("N6-SEND-16", int(chain.handles[0]), text)

    def _check_statuses(self, chain: NblChain, statuses: NDArray[np.uint32]) -> None:
        for status in np.unique(statuses).tolist():
            rule = self._broken_by(status)
            if rule:
                first = int(chain.handles[int(np.argmax(statuses == status))])
                text = f"send completed with {status_name(status)}, which is not allowed"
                self._node.complain(rule, first, text if rule == "N6-SEND-11" else f"{text} now")

    def _broken_by(self, status: int) -> str:
        """Return the rule that a send completed with this status breaks, now; empty if none."""
        if status in self.also_allowed:
            return ""
        resetting = self.resets.active and self.present
        if status in SEND_STATUSES:
            return "N6-RST-04" if resetting and self.resets.aborts_wrongly(status) else ""
        if not self.present and status in REMOVAL_STATUSES:
            return "N6-UNB-05"
        return "N6-RST-04" if resetting and status in RESET_STATUSES else "N6-SEND-11"
