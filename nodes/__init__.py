"""Driver layers and the runtime that hosts one in a process of its own.

The room's rule: a driver class says what NDIS calls it with; the runtime is NDIS. A node process imports the standard
library, numpy, pyzmq, msgpack, posix_ipc and its driver, nothing else. May import shm, never the orchestrator.
"""

from nodes.driver import Driver
from nodes.ndis import Filter, Intermediate, Miniport, NetEvent, Protocol
from nodes.packets.chain import NblChain
from nodes.status import Status

__all__ = ["Driver", "Filter", "Intermediate", "Miniport", "NblChain", "NetEvent", "Protocol", "Status"]
