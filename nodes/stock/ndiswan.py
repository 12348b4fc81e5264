"""NDISWAN: protocols above see one NDIS miniport; below lie the links of any number of WAN miniports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.formats.frames import node_mac
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Intermediate, NetEvent
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import OidRequest
from nodes.ndis.routing import by_receiver, by_sender
from nodes.options import Choice, Duration, Positive, Quantity
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.frame_rows import cells_for, write_frame
from nodes.timers import Timer
from nodes.wan.bundle import Bundle
from nodes.wan.inbound import Inbound
from nodes.wan.linkage import Linkage
from nodes.wan.links import Links
from nodes.wan.multilink import LONG, SHORT
from shm.arena import CELL_LENGTH, Slots

REMOTE_ADDRESS = b"\x20RECV\x00"
"""Source address of Ethernet frames whose own was left out on the link."""
FORMS = {"long": LONG, "short": SHORT, "off": None}


@dataclass(frozen=True)
class NdisWanOptions:
    """How frames are carried; the far end needs the same `multilink`."""

    multilink: Annotated[str, Choice(tuple(FORMS))] = field(
        default="long",
        metadata={"help": "sequence numbers of 24 or 12 bits; off: whole frames, each on one link"},
    )
    fragment: Annotated[int, Quantity("bytes", minimum=0, maximum=65535)] = field(
        default=512, metadata={"help": "longest fragment; 0: only what a link demands"}
    )
    bridge: bool = field(
        default=False, metadata={"help": "carry whole Ethernet frames, also of IPv4 and IPv6 (RFC 3518)"}
    )
    spread: Annotated[str, Choice(("soonest", "weights"))] = field(
        default="soonest",
        metadata={
            "help": "link of a packet: where it leaves soonest, or in turn by speed, whatever the time"
        },
    )
    links: Positive = field(
        default=1, metadata={"help": "lines that must be up before the first packet is sent"}
    )
    patience: Duration = field(
        default=500_000_000,
        metadata={"help": "time after which fragments that others wait for count as lost"},
    )
    backlog: Positive = field(
        default=1024, metadata={"help": "fragments that wait for a missing one at most"}
    )

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the options, as pairs of option and message."""
        if 0 < self.fragment < 32:
            return [("fragment", f"fragments of {self.fragment} bytes are too short; use at least 32, or 0")]
        return []


class NdisWan(Intermediate):
    """Repackage NBLs into WAN packets, spread them over the links that are up, and complete them when all are back.

    Sends wait while every window is closed or no line is up yet; when the last line goes down they fail.
    """

    Options = NdisWanOptions
    lower_edge = "wan"
    default_pool_size = 1024
    numbering = (0, 0)
    """The numbers of the first fragment that is sent and of the first that is received."""

    def start(self) -> None:
        """Open both edges."""
        options, node = self.options, self._node
        form = FORMS[options.multilink]
        links = Links(options.spread)
        self.bundle = Bundle(
            node,
            links,
            self._completed,
            first=self.numbering[0],
            fragment=options.fragment,
            form=form,
            bridge=options.bridge,
            least_links=options.links,
        )
        local = node_mac(node.spec.node)
        self.inbound = Inbound(node.arena, local + REMOTE_ADDRESS, form, options.backlog, self.numbering[1])
        self.linkage = Linkage(self, links, (REMOTE_ADDRESS, local))
        self._timer: Timer | None = None
        self._pausing: set[Binding] = set()
        super().start()
        self._above = [port for port in node.ports if port.spec.side == "lower"]
        self._adapters = dict(zip(self._above, self.adapters, strict=True))

    def successor(self) -> NdisWan:
        """Return a new NDISWAN, which goes on with the numbering of fragments: nobody renegotiates it."""
        new = type(self)(self._node, self.options)
        new.numbering = self.bundle.sequence, self.inbound.expected
        return new

    def bind_adapter(self, binding: Binding) -> None:
        """Count a WAN miniport in."""
        port = next(port for port in self._node.ports if port.spec.edge == binding.edge)
        self.linkage.join(binding, port)

    def pause(self) -> Status:
        """Complete what waits with PAUSED; what is below comes back by itself (N6-PNP-03)."""
        self.bundle.abort(Status.PAUSED)
        return Status.SUCCESS

    def halt(self) -> None:
        """Wait for no fragment any more (N6-PNP-14)."""
        if self._timer is not None:
            self._timer.cancel()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Send a chain over the links; without any, once lines have been up, it fails."""
        self.bundle.send(chain)
        if self.linkage.dead:
            self.bundle.abort(Status.FAILURE)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Free receive packets."""
        self.free(chain)

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Complete packets of this driver and id of which nothing has been sent yet as SEND_ABORTED, and pass
        the id on to the miniports (N6-CAN-05, N6-CAN-06)."""
        came = next(port.index for port in self._above if self._adapters[port] is adapter)

        def wanted(slots: Slots) -> NDArray[np.bool_]:
            mine: NDArray[np.bool_] = self._node.custody.came[slots] == came
            mine &= self._node.arena.cancel[slots] == np.uint64(cancel_id)
            return mine

        self.bundle.abort(Status.SEND_ABORTED, wanted)
        for binding in self.bindings:
            binding.cancel_send_net_buffer_lists(cancel_id)

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer for the bundle as a whole: speed, state, sizes and address; other OIDs are not supported."""
        return self.linkage.answer(request)

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Take what a WAN miniport answers, maybe the last that a pause waits for; errors as for `Linkage.answered`."""
        self.linkage.answered(binding, request, status)
        if binding in self._pausing and not self.linkage.asks(binding):
            self._pausing.discard(binding)
            self.queue_work_item(binding.pause_complete)

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Ask for the lines of a binding that begins; send nothing on those of a paused one (N6-PNP-09).

        A pause ends when nothing is asked any more: the binding may be closed after it (N6-OID-22).
        """
        if event in (NetEvent.PAUSE, NetEvent.RESTART):
            self.linkage.hold(binding, held=event is NetEvent.PAUSE)
        if event is NetEvent.RESTART:
            self.linkage.dial(binding)
        elif event is NetEvent.PAUSE and self.linkage.asks(binding):
            self._pausing.add(binding)
            self.linkage.withdraw(binding)
            return Status.PENDING
        return Status.SUCCESS

    def unbind_adapter(self, binding: Binding) -> Status | None:
        """Take down the lines of a binding that is undone."""
        self.linkage.hang_up(self.linkage.port_of(binding))
        return None

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        """Take what a WAN miniport says of its lines (WAN-LNK-07), hold sends while it is being reset (N6-IM-06).

        Other indications are passed on.
        """
        if indication.code in (Status.RESET_START, Status.RESET_END):
            held = indication.code == Status.RESET_START or not binding.running
            self.linkage.hold(binding, held=held)
        elif not self.linkage.status(binding, indication):
            super().status(binding, indication)

    def count_malformed(self) -> None:
        """Count a record from below that makes no sense."""
        self._node.board.counters[Counter.MALFORMED] += 1

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Take what comes from WAN miniports; the rest is as with any intermediate driver."""
        if op is Op.WAN_DONE:
            self.bundle.came_back(chain)
        elif op is Op.WAN_RECEIVE:
            frames = self.inbound.take(chain) if self._node.lifecycle.running else []
            port.reply(Op.WAN_RECEIVE_DONE, chain)
            self.deliver(frames)
        else:
            super().accept(port, op, chain, flags)

    def neighbour_died(self, port: Port) -> None:
        """Take down the lines of a WAN miniport that is dead."""
        if port.spec.side == "upper":
            self.linkage.hang_up(port)

    def deliver(self, frames: list[bytes]) -> None:
        """Indicate Ethernet frames to the drivers above, unless paused; those without a packet or room are missed."""
        if not self._node.lifecycle.running:
            self._node.board.counters[Counter.DROPPED] += len(frames)
            frames = []
        short = [frame for frame in frames if len(frame) <= CELL_LENGTH]
        if len(short) == len(frames):
            self._indicate_short(frames)
        else:
            for frame in frames:
                self._indicate_long(np.frombuffer(frame, np.uint8))
        self._watch_gap()

    def _indicate_short(self, frames: list[bytes]) -> None:
        chain = self._node.allocate(len(frames), np.array([len(frame) for frame in frames], np.uint32))
        self._node.board.counters[Counter.RX_MISSED] += len(frames) - len(chain)
        cells = self._node.arena.cells
        for slot, frame in zip(chain.slots.tolist(), frames, strict=False):
            cells[slot, : len(frame)] = np.frombuffer(frame, np.uint8)
        self._indicate(chain)

    def _indicate_long(self, frame: NDArray[np.uint8]) -> None:
        if cells_for(len(frame)) > self._node.pool.free_count:
            self._node.board.counters[Counter.RX_MISSED] += 1
            return
        chain = self._node.allocate(1, min(len(frame), CELL_LENGTH))
        if not len(chain):
            self._node.board.counters[Counter.RX_MISSED] += 1
            return
        write_frame(self._node.pool, chain, frame)
        self._indicate(chain)

    def _indicate(self, chain: NblChain) -> None:
        for port, part in by_receiver(self._above, chain) if len(chain) else []:
            if port is None:
                self._node.board.counters[Counter.DROPPED] += len(part)
                self.free(part)
                continue
            adapter = self._adapters[port]
            part.source_handle = adapter.handle
            adapter.indicate_receive_net_buffer_lists(part)

    def _completed(self, chain: NblChain) -> None:
        for port, part in by_sender(self._node, self._above, chain):
            self._adapters[port].send_net_buffer_lists_complete(part)

    def _watch_gap(self) -> None:
        """Set a timer while fragments wait for one that may never come."""
        reassembler = self.inbound.reassembler
        if reassembler is None or reassembler.gap is None or self._timer is not None:
            return
        gap = reassembler.gap

        def look() -> None:
            self._timer = None
            stuck = reassembler.gap == gap and self._node.lifecycle.running
            self.deliver(self.inbound.give_up() if stuck else [])

        self._timer = self.set_timer(self.options.patience, look)
