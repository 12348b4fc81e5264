"""The stock WAN miniport: one link of a given speed, wired to another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from nodes.irql import Irql
from nodes.metrics import Counter
from nodes.ndis import Adapter, DevicePnpEvent
from nodes.ndis.oid import OidRequest
from nodes.nic import Receiver, Transmitter, Wire
from nodes.options import Choice, Count, Duration, Positive, Quantity, Rate
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.timers import Timer
from nodes.wan import MacLineDown, MacLineUp, WanInfo, WanMiniport, WanPacket
from nodes.wan.links import MAX_PADDING, MIN_FRAME_SIZE
from nodes.wan.records import SPEED_UNIT
from shm.arena import CELL_LENGTH
from shm.handle import MAX_POOLS, POOL_SHIFT

LINK_HANDLE = 0x10
CALL = 1


@dataclass(frozen=True)
class WanMiniportOptions:
    """What kind of link it is; speed in bit/s, times in ns."""

    speed: Rate = field(default=1_000_000, metadata={"help": "line speed"})
    window: Count = field(
        default=0, metadata={"help": "send window of the line-up; 0: what `max_transmit` says (WAN-LNK-05)"}
    )
    max_transmit: Positive = field(
        default=8, metadata={"help": "packets that the driver takes at once on a link"}
    )
    max_frame: Annotated[int, Quantity("bytes", minimum=MIN_FRAME_SIZE, maximum=CELL_LENGTH)] = field(
        default=1600, metadata={"help": "longest frame"}
    )
    padding: Annotated[int, Quantity("bytes", maximum=MAX_PADDING // 2)] = field(
        default=16, metadata={"help": "room that the driver wants on both sides of a frame"}
    )
    complete: Annotated[str, Choice(("wire", "copied", "random"))] = field(
        default="wire",
        metadata={
            "help": "PENDING until the frame has left; SUCCESS at once, when the NIC has a copy; or drawn (WAN-SND-14)"
        },
    )
    serialised: bool = field(default=True, metadata={"help": "let NDIS enter the driver one call at a time"})
    dial: Duration = field(default=0, metadata={"help": "time from the start until the line is up"})
    buffers: Positive = field(default=256, metadata={"help": "receive buffers of the NIC"})


class StockWanMiniport(WanMiniport):
    """Drive one link: bring its line up, transmit every packet in order, complete it once, indicate what arrives."""

    Options = WanMiniportOptions

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return the receive buffers, as many for frames on their way up, and the NIC's memory for copies."""
        return 2 * int(options.buffers) + int(options.max_transmit)

    def initialize(self, adapter: Adapter) -> None:
        """Set the link up, line down."""
        node, options = self._node, self.options
        self.serialised = options.serialised
        self._wire = Wire(node.arena, node.ports, no_minimum=True)
        self._transmitter = Transmitter(
            node.arena,
            self._wire,
            node.clock,
            node.timers,
            node.rng,
            name=self.name,
            rate=options.speed,
            ring=options.max_transmit,
            left=self._left,
            lost=self._lost,
        )
        self._receiver = Receiver(
            node.arena,
            node.pool,
            self._wire,
            node.clock,
            node.timers,
            delay=0,
            flow_control=True,
            allocate=node.allocate,
            room=lambda: min(adapter.receive_room, node.pool.free_count // 2),
            indicate=self._received,
            missed=self._missed,
        )
        self._line = MacLineUp(
            link_speed=min(options.speed // SPEED_UNIT, 0xFFFFFFFF),
            send_window=options.window,
            connection_wrapper_id=CALL,
            ndis_link_handle=LINK_HANDLE,
        )
        self._packets: dict[int, WanPacket] = {}
        self._asked: list[OidRequest] = []
        self._dialling: Timer | None = None
        self._pausing = self._resetting = False

    def wan_info(self) -> WanInfo:
        """Return the properties of the link."""
        options = self.options
        return WanInfo(options.max_frame, options.max_transmit, options.padding, options.padding)

    def restart(self) -> None:
        """Switch the receiver on and dial, the first time."""
        self._receiver.enabled = True
        if not self._line.ndis_link_context and self._dialling is None:
            self._dialling = self.set_timer(self.options.dial, self.connect)

    def halt(self) -> None:
        """Dial no more (N6-PNP-14)."""
        if self._dialling is not None:
            self._dialling.cancel()

    def pause(self) -> Status:
        """Switch the receiver off and let what has been accepted leave (N6-PNP-03)."""
        self._receiver.disable()
        if self._transmitter.idle:
            return Status.SUCCESS
        self._pausing = True
        return Status.PENDING

    def reset(self) -> Status:
        """Abort what has not left and what waits for the line, wait for what is on it (N6-RST-03, N6-RST-04)."""
        self._abort(Status.RESET_IN_PROGRESS)
        self._answer_asked(lambda request: True)
        if self._transmitter.idle:
            return Status.SUCCESS
        self._resetting = True
        return Status.PENDING

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        """Fail what has not left and what waits for the line: the device is gone (N6-UNB-05)."""
        self._receiver.disable()
        self._abort(Status.FAILURE)
        self._answer_asked(lambda request: True)

    def cancel_oid_request(self, adapter: Adapter, request_id: int) -> None:
        """Answer a request that waits for the line at once."""
        self._answer_asked(lambda request: request.request_id == request_id)

    def _answer_asked(self, wanted: Callable[[OidRequest], bool]) -> None:
        """Abort requests that wait for the line; without a device there is one answer alone (N6-OID-16)."""
        status = Status.REQUEST_ABORTED if self.adapter.present else Status.NOT_ACCEPTED
        ended = [request for request in self._asked if wanted(request)]
        self._asked = [request for request in self._asked if request not in ended]
        for request in ended:
            self.adapter.oid_request_complete(request, status)

    def connect(self) -> None:
        """Bring the line up, then answer who asked for its call (WAN-LNK-02)."""
        self.adapter.indicate_line_up(self._line)
        asked, self._asked = self._asked, []
        for request in asked:
            self.adapter.oid_request_complete(request, request.write(CALL.to_bytes(4, "little")))

    def disconnect(self) -> None:
        """Take the line down."""
        self.adapter.indicate_line_down(MacLineDown(self._line.ndis_link_context))

    def change(self, *, speed: int | None = None, window: int | None = None) -> None:
        """Change speed (bit/s) or window of the line by repeating the line-up (WAN-LNK-03, WAN-SND-02)."""
        if speed is not None:
            self._line.link_speed = speed // SPEED_UNIT
        if window is not None:
            self._line.send_window = window
        self.adapter.indicate_line_up(self._line)

    def tapi_get_id(self, request: OidRequest) -> Status:
        """Answer when the line of the call is up (WAN-LNK-02)."""
        if self.adapter.call_is_up(CALL):
            return request.write(CALL.to_bytes(4, "little"))
        self._asked.append(request)
        return Status.PENDING

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        """Transmit a packet where it lies, or a copy of it."""
        copy = self._copy(packet) if self._copies(packet) else None
        if copy is not None:
            self._transmitter.send(copy)
            return Status.SUCCESS
        self._packets[packet.handle] = packet
        self._transmitter.send(packet.chain)
        return Status.PENDING

    def frames_arrived(self, chain: NblChain, flags: int) -> None:
        """Hand frames from the wire to the receiver."""
        self._receiver.frames_arrived(chain, flags)

    def frames_left(self, chain: NblChain) -> None:
        """Hand transmitted frames to the transmitter."""
        self._transmitter.frames_left(chain)

    def frames_taken(self) -> None:
        """Go on receiving when NDISWAN has worked frames off."""
        self._receiver.resume()

    def _copies(self, packet: WanPacket) -> bool:
        if self.options.complete == "random":
            ids = packet.chain.packet_id
            return bool(self.rng.uniform(f"{self.name}/completion", ids)[0] < 0.5)
        return bool(self.options.complete == "copied")

    def _copy(self, packet: WanPacket) -> NblChain | None:
        """Return a copy in the NIC's own memory, None when that is full."""
        if self._node.pool.free_count <= 2 * self.options.buffers:
            return None
        copy = self._node.allocate(1, packet.current_length)
        if not len(copy):
            return None
        copy.packet_id = packet.chain.packet_id
        copy.write(np.frombuffer(packet.data, np.uint8))
        return copy

    def _left(self, chain: NblChain) -> None:
        self._node.board.counters[Counter.WIRE_SENT] += len(chain)
        self._end(chain, Status.SUCCESS)
        if self._resetting and self._transmitter.idle:
            self._resetting = False
            self.adapter.reset_complete(Status.SUCCESS)
        if self._pausing and self._transmitter.idle:
            self._pausing = False
            self.pause_complete()

    def _abort(self, status: Status) -> None:
        """End what waits, at the level at which sends are completed (WAN-SND-09)."""
        old = self.raise_irql(Irql.DISPATCH)
        for chain in self._transmitter.take_queued(lambda chain: np.ones(len(chain), np.bool_)):
            self._end(chain, status)
        self.lower_irql(old)

    def _end(self, chain: NblChain, status: Status) -> None:
        """Free the NIC's own copies and complete NDISWAN's packets."""
        own = chain.handles >> np.uint64(POOL_SHIFT) & np.uint64(MAX_POOLS - 1) == self._node.spec.node
        if own.any():
            self.free(chain[own])
        for handle in chain.handles[~own].tolist():
            self.adapter.wan_send_complete(self._packets.pop(handle), status)

    def _received(self, chain: NblChain) -> None:
        """Indicate frames one by one, as one batch, and use their buffers again."""
        old = self.raise_irql(Irql.DISPATCH)
        context = self._line.ndis_link_context
        if self.adapter.call_is_up(CALL):
            for nbl in chain:
                self.adapter.wan_indicate_receive(context, nbl.data)
            self.adapter.wan_indicate_receive_complete(context)
        else:
            self._missed(len(chain))
        self.lower_irql(old)
        self.free(chain)

    def _lost(self, count: int) -> None:
        self._node.board.counters[Counter.WIRE_LOST] += count

    def _missed(self, count: int) -> None:
        self._node.board.counters[Counter.RX_MISSED] += count
