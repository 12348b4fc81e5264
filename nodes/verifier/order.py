"""The order in which sends leave a layer, against the order in which they came.

Every send gets a number as it arrives. Calls that leave with numbers that follow on those before, as nearly all do, are
told by one comparison of vectors; only others are looked at packet by packet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.nic.wire import MINIMUM_FRAME
from nodes.packets.duties import shape_of
from nodes.status import Status
from nodes.verifier.connection import KEY_LENGTH, connection_of
from nodes.verifier.level import Level
from shm.handle import SLOT_MASK
from shm.vectors import none_set, same

if TYPE_CHECKING:
    from nodes.node import Node
    from nodes.packets.chain import NblChain
    from shm.arena import Slots

U64 = NDArray[np.uint64]
PORT_SHIFT = 48
MAX_CONNECTIONS = 4096
"""Connections that are remembered while packets are overtaken; beyond them a late packet may be missed."""
_WINDOW = 8192


class Numbers:
    """Consecutive numbers of one port above, given out as slices of an array that is made anew now and then."""

    def __init__(self, port: int) -> None:
        self.next = (port + 1 << PORT_SHIFT) + 1
        self._base = self.next
        self._window: U64 = np.zeros(0, np.uint64)

    def ahead(self, count: int) -> U64:
        """Return the next `count` numbers (u64[count]) without taking them."""
        start = self.next - self._base
        if start + count > len(self._window):
            self._base, start = self.next, 0
            self._window = np.arange(self.next, self.next + max(count, _WINDOW), dtype=np.uint64)
        return self._window[start : start + count]


class NumbersByPort(dict[int, Numbers]):
    """Numbers for each port above, made when first asked for."""

    def __missing__(self, port: int) -> Numbers:
        numbers = self[port] = Numbers(port)
        return numbers


class Order:
    """What of a node's sends has to stay in order: nothing but in miniports with a wire and intermediate drivers.

    `notes` says whether arrivals are to be noted. `parts` are the packets of which some NBs are on the wire: which NBs
    they came with, and which have been there (N6-SEND-12).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._given = NumbersByPort()
        self.parts: dict[int, tuple[list[int], list[int]]] = {}
        kind = node.driver.kind if node.driver.generation == 6 and node.spec.level >= Level.LEAKS else ""
        below = [port for port in node.ports if port.spec.side == "upper"]
        wires = [port for port in below if port.spec.kind == "wire" and kind == "miniport"]
        bindings = [port for port in below if port.spec.kind == "binding" and kind == "intermediate"]
        self.notes = bool(wires or bindings)
        self.number = np.zeros(node.arena.slots if self.notes else 0, np.uint64)
        for port in wires:
            port.looks = (WireOrder(node, self).leaving,)
        for port in bindings:
            port.looks = (LayerOrder(node, self).leaving,)

    def arrived(self, port: int, slots: Slots) -> None:
        """Number sends that have come in by a port, if that is of use."""
        if not self.notes:
            return
        given = self._given[port]
        self.number[slots] = given.ahead(len(slots))
        given.next += len(slots)

    def forget(self, slots: Slots) -> None:
        """Forget when packets came that have been refused below: the driver may send them again at any time."""
        if self.notes:
            self.number[slots] = 0

    def check_whole(self, chain: NblChain, statuses: NDArray[np.uint32]) -> None:
        """Report packets completed with SUCCESS of which only some NBs were on the wire (N6-SEND-12)."""
        for handle, status in zip(chain.handles.tolist(), statuses.tolist(), strict=True):
            came, sent = self.parts.pop(handle, ((), ()))
            if status == Status.SUCCESS and len(sent) < len(came):
                text = f"packet {handle:#018x} was completed with SUCCESS, but only {len(sent)} of its {len(came)}"
                self._node.complain("N6-SEND-12", handle, f"{text} NBs were transmitted")


class LayerOrder:
    """What leaves an intermediate driver by one port below: as it came from each port above (N6-IM-03).

    A packet is looked at when it is first forwarded, so that one that failed may be sent again; one whose buffers the
    driver has changed may overtake.
    """

    def __init__(self, node: Node, order: Order) -> None:
        self._node = node
        self._number = order.number
        self._last = NumbersByPort()

    def leaving(self, chain: NblChain, flags: int) -> None:
        """Look at packets that are about to be forwarded."""
        numbers = self._number[chain.slots]
        if not len(numbers):
            return
        last = self._last[(int(numbers[0]) >> PORT_SHIFT) - 1]
        if int(numbers[0]) == last.next and same(numbers, last.ahead(len(numbers))):
            last.next += len(numbers)
        elif none_set(numbers):
            return
        else:
            self._look(chain, numbers)
        self._number[chain.slots] = 0

    def _look(self, chain: NblChain, numbers: U64) -> None:
        duties = self._node.custody.duties
        for port in np.unique(numbers[numbers != 0] >> np.uint64(PORT_SHIFT)).tolist():
            mine = np.flatnonzero(numbers >> np.uint64(PORT_SHIFT) == port)
            last = self._last[port - 1]
            highest = np.maximum.accumulate(
                np.concatenate([[np.uint64(last.next)], numbers[mine] + np.uint64(1)])
            )
            late = chain.handles[mine[numbers[mine] + np.uint64(1) < highest[1:]]].tolist()
            last.next = int(highest[-1])
            for handle in late:
                if duties.came_as(handle) is None:
                    text = f"packet {handle:#018x} was forwarded after packets that came behind it"
                    self._node.complain("N6-IM-03", handle, text)


class WireOrder:
    """What leaves a miniport by its wire: NBs of a packet and packets of a connection as they came (N6-SEND-08).

    None may be a runt (N6-SEND-17): a call has a flag if its frames are padded, or the medium has no minimum.
    Connections are asked for only while a packet waits that others have overtaken; `_highest` is then the last number
    of each on the wire.
    """

    def __init__(self, node: Node, order: Order) -> None:
        self._node = node
        self._arena = node.arena
        self._held = node.custody.held
        self._number = order.number
        self._parts = order.parts
        self._last = NumbersByPort()
        self._overtaken: set[int] = set()
        self._highest: dict[tuple[int, bytes], int] = {}

    def leaving(self, chain: NblChain, flags: int) -> None:
        """Look at packets that are about to be put on the wire."""
        if not flags:
            self._look_for_runts(chain)
        if self._node.custody.duties.owed:
            self._look_at_buffers(chain)
        numbers = self._number[chain.slots]
        if not len(numbers):
            return
        last = self._last[(int(numbers[0]) >> PORT_SHIFT) - 1]
        in_turn = int(numbers[0]) == last.next and same(numbers, last.ahead(len(numbers)))
        if in_turn and not self._overtaken:
            last.next += len(numbers)
        elif not none_set(numbers):
            self._look(chain)

    def _look(self, chain: NblChain) -> None:
        chain = chain[self._held[chain.slots] == chain.handles]
        numbers = self._number[chain.slots]
        chain, numbers = chain[numbers != 0], numbers[numbers != 0]
        if not len(chain):
            return
        reached: dict[int, int] = {}
        for handle, number, frame in zip(
            chain.handles.tolist(), numbers.tolist(), self._frames(chain), strict=True
        ):
            port = (number >> PORT_SHIFT) - 1
            last = self._last[port]
            if number < reached.setdefault(port, last.next) and handle not in self._overtaken:
                continue  # it was on the wire before, and is sent once more
            key = port, connection_of(frame)
            before = self._highest.get(key, 0)
            if number < before:
                text = f"packet {handle:#018x} was transmitted after packets of its connection that came behind it"
                self._node.complain("N6-SEND-08", handle, text)
            self._highest[key] = max(before, number)
            last.next = max(last.next, number + 1)
        self._find_overtaken(chain)

    def _find_overtaken(self, leaving: NblChain) -> None:
        """Note which packets the driver still has of those that came before what has left."""
        slots = np.flatnonzero(self._held)[1:]  # row 0 is no packet's
        numbers = self._number[slots]
        nexts = np.zeros(len(self._node.ports) + 1, np.uint64)
        for port, last in self._last.items():
            nexts[port + 1] = last.next
        behind = slots[
            (numbers != 0) & (numbers < nexts[(numbers >> np.uint64(PORT_SHIFT)).astype(np.int64)])
        ]
        self._overtaken = set(self._held[behind].tolist()).difference(leaving.handles.tolist())
        if not self._overtaken or len(self._highest) > MAX_CONNECTIONS:
            self._highest.clear()

    def _frames(self, chain: NblChain) -> list[bytes]:
        """Return the first bytes of each packet, as many as tell its connection."""
        if self._node.custody.views.live:
            self._node.custody.views.store()
        cells, frames = self._arena.cells, []
        for slot in chain.slots.tolist():
            _, skip, left, mdls = shape_of(self._arena, slot)[0]
            data = b"".join(cells[cell, start : start + count].tobytes() for _, cell, start, count in mdls)
            frames.append(data[skip : skip + min(left, KEY_LENGTH)])
        return frames

    def _look_at_buffers(self, chain: NblChain) -> None:
        """Look at the NBs of packets that the driver has changed, each of which may go to the wire in parts."""
        for handle in chain.handles.tolist():
            shape = self._node.custody.duties.came_as(handle)
            if shape is None:
                continue
            came = [buffer[0] for buffer in shape]
            sent = self._parts.setdefault(handle, (came, []))[1]
            fresh = [
                buffer[0] for buffer in shape_of(self._arena, handle & SLOT_MASK) if buffer[0] not in sent
            ]
            sent += fresh
            if sent != sorted(sent, key=came.index):
                self._node.complain(
                    "N6-SEND-08",
                    handle,
                    f"the NBs of packet {handle:#018x} were transmitted in another order",
                )

    def _look_for_runts(self, chain: NblChain) -> None:
        arena = self._arena
        runts = chain.handles[arena.nb_length[chain.slots] < MINIMUM_FRAME].tolist()
        for index in np.flatnonzero(arena.nb_next[chain.slots]).tolist():
            handle = int(chain.handles[index])
            shape = shape_of(arena, handle & SLOT_MASK)
            if handle not in runts and min(length for _, _, length, _ in shape) < MINIMUM_FRAME:
                runts.append(handle)
        for handle in runts:
            text = (
                f"packet {handle:#018x} was transmitted shorter than {MINIMUM_FRAME} bytes, without padding"
            )
            self._node.complain("N6-SEND-17", handle, text)
