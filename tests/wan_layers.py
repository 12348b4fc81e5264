"""WAN miniports for tests, which do what a test tells them, and stacks of them under NDISWAN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nodes.irql import Irql
from nodes.ndis import Adapter, Binding
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import OidRequest
from nodes.policy import Policy
from nodes.status import Status
from nodes.stock.ndiswan import NdisWan
from nodes.wan import MacLineDown, MacLineUp, WanInfo, WanMiniport, WanPacket
from tests.bench import Bench, Layer
from tests.layers import Teller

HANDLE = 0x77


@dataclass(frozen=True)
class LineOptions:
    """What the line-up and the properties say; `up` brings the line up at the start."""

    up: bool = True
    window: int = 0
    max_transmit: int = 8
    padding: int = 8
    speed: int = 1_000_000
    serialised: bool = True


class Line(WanMiniport):
    """Notes every packet that it is sent, and answers it as a test says; completes and receives when told."""

    Options = LineOptions

    def initialize(self, adapter: Adapter) -> None:
        self.serialised = self.options.serialised
        self.packets: list[WanPacket] = []
        self.frames: list[bytes] = []
        self.rooms: list[tuple[int, int]] = []
        self.links: list[int] = []
        self.taken = 0
        self.answer = Status.PENDING
        self.record = MacLineUp(
            link_speed=self.options.speed // 100, send_window=self.options.window, ndis_link_handle=HANDLE
        )

    @property
    def context(self) -> int:
        """Return what NDISWAN filled in."""
        return self.record.ndis_link_context

    def wan_info(self) -> WanInfo:
        options = self.options
        return WanInfo(
            max_transmit=options.max_transmit, header_padding=options.padding, tail_padding=options.padding
        )

    def tapi_get_id(self, request: OidRequest) -> Status:
        return request.write(b"id") if self.context else Status.FAILURE

    def restart(self) -> None:
        if self.options.up:
            self.up()

    def up(self) -> None:
        """Bring the line up, or say again that it is."""
        self.adapter.indicate_line_up(self.record)

    def down(self) -> None:
        """Take the line down."""
        self.adapter.indicate_line_down(MacLineDown(self.context))

    def wan_send(self, link_handle: int, packet: WanPacket) -> Status:
        self.links.append(link_handle)
        self.packets.append(packet)
        self.frames.append(bytes(packet.data))
        self.rooms.append((packet.head_room, packet.tail_room))
        return self.answer

    def frames_taken(self) -> None:
        self.taken += 1

    @contextmanager
    def at_dispatch(self) -> Iterator[None]:
        """Do something at DISPATCH_LEVEL, as a DPC does."""
        old = self.raise_irql(Irql.DISPATCH)
        yield
        self.lower_irql(old)

    def complete(self, count: int = 1 << 30, status: Status = Status.SUCCESS) -> None:
        """Complete the oldest packets."""
        with self.at_dispatch():
            for packet in self.packets[:count]:
                self.adapter.wan_send_complete(packet, status)
        del self.packets[:count]

    def receive(self, *frames: bytes) -> list[Status]:
        """Indicate frames as one batch; return what NDISWAN said to each."""
        with self.at_dispatch():
            answers = [self.adapter.wan_indicate_receive(self.context, frame) for frame in frames]
            self.adapter.wan_indicate_receive_complete(self.context)
        return answers


class WanTeller(Teller):
    """A teller that also keeps frames and status indications."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.frames: list[bytes] = []
        self.indications: list[StatusIndication] = []

    def receive_net_buffer_lists(self, binding: Binding, chain: Any, flags: int) -> None:
        self.frames += [bytes(nbl.data) for nbl in chain]
        super().receive_net_buffer_lists(binding, chain, flags)

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        self.indications.append(indication)


class Stack:
    """A teller over NDISWAN over lines, running and at rest."""

    def __init__(
        self, *lines: dict[str, Any] | Layer, tops: int = 1, policy: Policy | None = None, **ndiswan: Any
    ) -> None:
        layers: dict[str, Layer] = {f"top{number}": WanTeller for number in range(tops)}
        layers["wan"] = (NdisWan, ndiswan)
        bindings = [f"top{number} -> wan" for number in range(tops)]
        for number, line in enumerate(lines):
            layers[f"line{number}"] = (Line, line) if isinstance(line, dict) else line
            bindings.append(f"wan -> line{number}")
        self.bench = Bench(layers, bindings, policy=policy).start()
        self.settle()

    def settle(self) -> None:
        """Let everything that can happen now happen."""
        self.bench.settle()

    def top(self, number: int = 0) -> WanTeller:
        """Return a protocol above."""
        return self.bench.driver(f"top{number}", WanTeller)

    def line(self, number: int = 0) -> Line:
        """Return a WAN miniport below."""
        return self.bench.driver(f"line{number}", Line)

    @property
    def wan(self) -> NdisWan:
        """Return NDISWAN."""
        return self.bench.driver("wan", NdisWan)

    def send(self, count: int, *, length: int = 64, number: int = 0, cancel_id: int = 0) -> list[int]:
        """Have a protocol send packets, until everything rests; return their handles."""
        handles = self.top(number).send(count, length=length, cancel_id=cancel_id)
        self.settle()
        return handles

    def rules(self) -> list[str]:
        """Return the rules that were broken."""
        return [kind for _, kind in self.bench.kinds() if kind not in ("done",)]
