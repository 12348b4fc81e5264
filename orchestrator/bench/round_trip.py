"""One packet at a time through a stack at rest and back, beside a bare ZeroMQ ping over as many processes.

Both sides block when they have nothing to do. ndisim does all that it does for every packet; the ping only
passes one frame on, with blocking calls: the least that ZeroMQ can do.
"""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zmq

from nodes.ndis import Binding, NetEvent, Protocol
from nodes.options import Duration, Positive
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.pass_through import PassThrough
from orchestrator.bench.drivers import BenchBottom, leave
from orchestrator.bench.harness import GRACE_SECONDS, START_SECONDS, Sides, sides
from orchestrator.bench.roles import announce
from orchestrator.bench.runs import RunUseless, figures
from orchestrator.bench.topologies import layer, stack
from orchestrator.bench.work import HEADER_BYTES

LOOK_MS = 100


@dataclass(frozen=True, slots=True)
class Ping:
    """Say what is measured: `packets` one by one over `hops` process boundaries, after `gap` ns of rest each."""

    hops: int
    packets: int
    gap: int

    @property
    def limit(self) -> float:
        """Return how many seconds all of it may take."""
        return self.packets * (self.gap / 1e9 + 0.01) + GRACE_SECONDS


@dataclass(frozen=True)
class PingOptions:
    """How many packets, one by one, and how long to rest before each (ns)."""

    packets: Positive = 500
    gap: Duration = 1_000_000


class PingSender(Protocol):
    """Send one packet, rest when it is back, send it again; leave the round trips in ns."""

    Options = PingOptions
    source = True
    default_pool_size = 1

    def bind_adapter(self, binding: Binding) -> None:
        """Allocate the packet."""
        self._binding = binding
        self._chain = binding.allocate_net_buffer_lists(1, HEADER_BYTES)
        self._trips: list[int] = []
        self._began = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Begin when the binding starts."""
        if event is NetEvent.RESTART:
            self.set_timer(self.options.gap, self._send)
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Note the time and go on."""
        self._trips.append(self.now - self._began)
        if len(self._trips) < self.options.packets:
            self.set_timer(self.options.gap, self._send)
        else:
            self.report_done()

    def stop(self) -> None:
        """Leave the round trips and free the packet."""
        super().stop()
        self.free(self._chain)
        leave(self, {"trips": self._trips})

    def _send(self) -> None:
        if self._node.lifecycle.running:
            self._began = self.now
            self._chain.write(np.frombuffer(struct.pack("<Q", len(self._trips)), np.uint8))
            self._binding.send_net_buffer_lists(self._chain)


def ndisim_trips(ping: Ping) -> list[int]:
    """Return the round trips through sender, filters and bottom, ns. Raises RunUseless and RunError."""
    filters = {f"filter{number}": layer(PassThrough) for number in range(1, ping.hops)}
    sender = layer(PingSender, packets=ping.packets, gap=ping.gap)
    topology = stack({"sender": sender, **filters, "bottom": layer(BenchBottom)})
    with tempfile.TemporaryDirectory(prefix="ndisim-bench-") as directory:
        left = figures(topology, Path(directory), ping.limit)
    trips: list[int] = left["sender"]["trips"]
    count, sequences = left["bottom"]["seen"]["packets"], left["bottom"]["seen"]["sequences"]
    if count != ping.packets or sequences != ping.packets * (ping.packets - 1) // 2:
        raise RunUseless(f"sent {ping.packets} packets, the bottom read {count}")
    return trips


def zmq_trips(ping: Ping) -> list[int]:
    """Return the round trips of a frame passed on over PAIR sockets, ns. Raises SideFailed."""
    with tempfile.TemporaryDirectory(prefix="ndisim-bench-") as directory, sides() as started:
        ends = [f"ipc://{directory}/hop{index}" for index in range(ping.hops)]
        started.start("bottom", ping_bottom, ends[-1])
        for index in range(ping.hops - 1):
            started.start(f"relay{index}", ping_relay, ends[index], ends[index + 1])
        started.start("top", ping_top, ends[0], ping)
        return _collect(started, ping)


def _collect(started: Sides, ping: Ping) -> list[int]:
    for side in started.controls:
        started.take(side, START_SECONDS)
    started.controls["top"].send("go")
    trips: list[int] = started.take("top", ping.limit)
    for control in started.controls.values():
        control.send("stop")
    return trips


def ping_top(below: str, ping: Ping, control: Connection) -> None:
    """Send the pings and report the round trips; the rest between them is a wait for the word to stop."""
    socket = _pair(below, bind=False)
    announce(control)
    trips: list[int] = []
    with suppress(EOFError, ConnectionError):
        control.recv()
        while len(trips) < ping.packets and not control.poll(ping.gap / 1e9):
            began = time.monotonic_ns()
            socket.send(struct.pack("<Q", len(trips)).ljust(HEADER_BYTES, b"\0"))
            (back,) = struct.unpack_from("<Q", _receive(socket, control))
            if back != len(trips):
                break
            trips.append(time.monotonic_ns() - began)
        control.send(trips)
        control.recv()


def ping_relay(above: str, below: str, control: Connection) -> None:
    """Pass a frame down and its answer up, until told to stop."""
    upper, lower = _pair(above, bind=True), _pair(below, bind=False)
    announce(control)
    with suppress(EOFError):
        while True:
            lower.send(_receive(upper, control))
            upper.send(_receive(lower, control))


def ping_bottom(above: str, control: Connection) -> None:
    """Send every frame back, until told to stop."""
    socket = _pair(above, bind=True)
    announce(control)
    with suppress(EOFError):
        while True:
            socket.send(_receive(socket, control))


def _receive(socket: zmq.SyncSocket, control: Connection) -> bytes:
    """Block for the next frame; raises EOFError when the harness has said to stop or is gone."""
    while True:
        try:
            return socket.recv()
        except zmq.Again:
            if control.poll(0):
                raise EOFError from None


def _pair(endpoint: str, bind: bool) -> zmq.SyncSocket:
    socket: zmq.SyncSocket = zmq.Context.instance().socket(zmq.PAIR)
    socket.linger = 0
    socket.rcvtimeo = LOOK_MS
    if bind:
        socket.bind(endpoint)
    else:
        socket.connect(endpoint)
    return socket


ROUND_TRIP_PEERS: Mapping[str, Callable[[Ping], list[int]]] = {"ndisim": ndisim_trips, "zmq": zmq_trips}


def summary(ping: Ping, rounds: Mapping[str, Sequence[Sequence[int]]]) -> list[dict[str, Any]]:
    """Return a row per peer: percentiles in us over all rounds, and the ratio to ZeroMQ.

    The ratio is the median over the rounds of one median by the other, both of the same round.
    """
    bare = [median(trips) for trips in rounds["zmq"]]
    rows = []
    for peer, found in rounds.items():
        p50, p90, p99 = np.percentile(np.concatenate([np.array(trips) for trips in found]), (50, 90, 99))
        ratios = [median(trips) / other for trips, other in zip(found, bare, strict=True)]
        rows.append(
            {
                "peer": peer,
                "hops": ping.hops,
                "gap_ms": ping.gap / 1e6,
                "packets": sum(map(len, found)),
                "p50_us": float(p50) / 1000,
                "p90_us": float(p90) / 1000,
                "p99_us": float(p99) / 1000,
                "ratio": median(ratios),
            }
        )
    return rows
