"""Bytes between processes: segments, packet pools, rings, doorbells, counters and the flight recorder.

The room's rule: nothing here knows what an entry or a packet means, and nothing here imports another room of the
project. Allowed imports: the standard library, numpy, posix_ipc, pyzmq, msgpack.
"""

from shm.arena import CELL_LENGTH, Arena, Pool
from shm.board import Board
from shm.doorbell import Bell, BellListener
from shm.errors import SharedMemoryError
from shm.ring import RingConsumer, RingMemory, RingProducer
from shm.segment import Segment

__all__ = [
    "CELL_LENGTH",
    "Arena",
    "Bell",
    "BellListener",
    "Board",
    "Pool",
    "RingConsumer",
    "RingMemory",
    "RingProducer",
    "Segment",
    "SharedMemoryError",
]
