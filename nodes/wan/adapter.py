"""What a WAN miniport calls NDIS with.

NDISWAN's answers that a miniport gets at once (a link context, the verdict on a received frame) are given here, by
its half in the miniport's node; frames and records then travel up to the NDISWAN node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.irql import Irql
from nodes.metrics import Counter
from nodes.ndis.adapter import Returned
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, OidRequest
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.wan import ppp
from nodes.wan.packet import WanPacket
from nodes.wan.records import MacFragment, MacLineDown, MacLineUp, Record, WanError
from nodes.wan.wrong_calls import OtherCallsForbidden
from shm.arena import CELL_LENGTH
from shm.handle import SLOT_MASK

if TYPE_CHECKING:
    from nodes.node import Node

Buffer = bytes | bytearray | memoryview
BATCH_END = 1
"""Flag of a WAN_RECEIVE call that a receive complete has closed."""


@dataclass
class Line:
    """A line of this miniport: NDISWAN's context, what was last said of it, whether it is up."""

    context: int
    record: MacLineUp
    up: bool = True

    @property
    def handle(self) -> int:
        """Return the miniport's handle."""
        return self.record.ndis_link_handle

    @property
    def call(self) -> int:
        """Return the call that the line carries."""
        return self.record.connection_wrapper_id


class WanAdapter(OtherCallsForbidden):
    """The adapter handle of a WAN miniport; exactly one NDISWAN is bound above it."""

    def __init__(self, node: Node, ports: Sequence[Port], returned: Returned) -> None:
        """Open the adapter; raises ValueError when more than one driver is bound above."""
        super().__init__(node, ports, returned)
        if len(ports) != 1:
            raise ValueError(
                f"{node.name} has {len(ports)} drivers above it; a WAN miniport has one, an ndiswan"
            )
        self._above = ports[0]
        self._lines: dict[int, Line] = {}
        self._contexts = 0
        self._known = False
        self._batch: list[NblChain] = []

    def line_of(self, link_handle: int) -> Line | None:
        """Return the last line that came up under a link handle of the miniport, None if none ever did."""
        return next((line for line in reversed(self._lines.values()) if line.handle == link_handle), None)

    def call_is_up(self, call: int) -> bool:
        """Return whether a line is up for this call (its ConnectionWrapperID)."""
        return any(line.up and line.call == call for line in self._lines.values())

    def wan_send_complete(self, packet: WanPacket, status: Status = Status.SUCCESS) -> None:
        """Complete a send that was answered with PENDING (NdisMWanSendComplete), exactly once (WAN-SND-01).

        The packet goes back to the driver that sent it (WAN-SND-07) and is off limits from then on. PENDING is no
        final status (WAN-SND-10): the violation is reported and the packet completed with FAILURE.
        """
        self._check_completion(packet)
        if status == Status.PENDING:
            self._node.complain("WAN-SND-10", packet.handle, "a WAN send was completed with PENDING")
            status = Status.FAILURE
        self.finish(packet.chain, status)

    def finish(self, chain: NblChain, status: int) -> None:
        """Give WAN packets back to the node above with one status."""
        if self._node.custody.holds(chain.handles, chain.slots):
            self._node.arena.status[chain.slots] = status
        self.give_back(chain, np.full(len(chain), status, np.uint32) if status else None)

    def give_back(self, chain: NblChain, statuses: NDArray[np.uint32] | None, flags: int = 0) -> None:
        """Give WAN packets back with their statuses, None if all succeeded; others than those stay (WAN-SND-01)."""
        custody = self._node.custody
        foreign = (custody.held[chain.slots] == chain.handles) & (
            custody.came[chain.slots] != self._above.index
        )
        if foreign.any():
            for handle in chain.handles[foreign].tolist():
                text = f"packet {handle:#018x} was completed, but no WAN send brought it here"
                self._node.complain("WAN-SND-01", handle, text)
            chain, statuses = chain[~foreign], None if statuses is None else statuses[~foreign]
        self._above.reply(Op.WAN_DONE, chain, flags, statuses)

    def indicate_line_up(self, record: MacLineUp) -> None:
        """Tell NDISWAN of a line (NDIS_STATUS_WAN_LINE_UP), and fill `ndis_link_context` in (WAN-LNK-01).

        A line that is up already is only updated and keeps its context (WAN-LNK-03).
        """
        line = self.line_of(record.ndis_link_handle)
        if line is None or not line.up:
            self._contexts += 1
            line = Line(self._node.spec.node << 16 | self._contexts, record)
            self._lines[line.context] = line
        record.ndis_link_context = line.context
        line.record = replace(record)
        self.indicate_wan_status(Status.WAN_LINE_UP, record)

    def introduce(self) -> None:
        """Tell an NDISWAN that asks for the miniport's properties of the lines that another one was told of before."""
        lines = self._lines.values() if self._known else ()
        for line in lines:
            if line.up:
                self.indicate_wan_status(Status.WAN_LINE_UP, line.record)
        self._known = True

    def indicate_line_down(self, record: MacLineDown) -> None:
        """Tell NDISWAN that a line is gone (NDIS_STATUS_WAN_LINE_DOWN), by its context (WAN-LNK-04)."""
        if self._line(record.ndis_link_context, "WAN-LNK-04", "line-down") is None:
            return
        self._send_batch(BATCH_END)
        self._lines[record.ndis_link_context].up = False
        self.indicate_wan_status(Status.WAN_LINE_DOWN, record)

    def indicate_fragment(self, record: MacFragment) -> None:
        """Tell NDISWAN of a frame that arrived in part, and why (NDIS_STATUS_WAN_FRAGMENT, WAN-LNK-08)."""
        if record.errors & ~sum(WanError):
            self._node.complain(
                "WAN-LNK-08", 0, f"a partial frame was indicated with errors {record.errors:#x}"
            )
            record = MacFragment(record.ndis_link_context, record.errors & sum(WanError))
        if self._line(record.ndis_link_context, "WAN-LNK-08", "a partial frame"):
            self.indicate_wan_status(Status.WAN_FRAGMENT, record)

    def indicate_wan_status(self, code: Status, record: Record) -> None:
        """Send a record up as a status indication (NdisMIndicateStatus)."""
        self.indicate_status(StatusIndication(code, record.pack()))

    def wan_indicate_receive(self, link_context: int, frame: Buffer) -> Status:
        """Indicate one whole frame (NdisMWanIndicateReceive); its buffer is free again on return (WAN-RCV-01).

        Return SUCCESS; NOT_ACCEPTED for a frame that is not recognised; for one that is but cannot be taken,
        INVALID_LENGTH (longer than a buffer), RESOURCES (no buffer or no room above) or FAILURE (not running). The
        link is named by its context: another number, or a line that is down, is a violation (WAN-RCV-02, WAN-LNK-04).
        """
        self._node.irql.check("NdisMWanIndicateReceive", lock_rule="WAN-RCV-03")
        self._node.irql.check_exact("NdisMWanIndicateReceive", "WAN-RCV-02")
        if self._line(link_context, "WAN-RCV-02", "a frame") is None or self._looped(frame):
            return Status.FAILURE
        if not self._node.lifecycle.running:
            return self._miss(Status.FAILURE)
        if not ppp.recognised(bytes(frame[:4])):
            return self._miss(Status.NOT_ACCEPTED)
        if len(frame) > CELL_LENGTH:
            return self._miss(Status.INVALID_LENGTH)
        taken = sum(map(len, self._batch))
        chain = self._node.allocate(1 if self._above.room() > taken else 0, len(frame))
        if not len(chain):
            return self._miss(Status.RESOURCES)
        self._node.arena.cells[chain.slots[0], : len(frame)] = np.frombuffer(frame, np.uint8)
        chain.source_handle = link_context
        if not self._batch:
            self._node.defer(self._send_batch)
        self._batch.append(chain)
        return Status.SUCCESS

    def wan_indicate_receive_complete(self, link_context: int) -> None:
        """Close a batch of receives (NdisMWanIndicateReceiveComplete): NDISWAN may work them off now."""
        self._line(link_context, "WAN-RCV-02", "the end of a batch")
        self._send_batch(BATCH_END)

    def oid_request_complete(self, request: OidRequest, status: int) -> None:
        """Answer a request that was pended (NdisMOidRequestComplete); OID_TAPI_GET_ID after line-up (WAN-LNK-02)."""
        if request.oid == Oid.TAPI_GET_ID and status == Status.SUCCESS:
            self.check_call(request)
        super().oid_request_complete(request, status)

    def check_call(self, request: OidRequest) -> None:
        """Report an OID_TAPI_GET_ID that is answered before any line is up (WAN-LNK-02)."""
        if not any(line.up for line in self._lines.values()):
            self._node.complain(
                "WAN-LNK-02", request.handle, "OID_TAPI_GET_ID succeeded before the call's line-up"
            )

    def take_back(self, chain: NblChain) -> None:
        """Free the buffers of frames that NDISWAN is done with."""
        self._node.free(chain)

    def _check_completion(self, packet: WanPacket) -> None:
        """Check locks (WAN-SND-08) and level (WAN-SND-09) of a completion.

        The level depends on serialisation, or is DISPATCH always, as the policy says (contradiction 23).
        """
        irql, node = self._node.irql, self._node
        if irql.held:
            names = ", ".join(lock.name for lock in irql.held)
            node.complain(
                "WAN-SND-08", packet.handle, f"a WAN send was completed with spin lock {names} held"
            )
        always = node.policy.wan_completion_irql == "dispatch"
        exact = always or getattr(node.driver, "serialised", True)
        if irql.level > Irql.DISPATCH or (exact and irql.level is not Irql.DISPATCH):
            wanted = "DISPATCH" if exact else "DISPATCH at most"
            node.complain(
                "WAN-SND-09",
                packet.handle,
                f"a WAN send was completed at {irql.level.name}, {wanted} is allowed",
            )

    def _send_batch(self, flags: int = 0) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._above.request(Op.WAN_RECEIVE, NblChain.join(batch), flags)

    def _line(self, context: int, rule: str, what: str) -> Line | None:
        """Return a line that is up; report `what` was said of one that never was, or is no more."""
        line = self._lines.get(context)
        if not context:
            self._node.complain(
                "WAN-LNK-01", 0, f"{what} was indicated with a context that no line-up filled in"
            )
            return None
        if line is None:
            self._node.complain(rule, 0, f"{what} was indicated for {context:#x}, which is no link context")
            return None
        if not line.up:
            self._node.complain(
                "WAN-LNK-04", 0, f"{what} was indicated for link {context:#x} after its line-down"
            )
            return None
        return line

    def _looped(self, frame: Buffer) -> bool:
        """Report a frame that lies in a packet which is here to be sent: the miniport loops it back (WAN-SND-11)."""
        custody = self._node.custody
        handle = custody.views.shown(frame) if isinstance(frame, memoryview) else 0
        if not handle or custody.came[handle & SLOT_MASK] != self._above.index:
            return False
        text = "a packet that is being sent was indicated: a WAN miniport loops nothing back"
        self._node.complain("WAN-SND-11", handle, text)
        return True

    def _miss(self, status: Status) -> Status:
        self._node.board.counters[Counter.RX_MISSED] += 1
        return status
