"""Receives with the RESOURCES flag: packets lent for the length of a call (N6-RX-03, N6-RX-05 to N6-RX-07).

The indication is a `call` crossing: it returns when the handler above has returned, and the packets are the
indicator's again at that instant, without a return call. The runtime above gives them back; what its driver kept,
changed or handed on meanwhile is reported. The flag belongs to one call between two layers: under the policy
``resources: copy`` NDIS copies what a miniport indicates so, and lends the copies without the flag.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import INDICATED, Op, ReceiveFlags
from nodes.crossings.waiting import CALL_LIMIT, CallUnanswered
from nodes.metrics import Counter
from nodes.packets.chain import NblChain
from shm.arena import CELL_LENGTH
from shm.handle import SLOT_MASK
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
_SHAPE = ("nb_offset", "nb_length", "nb_data", "nb_next", "nb_mdl", "mdl_next", "mdl_offset", "mdl_length")
_USES = frozenset({"N6-SEND-03", "N6-NBL-11"})
"""What touching or freeing a packet that is not here is reported as, wherever it is."""
_RETURNS = frozenset({"N6-RX-02", "N6-RX-04"})
"""What handing on a received packet that is not here is reported as."""
REMEMBERED = 1024
"""How many calls back a packet is known to have been lent: the lender may have lent its slot again since."""


class Loans:
    """What one node has lent by calls, has copied, or has been lent itself.

    `busy` says whether returns must be looked at one by one.
    """

    def __init__(self, node: Node) -> None:
        self.busy = False
        self._node = node
        self._called = np.zeros(0, np.bool_)
        self._copies = np.zeros(0, np.bool_)
        self._borrowed: deque[U64] = deque(maxlen=REMEMBERED)
        self._copies_out = 0
        self._calls_out = 0

    def indicate(self, port: Port, chain: NblChain, flags: int) -> None:
        """Lend a chain to the layer above until its handler returns; it is this node's again then (N6-RX-03).

        Raises CallUnanswered when that takes longer than CALL_LIMIT.
        """
        called = self._called = self._table(self._called)
        called[chain.slots] = True
        self._calls_out += 1
        self.busy = True
        port.request(Op.INDICATE_CALL, chain, flags | ReceiveFlags.RESOURCES)
        back = self._node.waiting.for_all_back(port, chain, CALL_LIMIT)
        called[chain.slots] = False
        self._calls_out -= 1
        self._note_busy()
        if not back:
            raise CallUnanswered(f"{port.spec.peer_name} did not return from its receive handler")

    def broken(self, rule: str, handle: int) -> str:
        """Return the rule that is broken by using a packet in a way reported as `rule`.

        One that was lent to this driver with RESOURCES and is not any more says N6-RX-05; touching or freeing one
        that it has lent out itself, N6-RX-02.
        """
        node, slot = self._node, handle & SLOT_MASK
        if rule not in _USES | _RETURNS or slot >= node.arena.slots or int(node.custody.held[slot]) == handle:
            return rule
        if any(handle in lent for lent in self._borrowed):
            return "N6-RX-05"
        return "N6-RX-02" if rule in _USES and int(node.custody.left[slot]) == INDICATED else rule

    def copied(self, chain: NblChain) -> NblChain | None:
        """Return copies of received packets that NDIS lends in their place (N6-RX-06), None when it cannot.

        They need packets of the node's pool, and data in one piece.
        """
        arena = self._node.arena
        width = int(chain.length.max())
        one_piece = none_set(arena.nb_next[chain.slots] | arena.mdl_next[chain.slots])
        if not one_piece or int((arena.nb_data[chain.slots] % CELL_LENGTH).max()) + width > CELL_LENGTH:
            return None
        if self._node.pool.free_count < len(chain):
            return None
        copies = self._node.allocate(len(chain), chain.length)
        copies.source_handle = chain.source_handle
        copies.packet_id = chain.packet_id
        if width:
            rows = chain.header(width).view(f"V{width}")[:, 0]
            arena.bytes_of(width)[arena.nb_data[copies.slots]] = rows
        self._copies = self._table(self._copies)
        self._copies[copies.slots] = True
        self._copies_out += len(copies)
        self.busy = True
        return copies

    def without_copies(self, chain: NblChain) -> NblChain:
        """Free the copies among packets that this node holds; return the rest."""
        if not self._copies_out:
            return chain
        copies = self._copies[chain.slots]
        self._copies[chain.slots[copies]] = False
        self._copies_out -= int(np.count_nonzero(copies))
        self._node.free(chain[copies])
        self._note_busy()
        return chain[~copies]

    def sift(self, chain: NblChain) -> NblChain:
        """Take what is NDIS's out of packets that came back, and return the rest, whose return the driver handles.

        Copies are freed. Packets lent to a driver without a return handler are in its hands again.
        """
        custody = self._node.custody
        if self._copies_out:
            copies = self._copies[chain.slots]
            custody.receive(chain.handles[copies], chain.slots[copies])
            chain = self.without_copies(chain)
        if custody.borrowed is not None and self._node.driver.bypasses(Op.RETURN):
            lent = custody.borrowed[chain.slots]
            custody.receive(chain.handles[lent], chain.slots[lent])
            chain = chain[~lent]
        return chain

    def take_back(self, port: Port, chain: NblChain, meta: U64) -> None:
        """Take packets whose call has returned; those that the driver only passed on go further back."""
        mine = self._called[chain.slots] if self._calls_out else np.zeros(len(chain), np.bool_)
        own, others = chain[mine], chain[~mine]
        self._node.custody.receive(own.handles, own.slots)
        if len(others):
            self._node.driver.pass_back(port, Op.INDICATE_CALL_DONE, others, meta[: len(others)])

    def lend_to_driver(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Have the driver handle a call, and give every packet back when its handler has returned."""
        node = self._node
        if not node.lifecycle.running and node.driver.kind != "filter":
            node.board.counters[Counter.DROPPED] += len(chain)
        else:
            custody = node.custody
            before = custody.borrowed
            custody.borrowed = np.zeros(node.arena.slots, np.bool_) if before is None else before.copy()
            custody.borrowed[chain.slots] = True
            shape = self._shape(chain)
            self.busy = True
            node.driver.accept(port, Op.INDICATE, chain, flags | ReceiveFlags.RESOURCES)
            self._fetch(chain)
            self._put_right(chain, shape)
            custody.borrowed = before
            self._borrowed.append(chain.handles)
            self._note_busy()
        port.reply(Op.INDICATE_CALL_DONE, chain, 0)

    def _fetch(self, chain: NblChain) -> None:
        """See to it that packets lent with RESOURCES are back before the handler's return counts (N6-RX-07)."""
        custody = self._node.custody
        if custody.holds(chain.handles, chain.slots):
            return
        away = chain.handles[custody.held[chain.slots] != chain.handles]
        rule = "N6-RX-07" if self._node.driver.kind == "filter" else "N6-RX-05"
        for handle in away.tolist():
            self._node.complain(
                rule,
                handle,
                f"packet {handle:#018x} was lent with RESOURCES and is away as its handler returns",
            )
        self._node.waiting.until(lambda: custody.holds(chain.handles, chain.slots), CALL_LIMIT)

    def _shape(self, chain: NblChain) -> list[NDArray[Any]]:
        return [getattr(self._node.arena, name)[chain.slots] for name in _SHAPE]

    def _put_right(self, chain: NblChain, shape: list[NDArray[Any]]) -> None:
        """Report packets that are not as they were lent, and make them so for whoever lent them (N6-RX-05)."""
        wrong = np.zeros(len(chain), np.bool_)
        for before, now in zip(shape, self._shape(chain), strict=True):
            wrong |= before != now
        if none_set(wrong):
            return
        for handle in chain.handles[wrong].tolist():
            text = f"packet {handle:#018x} was lent with RESOURCES, and is not as it was"
            self._node.complain("N6-RX-05", handle, text)
        for name, before in zip(_SHAPE, shape, strict=True):
            getattr(self._node.arena, name)[chain.slots] = before
        self._node.custody.duties.forget_changes(chain.handles)

    def _table(self, table: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return table if len(table) else np.zeros(self._node.arena.slots, np.bool_)

    def _note_busy(self) -> None:
        lent = self._node.custody.borrowed is not None
        self.busy = bool(lent or self._copies_out or self._calls_out)
