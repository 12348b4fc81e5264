"""The slowest packets of a histogram, kept beside its counts, for next to nothing.

    rows | (took ns, handle, packet id, when ns) u64[KEPT][4] |     handle 0: no packet yet

Packets that came back together were slow together, so one of each vector, its slowest, has a chance of a row. It gets
one when its bucket lies above that of the fastest row: one comparison of two integers for a vector, and in the life of
a histogram fewer than KEPT * BUCKETS rows are written. So no packet left out took longer than a row's by more than the
width of a bucket, 1/32 of the duration, unless it came back with one that has a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shm.histogram import Histogram, bucket_of

U64 = NDArray[np.uint64]
KEPT = 32
SLOW_WORDS = 4
TOOK, HANDLE, PACKET_ID, WHEN = range(SLOW_WORDS)


class PacketHistogram(Histogram):
    """A histogram of how long packets took; `slowest` is u64[KEPT][4], readable live.

    A reader beside a live writer may see a row half written.
    """

    def __init__(self, counts: U64, slowest: U64) -> None:
        super().__init__(counts)
        self.slowest = slowest
        self._bar = -1

    def note(self, now: int, handles: U64, slots: NDArray[np.int64], since: U64, packet_ids: U64) -> None:
        """Count how long packets took up to `now` (ns); `since` (ns) and `packet_ids` are columns by slot."""
        took = np.uint64(now) - since[slots]
        if self.record(took) > self._bar:
            place = int(took.argmax())
            self._keep(took[place], handles[place], packet_ids[slots[place]], np.uint64(now))

    def _keep(self, took: np.uint64, handle: np.uint64, packet_id: np.uint64, now: np.uint64) -> None:
        rows = self.slowest
        row = int(np.where(rows[:, HANDLE] == 0, 0, rows[:, TOOK] + np.uint64(1)).argmin())
        rows[row] = took, handle, packet_id, now
        full = bool(rows[:, HANDLE].all())
        self._bar = int(bucket_of(rows[:, TOOK]).min()) if full else -1
