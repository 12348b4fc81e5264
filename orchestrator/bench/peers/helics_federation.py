"""HELICS over its ipc core: sender and bottom as two message federates, a 1,500-byte message for each packet.

A federation moves in steps of its own time: what one federate sends in a step, the other finds when both have asked for
the next. The bottom's process has the broker. HELICS names the queues of this core for the whole machine, so one
federation of it runs at a time; what it leaves in shared memory is removed at the end.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.peers.base import Hop, package_cure
from orchestrator.bench.work import Generator, Ids, Load, Reader

WINDOW = 256
"""Packets in flight at which HELICS is fastest: with 4,096 it is ten times slower."""
IDS_PER_MESSAGE = 256
"""The core refuses messages beyond 4 KiB."""
CONNECT = "--timeout=20s"
TOP, BOTTOM = "top", "bottom"
_SHARED_MEMORY = Path("/dev/shm")
_BROKER_QUEUES = "_ipc_broker*"


class _Federate:
    """One member with one endpoint, which talks to the other member's; `leftovers` are names of queues to remove."""

    waitable = None

    def __init__(self, name: str, other: str, *leftovers: str) -> None:
        import helics

        self._helics = helics
        core = f"ndisim-{name}-{os.getpid()}"
        info = helics.helicsCreateFederateInfo()
        helics.helicsFederateInfoSetCoreName(info, core)
        helics.helicsFederateInfoSetCoreTypeFromString(info, "ipc")
        helics.helicsFederateInfoSetCoreInitString(info, f"--federates=1 {CONNECT}")
        helics.helicsFederateInfoSetTimeProperty(info, helics.helics_property_time_delta, 1.0)
        self._federate = helics.helicsCreateMessageFederate(name, info)
        self._endpoint = helics.helicsFederateRegisterGlobalEndpoint(self._federate, name, "")
        helics.helicsEndpointSetDefaultDestination(self._endpoint, other)
        self._leftovers = (f"{core}*", *leftovers)
        self._time = 0.0
        self._executing = False
        helics.helicsFederateEnterExecutingModeAsync(self._federate)
        atexit.register(self._leave)

    def send_bytes(self, content: bytes) -> None:
        """Send one message in this step."""
        self._begin()
        self._helics.helicsEndpointSendBytes(self._endpoint, content)

    def step(self) -> list[bytes]:
        """Ask for the next step, wait for the other federate to do so too, and return what has come."""
        self._begin()
        helics, endpoint = self._helics, self._endpoint
        self._time = helics.helicsFederateRequestTime(self._federate, self._time + 1)
        count = helics.helicsEndpointPendingMessageCount(endpoint)
        return [helics.helicsMessageGetBytes(helics.helicsEndpointGetMessage(endpoint)) for _ in range(count)]

    def _begin(self) -> None:
        if not self._executing:
            self._helics.helicsFederateEnterExecutingModeComplete(self._federate)
            self._executing = True

    def _leave(self) -> None:
        self._helics.helicsFederateDisconnect(self._federate)
        self._helics.helicsCloseLibrary()
        for pattern in self._leftovers:
            for queue in _SHARED_MEMORY.glob(pattern):
                queue.unlink(missing_ok=True)


class HelicsUpper:
    """Send packets, take completions."""

    waitable = None

    def __init__(self, load: Load) -> None:
        """Join as the top."""
        self._federate = _Federate(TOP, BOTTOM)
        self._cells = Cells(load)

    def send(self, generator: Generator) -> None:
        """Write the next packet and send a copy: HELICS takes `bytes`."""
        self._federate.send_bytes(bytes(self._cells.fill(generator)))

    def forward(self, messages: Sequence[Any]) -> None:
        """Refuse: a pair has no relay."""
        raise NotImplementedError("HELICS does the job pair only")

    def completions(self) -> list[Ids]:
        """Take what the bottom completed a step ago."""
        return [np.frombuffer(message, dtype=np.uint64) for message in self._federate.step()]


class HelicsLower:
    """Receive packets, send completions."""

    waitable = None

    def __init__(self, load: Load) -> None:
        """Start the broker and join as the bottom."""
        import helics

        self._broker = helics.helicsCreateBroker("ipc", "", "--federates=2")
        self._federate = _Federate(BOTTOM, TOP, _BROKER_QUEUES)

    def receive(self) -> Sequence[Any]:
        """Take what the top sent a step ago."""
        return self._federate.step()

    def read(self, messages: Sequence[Any], reader: Reader) -> Ids:
        """Read the header of every packet."""
        return read_messages(messages, reader)

    def complete(self, ids: Sequence[Ids]) -> None:
        """Send all of them, in as few messages as the core takes."""
        every = np.concatenate(ids)
        for start in range(0, len(every), IDS_PER_MESSAGE):
            self._federate.send_bytes(every[start : start + IDS_PER_MESSAGE].tobytes())


@dataclass(frozen=True, slots=True)
class HelicsHop:
    """The one boundary between the two federates."""

    load: Load

    def open_upper(self) -> HelicsUpper:
        """Join from above."""
        return HelicsUpper(self.load)

    def open_lower(self) -> HelicsLower:
        """Join from below."""
        return HelicsLower(self.load)


class HelicsPeer:
    """Make a federation of two. A side that runs dry asks for the next step, which waits by itself."""

    spin = 0

    def missing(self) -> str | None:
        """Say how to get it, None when it is there."""
        return package_cure("helics")

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make the one hop there is."""
        return [HelicsHop(load)]
