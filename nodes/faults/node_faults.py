"""The faults of one node: what is in force, begun and ended by the orchestrator's word."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from nodes.faults.fault import Fault
from nodes.faults.frames import FrameFaults
from nodes.faults.gate import Gate
from nodes.faults.replies import ReplyFaults
from nodes.faults.shortage import FaultShortage
from nodes.metrics import FIRST_FAULT

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

_ON_PACKETS = frozenset({"drop", "duplicate", "reorder", "corrupt", "delay", "hold", "status"})


class NodeFaults:
    """What is in force on one node.

    What a fault has hit is counted on the board, in a row of its own behind the counters. The objects that do the
    harm stand in their places only as long as they have a fault to carry out.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._gate: Gate | None = None
        self._ends: dict[int, Callable[[], None]] = {}

    def start(self) -> None:
        """Begin the faults that are there from the beginning."""
        for packed in self._node.spec.faults:
            self._begin(Fault(**packed))

    def command(self, arguments: dict[str, Any]) -> None:
        """Begin the fault that ``{"begin": ...}`` describes, or end that of a row, ``{"end": row}``; twice is once."""
        if "begin" in arguments:
            self._begin(Fault(**arguments["begin"]))
        else:
            self._ends.pop(arguments["end"], lambda: None)()

    def let_go(self) -> None:
        """Let every packet that a fault keeps here go on: the layer pauses."""
        for port in self._node.ports:
            if isinstance(port.mixing, FrameFaults | ReplyFaults):
                port.mixing.let_go()

    def catch_up(self, port: Port) -> None:
        """Show the node all that a neighbour has published: it is dead, and nothing more will come."""
        if self._gate is not None:
            self._gate.show_all_of(port.index)

    def _begin(self, fault: Fault) -> None:
        if fault.kind in _ON_PACKETS:
            self._ends[fault.row] = self._disturb(fault)
        elif fault.kind == "low_resources":
            shortage = FaultShortage(self._node, fault, self._hit)
            self._node.forcing.run_short(shortage)
            self._ends[fault.row] = partial(self._node.forcing.recover, shortage)
        else:
            self._ends[fault.row] = self._slow_down(fault)

    def _disturb(self, fault: Fault) -> Callable[[], None]:
        """Put a fault of packets before the ports that it concerns; return what ends it."""
        lower = [port for port in self._node.ports if port.spec.side == "lower"]
        ports = [port for port in lower if fault.peer in ("", port.spec.peer_name)]
        if not fault.peer:
            ports = [port for port in ports if port.spec.kind == "binding"]
        for port in ports:
            standing = port.mixing
            if isinstance(standing, FrameFaults | ReplyFaults):
                standing.faults = (*standing.faults, fault)
                continue
            new: FrameFaults | ReplyFaults
            if port.spec.kind == "wire":
                new = FrameFaults(self._node, port, self._hit)
            else:
                new = ReplyFaults(self._node, port, standing, self._hit)
            new.faults = (fault,)
            port.mixing = new
        return partial(self._calm, fault, ports)

    def _calm(self, fault: Fault, ports: Iterable[Port]) -> None:
        for port in ports:
            standing = port.mixing
            assert isinstance(standing, FrameFaults | ReplyFaults)
            standing.faults = tuple(other for other in standing.faults if other is not fault)
            standing.let_go(fault if standing.faults else None)
            if not standing.faults:
                port.mixing = standing.inner if isinstance(standing, ReplyFaults) else None

    def _slow_down(self, fault: Fault) -> Callable[[], None]:
        if self._gate is None:
            self._gate = Gate(self._node, self._hit)
        self._gate.add(fault)
        return partial(self._speed_up, self._gate, fault)

    def _speed_up(self, gate: Gate, fault: Fault) -> None:
        gate.end(fault)
        if not gate.faults:
            self._gate = None

    def _hit(self, fault: Fault, count: int) -> None:
        self._node.board.counters[FIRST_FAULT + fault.row] += count
