"""The binding handle of an NDIS 5 protocol: what it calls NDIS with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from nodes.crossings.crossing import CALLED, Op
from nodes.crossings.waiting import CALL_LIMIT, CallUnanswered
from nodes.metrics import Counter
from nodes.ndis.binding import Binding, LowerEdge
from nodes.ndis5.packets import chain_of
from nodes.ndis5.transfers import Request, write_request
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import Status
from shm.handle import slots_of

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node


class Verdict(NamedTuple):
    """What a call of NDIS returned: status, and for a transfer how many bytes."""

    status: int
    transferred: int = 0


@dataclass(frozen=True)
class Lookahead:
    """A look-ahead indication in progress: its context, and how many bytes can be transferred from it."""

    context: int
    size: int


class TransferEdge(LowerEdge, Protocol):
    """What a binding calls its NDIS 5 driver with."""

    def transfer_data_complete(
        self, binding: Binding5, packet: Nbl, status: Status, bytes_transferred: int
    ) -> None:
        """Take a packet back whose transfer pended."""


class Binding5(Binding):
    """A binding whose sends and transfers have verdicts.

    `awaited` are packets for whose verdict a call waits, `current` is the look-ahead indication in progress,
    `transfers` are the packets that are with the miniport for transfer (N5-TD-03), `finals` by slot the packets whose
    last send had a final verdict (N5-SND-07).
    """

    def __init__(self, node: Node, port: Port, owner: TransferEdge) -> None:
        super().__init__(node, port, owner)
        self._taker = owner
        self.current: Lookahead | None = None
        self.transfers: set[int] = set()
        self.finals: dict[int, int] = {}
        self.awaited: set[int] = set()
        self._verdicts: dict[int, Verdict] = {}
        lower = port.spec.options.get("lower_generation", 6)
        self._pending = node.forcing.pending
        self._calls = lower == 5 and node.policy.ndis5_sends == "call" and not self._pending

    def allocate_packet(self, length: int) -> Nbl | None:
        """Return a packet of `length` bytes (NdisAllocatePacket), None when the pool is empty."""
        chain = self.allocate_net_buffer_lists(1, length)
        return chain[0] if len(chain) else None

    def send(self, packet: Nbl) -> Status:
        """Send one packet (NdisSend); any status but PENDING is final, and no handler is called then (N5-SND-07).

        With a lower driver of NDIS 6, under the policy ``ndis5_sends: post`` or where PENDING is forced, the answer is
        always PENDING. `send_complete` may be called before this returns (N5-SND-08). Without room below it is FAILURE.
        """
        self._node.irql.check("NdisSend")
        chain = chain_of([packet], self._node.custody)
        if not self.running or not self.room:
            return self._refuse_one(chain)
        if not self._calls:
            self._port.request(Op.SEND, chain)
            return Status.PENDING
        status = Status(self._call(Op.SEND, chain).status)
        if status is not Status.PENDING:
            self.finals[packet.slot] = packet.handle
        return status

    def send_packets(self, packets: NblChain) -> None:
        """Send an array (NdisSendPackets); every packet comes back through `send_complete` (N5-SND-07)."""
        self.send_net_buffer_lists(packets)

    def transfer_data(self, context: int, byte_offset: int, count: int, packet: Nbl) -> tuple[Status, int]:
        """Ask for bytes of the packet that is being indicated (NdisTransferData); return status and byte count.

        Allowed inside `receive` only, with the context it was given (N5-TD-01), and within the indicated size
        (N5-TD-05); else it fails and is a violation. With PENDING the packet is the miniport's until
        `transfer_data_complete`, which may be called before this returns (N5-TD-04). Fewer bytes than asked for
        may come (N5-TD-07).
        """
        self._node.irql.check("NdisTransferData")
        current = self.current
        if current is None or context != current.context:
            self._complain(
                "N5-TD-01", packet, "asked for by NdisTransferData outside its look-ahead indication"
            )
            return Status.FAILURE, 0
        if byte_offset < 0 or count < 0 or byte_offset + count > current.size:
            what = f"to take bytes {byte_offset} to {byte_offset + count} of {current.size}"
            self._complain("N5-TD-05", packet, what)
            return Status.FAILURE, 0
        chain = chain_of([packet], self._node.custody)
        write_request(self._node.arena, packet.slot, Request(context, byte_offset, count))
        self.transfers.add(packet.handle)
        verdict = self._call(Op.TRANSFER, chain)
        if self._pending and verdict.status != Status.PENDING:
            self._node.defer(lambda: self._transferred(packet, verdict))
            return Status.PENDING, 0
        return Status(verdict.status), verdict.transferred

    def return_packets(self, packets: NblChain) -> None:
        """Return full packets that were lent (NdisReturnPackets)."""
        self.return_net_buffer_lists(packets)

    def pends(self, handle: int) -> bool:
        """Return whether a send of this packet pends."""
        return int(self._port.out[slots_of(np.array([handle], np.uint64))[0]]) == handle

    def _transferred(self, packet: Nbl, verdict: Verdict) -> None:
        """Tell the driver later what a transfer has come to."""
        self._node.irql.deliver()
        status = Status(verdict.status)
        self._taker.transfer_data_complete(self, packet, status, verdict.transferred)
        if self._node.irql.dirty:
            self._node.irql.settle()

    def judged(self, handle: int, verdict: Verdict) -> None:
        """Take the verdict on a call that waits for it."""
        self._verdicts[handle] = verdict

    def _call(self, op: Op, chain: NblChain) -> Verdict:
        """Hand one packet over and wait for the verdict on it."""
        handle = int(chain.handles[0])
        node = self._node
        self.awaited.add(handle)
        self._port.request(op, chain, CALLED)
        node.publish()
        judged = node.waiting.until(lambda: handle in self._verdicts, CALL_LIMIT, self._port)
        self.awaited.discard(handle)
        if not judged:
            raise CallUnanswered(f"{self.lower} gave no verdict on {op.name} of packet {handle:#018x}")
        return self._verdicts.pop(handle)

    def _refuse_one(self, chain: NblChain) -> Status:
        if self._pending:
            self._refuse(chain, Status.FAILURE)
            return Status.PENDING
        counters = self._node.board.counters
        counters[Counter.SENT] += 1
        counters[Counter.COMPLETED] += 1
        self._node.board.count_status(Status.FAILURE, 1)
        return Status.FAILURE

    def _complain(self, rule: str, packet: Nbl, what: str) -> None:
        self._node.complain(rule, packet.handle, f"packet {packet.handle:#018x} was {what}")
