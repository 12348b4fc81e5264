"""The stock miniport: a NIC with a transmit ring, a line speed and receive buffers, wired to another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from nodes.metrics import Counter
from nodes.ndis import Adapter, DevicePnpEvent, Miniport
from nodes.ndis.adapter import ALL_ONES
from nodes.ndis.oid import OidRequest
from nodes.nic import Receiver, Transmitter, Wire
from nodes.options import Choice, Duration, Positive, Rate
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.miniport_oids import NicOids
from shm.handle import MAX_POOLS, POOL_SHIFT


@dataclass(frozen=True)
class MiniportOptions:
    """What kind of NIC it is; rates in bit/s, times in ns."""

    link: Rate = field(default=10_000_000_000, metadata={"help": "line speed; 0 for no limit"})
    ring: Positive = field(default=512, metadata={"help": "transmit descriptors"})
    buffers: Positive = field(default=1024, metadata={"help": "receive buffers"})
    complete: Annotated[str, Choice(("wire", "early"))] = field(
        default="wire",
        metadata={
            "help": "when a send completes: off the wire, or early, once the NIC has a copy (N6-SEND-15)"
        },
    )
    order: Annotated[str, Choice(("fifo", "random"))] = field(
        default="fifo", metadata={"help": "order of completions within what has left together (N6-SEND-07)"}
    )
    interrupt_delay: Duration = field(default=20_000, metadata={"help": "interrupt moderation on receive"})
    flow_control: bool = field(
        default=True, metadata={"help": "hold frames on the wire while no buffer is free"}
    )
    pad: bool = field(
        default=True,
        metadata={
            "help": "pad short frames that are sent to 60 bytes (N6-SEND-17); without, the medium has no minimum"
        },
    )


class StockMiniport(Miniport):
    """Drive a NIC: transmit every send in order, complete it once, indicate what arrives."""

    Options = MiniportOptions

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return the receive buffers, and as many for the NIC's own memory if it completes early."""
        return int(options.buffers) + (int(options.ring) if options.complete == "early" else 0)

    def initialize(self, adapter: Adapter) -> None:
        """Set the NIC up, receiver off."""
        node, options = self._node, self.options
        self._counters = node.board.counters
        self._early = options.complete == "early"
        wire = Wire(node.arena, node.ports, no_minimum=not options.pad)
        self._wire = wire
        self._transmitter = Transmitter(
            node.arena,
            wire,
            node.clock,
            node.timers,
            node.rng,
            name=self.name,
            rate=options.link,
            ring=options.ring,
            left=self._left,
            lost=self._lost,
        )
        self._receiver = Receiver(
            node.arena,
            node.pool,
            wire,
            node.clock,
            node.timers,
            delay=options.interrupt_delay,
            flow_control=options.flow_control,
            allocate=adapter.allocate_net_buffer_lists,
            room=lambda: adapter.receive_room,
            indicate=adapter.indicate_receive_net_buffer_lists,
            missed=self._missed,
        )
        self._oids = NicOids(self, node.spec.node)
        self._pausing = self._resetting = False
        self._uncopied: list[NblChain] = []

    def restart(self) -> None:
        """Switch the receiver on."""
        self._receiver.enabled = True

    def pause(self) -> Status:
        """Switch the receiver off and let what has been accepted leave (N6-PNP-03)."""
        self._receiver.disable()
        if self._idle():
            return Status.SUCCESS
        self._pausing = True
        return Status.PENDING

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Transmit a chain; an intelligent NIC copies it and completes it at once, a NIC that is gone fails it."""
        if adapter.read_register() == ALL_ONES:
            self._complete(chain, Status.FAILURE)
        elif self._early:
            self._uncopied.append(chain)
            self._copy_early()
        else:
            self._transmitter.send(chain)

    def reset(self) -> Status:
        """Abort what has not left, wait for what is on the line (N6-RST-03, N6-RST-04)."""
        self._abort(Status.RESET_IN_PROGRESS)
        if self._idle():
            return Status.SUCCESS
        self._resetting = True
        return Status.PENDING

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        """Fail what has not left: the device is gone (N6-UNB-05)."""
        self._receiver.disable()
        self._abort(Status.FAILURE)

    def _abort(self, status: Status) -> None:
        waiting, self._uncopied = self._uncopied, []
        for chain in waiting + self._transmitter.take_queued(lambda chain: np.ones(len(chain), np.bool_)):
            own = self._own(chain)
            if own.any():
                self.free(chain[own])
            if not own.all():
                self._complete(chain[~own], status)

    def _own(self, chain: NblChain) -> NDArray[np.bool_]:
        own: NDArray[np.bool_] = (
            chain.handles >> np.uint64(POOL_SHIFT) & np.uint64(MAX_POOLS - 1) == self._node.spec.node
        )
        return own

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Free receive buffers and go on receiving."""
        self.free(chain)
        self._receiver.resume()

    def cancel_send(self, adapter: Adapter, cancel_id: int) -> None:
        """Complete what is still queued under this id as SEND_ABORTED, nothing else (N6-CAN-04, N6-CAN-05)."""

        def matches(chain: NblChain) -> NDArray[np.bool_]:
            mask: NDArray[np.bool_] = chain.cancel_id == np.uint64(cancel_id)
            return mask

        for chain in self._transmitter.take_queued(matches) + self._take_uncopied(matches):
            self._complete(chain, Status.SEND_ABORTED)

    def _take_uncopied(self, wanted: Callable[[NblChain], NDArray[np.bool_]]) -> list[NblChain]:
        """Take sends out that wait to be copied and that `wanted` picks."""
        waiting, self._uncopied = self._uncopied, []
        taken = []
        for chain in waiting:
            mask = wanted(chain)
            taken += [chain[mask]] if mask.any() else []
            self._uncopied += [chain[~mask]] if not mask.all() else []
        return taken

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer at once, as far as the NIC knows."""
        return self._answer(adapter, request)

    def direct_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer at once, whatever else is being asked."""
        return self._answer(adapter, request)

    def synchronous_oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        """Answer at once."""
        return self._answer(adapter, request)

    def _answer(self, adapter: Adapter, request: OidRequest) -> Status:
        gone = adapter.read_register() == ALL_ONES
        return Status.NOT_ACCEPTED if gone else self._oids.answer(request)

    @property
    def connected(self) -> bool:
        """Return whether there is a wire."""
        return self._wire.connected

    @property
    def sent_octets(self) -> int:
        """Return how many bytes of frames were put on the line."""
        return self._transmitter.octets

    @property
    def received_frames(self) -> int:
        """Return how many frames were received into buffers."""
        return self._receiver.frames

    @property
    def received_octets(self) -> int:
        """Return how many bytes of frames were received."""
        return self._receiver.octets

    @property
    def moderation(self) -> int:
        """Return the delay of interrupts in ns, which may be changed; 0 for none."""
        return self._receiver.delay

    @moderation.setter
    def moderation(self, delay: int) -> None:
        self._receiver.delay = delay

    def counted(self, counter: Counter) -> int:
        """Return a counter of the node."""
        return int(self._counters[counter])

    def frames_arrived(self, chain: NblChain, flags: int) -> None:
        """Hand frames from the wire to the receiver."""
        self._receiver.frames_arrived(chain, flags)

    def frames_left(self, chain: NblChain) -> None:
        """Hand transmitted frames to the transmitter."""
        self._transmitter.frames_left(chain)

    def _left(self, chain: NblChain) -> None:
        self._counters[Counter.WIRE_SENT] += self._transmitter.count_frames(chain)
        own = self._own(chain)
        if own.any():
            self.free(chain[own])
            chain = chain[~own]
        if len(chain):
            self._complete(self._shuffle(chain), Status.SUCCESS)
        self._copy_early()
        if self._resetting and self._idle():
            self._resetting = False
            self.adapter.reset_complete(Status.SUCCESS)
        if self._pausing and self._idle():
            self._pausing = False
            self.pause_complete()

    def _complete(self, chain: NblChain, status: Status) -> None:
        chain.status = status
        self.adapter.send_net_buffer_lists_complete(chain)

    def _shuffle(self, chain: NblChain) -> NblChain:
        if self.options.order == "fifo":
            return chain
        return chain[
            np.argsort(self.rng.bits(f"{self.name}/completion-order", chain.packet_id), kind="stable")
        ]

    def _copy_early(self) -> None:
        """Copy waiting sends into the NIC's own memory, as far as there is any, and complete them.

        A packet of several NBs or MDLs, or one that cannot be copied, is transmitted where it lies and completes when
        it has left.
        """
        while self._uncopied:
            chain = self._uncopied[0]
            count = min(len(chain), self._node.pool.free_count - self.options.buffers)
            if count <= 0:
                return
            part, rest = chain[:count], chain[count:]
            self._uncopied[:1] = [rest] if len(rest) else []
            arena = self._node.arena
            long = (arena.nb_next[part.slots] | arena.mdl_next[part.slots]) != 0
            if long.any():
                self._transmitter.send(part[long])
                part = part[~long]
            if len(part):
                copies = self._copy(part)
                done, part = part[: len(copies)], part[len(copies) :]
                if len(done):
                    self._complete(done, Status.SUCCESS)
                    self._transmitter.send(copies)
                if len(part):
                    self._transmitter.send(part)

    def _copy(self, chain: NblChain) -> NblChain:
        copies = self.adapter.allocate_net_buffer_lists(len(chain), chain.length)
        chain = chain[: len(copies)]
        copies.packet_id = chain.packet_id
        for source, copy in zip(chain, copies, strict=True):
            next(next(copy.net_buffers).pieces)[:] = source.data
        return copies

    def _idle(self) -> bool:
        return self._transmitter.idle and not self._uncopied

    def _lost(self, count: int) -> None:
        self._counters[Counter.WIRE_LOST] += count

    def _missed(self, count: int) -> None:
        self._counters[Counter.RX_MISSED] += count
