"""A source of OID requests: many at once, of all kinds, while others send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from nodes.metrics import Counter
from nodes.ndis import Binding, NetEvent, Protocol
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.options import Count, Fraction, Quantity
from nodes.status import Status
from nodes.timers import RETRY

QUERIES = (
    Oid.GEN_XMIT_OK,
    Oid.GEN_STATISTICS,
    Oid.GEN_LINK_STATE,
    Oid.IEEE_CURRENT_ADDRESS,
    Oid.GEN_MAXIMUM_FRAME_SIZE,
    Oid.GEN_CURRENT_PACKET_FILTER,
)
_ROOM = 256


@dataclass(frozen=True)
class OidStormOptions:
    """How many requests are made, and of which kinds."""

    requests: Count = field(default=0, metadata={"help": "requests to make; 0 for no end"})
    window: Annotated[int, Quantity("count", minimum=1, maximum=1024)] = field(
        default=64, metadata={"help": "requests outstanding at most"}
    )
    sets: Fraction = field(default=0.1, metadata={"help": "share of sets (of the multicast list)"})
    direct: Fraction = field(
        default=0.2, metadata={"help": "share of direct requests, which do not wait in line"}
    )


class OidStorm(Protocol):
    """Issue requests as fast as the window lets them through, and check each answer.

    An answer is wrong when its status is neither SUCCESS nor RESOURCES, when it is empty, or when fewer packets are
    said to have been sent than before: regular requests are answered in their order (N6-OID-01). Each request is made
    once and ends once (N6-OID-04); while the driver pauses it makes none and waits for those that are out (N6-OID-22).
    """

    Options = OidStormOptions
    source = True
    frame_types = (0,)

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return one: requests lie in message slots."""
        return 1

    def start(self) -> None:
        """Begin with nothing asked."""
        self._made = 0
        self._out = 0
        self._open = False
        super().start()

    def bind_adapter(self, binding: Binding) -> None:
        """Begin anew to compare what an adapter says it has sent."""
        self._sent_frames = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Begin when the first binding runs; a pause is over when everything has been answered."""
        if event is NetEvent.RESTART:
            self._open = True
            self._ask()
        elif event is NetEvent.PAUSE:
            self._open = False
            return Status.PENDING if self._out else Status.SUCCESS
        return Status.SUCCESS

    def oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Check an answer and ask for more."""
        if not self._right(request, status):
            self._node.board.counters[Counter.OIDS_FAILED] += 1
        self._out -= 1
        self._ask()
        if not self._out and not self._open:
            self.queue_work_item(self.pause_complete)

    def direct_oid_request_complete(self, binding: Binding, request: OidRequest, status: int) -> None:
        """Check an answer and ask for more."""
        self.oid_request_complete(binding, request, status)

    def _ask(self) -> None:
        limit = self.options.requests
        while self._open and self._out < self.options.window and (not limit or self._made < limit):
            if not self._issue(*self._next()):
                self.set_timer(RETRY, self._ask)
                return
        if limit and self._made == limit and not self._out:
            self.report_done()

    def _next(self) -> tuple[OidRequest, bool]:
        """Return the next request, and whether it is a direct one; both drawn by its number."""
        self._made += 1
        number = np.array([self._made], np.uint64)
        kind = float(self.rng.uniform(f"{self.name}/kind", number)[0])
        pick = int(self.rng.bits(f"{self.name}/pick", number)[0])
        if kind < self.options.sets:
            address = b"\x01\x00\x5e" + (pick & 0x7FFFFF).to_bytes(3, "big")
            fields: dict[str, Any] = {"type": RequestType.SET, "buffer": address}
            return OidRequest(Oid.IEEE_MULTICAST_LIST, request_id=self._made, **fields), False
        oid = QUERIES[pick % len(QUERIES)]
        request = OidRequest(oid, output_length=_ROOM, request_id=self._made)
        return request, kind > 1 - self.options.direct

    def _issue(self, request: OidRequest, direct: bool) -> bool:
        """Issue a request; return whether it is out and not refused at once."""
        binding = self.bindings[0]
        self._out += 1
        status = binding.direct_oid_request(request) if direct else binding.oid_request(request)
        if status is not Status.PENDING:
            self._out -= 1
            self._made -= 1
            self._node.board.counters[Counter.OIDS_FAILED] += status is not Status.RESOURCES
        return status is Status.PENDING

    def _right(self, request: OidRequest, status: int) -> bool:
        if status == Status.RESOURCES:
            return True
        if status != Status.SUCCESS or (request.type is RequestType.QUERY and not request.answer):
            return False
        if request.oid != Oid.GEN_XMIT_OK or request.delivery:
            return True
        before, self._sent_frames = self._sent_frames, int.from_bytes(request.answer, "little")
        return self._sent_frames >= before
