"""Everything that can be benchmarked, by the name of its row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.bench.harness import measure
from orchestrator.bench.peers.base import Peer
from orchestrator.bench.peers.fifo import FifoPeer
from orchestrator.bench.peers.helics_federation import WINDOW as HELICS_WINDOW
from orchestrator.bench.peers.helics_federation import HelicsPeer
from orchestrator.bench.peers.iceoryx import IceoryxPeer
from orchestrator.bench.peers.memif import MemifContender
from orchestrator.bench.peers.ndisim import NdisimContender
from orchestrator.bench.peers.pipe import PipePeer
from orchestrator.bench.peers.queue import QueuePeer
from orchestrator.bench.peers.simpy_model import (
    SimpyContender,
    chains_through_layers,
    packets_as_processes,
    packets_through_layers,
)
from orchestrator.bench.peers.writing import WritingContender
from orchestrator.bench.peers.zeromq import ZmqPeer
from orchestrator.bench.result import Result
from orchestrator.bench.topologies import LEVEL
from orchestrator.bench.work import WINDOW, Job, Load

_LEVEL_MARK = "-verify-"


class Contender(Protocol):
    """Run loads and report checked figures."""

    @property
    def name(self) -> str:
        """Name the rows."""

    def missing(self) -> str | None:
        """Say what to install, or None when it can run."""

    def supports(self, load: Load) -> bool:
        """Say whether there is such a run at all."""

    def run(self, load: Load) -> Result:
        """Run a load once; what goes wrong becomes the result's `fault`. No process outlives the call."""


@dataclass(frozen=True, slots=True)
class Driven:
    """Drive a Python peer with the common roles.

    `apart` sends a message per packet; `window` is what it may have in flight where it is fastest with fewer than the
    load says; `jobs` are those that it can do.
    """

    name: str
    peer: Peer
    apart: bool = False
    window: int = WINDOW
    jobs: Collection[Job] = tuple(Job)

    def missing(self) -> str | None:
        """Ask the peer."""
        return self.peer.missing()

    def supports(self, load: Load) -> bool:
        """Do these jobs, with chains that fit into its window."""
        return load.job in self.jobs and load.chain <= self.window

    def run(self, load: Load) -> Result:
        """Measure in fresh processes."""
        return measure(
            self.peer, self.name, replace(load, apart=self.apart, window=min(load.window, self.window))
        )


def contenders(levels: Sequence[int] = (LEVEL,)) -> dict[str, Contender]:
    """List all, in the order of the table; `levels` are how much of the contract ndisim checks, a row for each."""
    listed: list[Contender] = [
        *(NdisimContender(_at("ndisim", level), level=level) for level in levels),
        *(NdisimContender(_at("ndisim-coalesce", level), coalesce=True, level=level) for level in levels),
        Driven("queue", QueuePeer()),
        Driven("pipe", PipePeer()),
        Driven("zmq", ZmqPeer()),
        Driven("faster-fifo", FifoPeer()),
        Driven("iceoryx2", IceoryxPeer(), jobs=(Job.RELAY, Job.PAIR)),
        Driven("iceoryx2-packet", IceoryxPeer(), apart=True, jobs=(Job.RELAY, Job.PAIR)),
        Driven("helics", HelicsPeer(), apart=True, window=HELICS_WINDOW, jobs=(Job.PAIR,)),
        SimpyContender("simpy", packets_through_layers),
        SimpyContender("simpy-chain", chains_through_layers),
        SimpyContender("simpy-packet", packets_as_processes),
        MemifContender(),
        WritingContender(),
    ]
    return {contender.name: contender for contender in listed}


def chosen(names: Collection[str], levels: Sequence[int] = (LEVEL,)) -> list[Contender]:
    """Return the contenders of these names, ndisim at each of the levels."""
    return [one for name, one in contenders(levels).items() if name.partition(_LEVEL_MARK)[0] in names]


def _at(name: str, level: int) -> str:
    return name if level == LEVEL else f"{name}{_LEVEL_MARK}{level}"
