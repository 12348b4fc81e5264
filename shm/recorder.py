"""The flight recorder: the last events of one process, kept where others can read them after its death.

cursor (u64, counts for ever) | time u64[n] | argument u64[n] | meta u64[n]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]


class Recorder:
    """The writing end: appends whole vectors of events, overwriting the oldest.

    `columns` has shape (3, n) with n a power of two; `words[cursor]` counts events for ever.
    """

    def __init__(self, columns: U64, words: memoryview, cursor: int) -> None:
        self._times, self._arguments, self._meta = columns
        self._mask = columns.shape[1] - 1
        self._words = words
        self._cursor = cursor
        self.position = words[cursor]

    def record(self, time: int, arguments: U64, meta: U64 | int) -> None:
        """Append one event per argument at `time` (ns); only the last n of a longer vector are kept."""
        count = len(arguments)
        start = self.position & self._mask
        stop = start + count
        if stop <= self._mask + 1:
            self._times[start:stop] = time
            self._arguments[start:stop] = arguments
            self._meta[start:stop] = meta
        else:
            index = np.arange(start, stop) & self._mask
            self._times[index] = time
            self._arguments[index] = arguments
            self._meta[index] = meta
        self.position += count
        self._words[self._cursor] = self.position


def read_events(columns: U64, position: int) -> U64:
    """Return the kept events in order of recording, shape (3, m): times, arguments, meta.

    Reading beside a live writer may see a torn newest row; a reader that needs certainty reads after death.
    """
    capacity = columns.shape[1]
    kept = min(position, capacity)
    index = np.arange(position - kept, position) & (capacity - 1)
    return columns[:, index]
