"""The flight recorder: the last events of one process, kept where others can read them after its death.

Whole vectors share time and meaning, so an event costs one word:

    words     | entry cursor | row cursor |            both count for ever
    arguments | u64[n] |                               one per event, oldest overwritten
    rows      | (time, meta, first position, count) u64[n / 8][4] |     one per vector
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shm.layout import words_of

U64 = NDArray[np.uint64]
ROW_WORDS = 4
EVENTS_PER_ROW = 8


class Recorder:
    """The writing end: appends whole vectors of events, overwriting the oldest.

    `arguments` is u64[n] and `rows` u64[m][4], n and m powers of two; `cursors` is u64[2], how many of each so far.
    """

    def __init__(self, arguments: U64, rows: U64, cursors: memoryview) -> None:
        self._arguments = arguments
        self._mask = len(arguments) - 1
        self._rows = words_of(rows)
        self._row_mask = len(rows) - 1
        self._cursors = cursors
        self._position, self._row = cursors[0], cursors[1]

    def record(self, time: int, arguments: U64, meta: int) -> None:
        """Append one event per argument, all at `time` (ns) and of one `meta`; the last n of a longer vector stay."""
        count = len(arguments)
        start = self._position & self._mask
        stop = start + count
        if stop <= self._mask + 1:
            self._arguments[start:stop] = arguments
        else:
            self._arguments[np.arange(start, stop) & self._mask] = arguments
        word = (self._row & self._row_mask) * ROW_WORDS
        rows = self._rows
        rows[word], rows[word + 1], rows[word + 2], rows[word + 3] = time, meta, self._position, count
        self._position += count
        self._row += 1
        self._cursors[0], self._cursors[1] = self._position, self._row


def read_events(arguments: U64, rows: U64, cursors: memoryview) -> tuple[U64, U64, U64]:
    """Return the events still kept, oldest first: times, arguments and meta, three arrays of one length.

    Reading beside a live writer may see a torn newest row; a reader that needs certainty reads after death.
    """
    position, row = cursors[0], cursors[1]
    kept_rows = np.arange(max(row - len(rows), 0), row) & (len(rows) - 1)
    times, meta, first, count = rows[kept_rows].T
    oldest = max(position - len(arguments), 0)
    inside = np.minimum(np.maximum(first + count, oldest) - np.maximum(first, oldest), count).astype(np.int64)
    positions = np.repeat((first + count).astype(np.int64) - inside, inside) + _ramps(inside)
    return np.repeat(times, inside), arguments[positions & (len(arguments) - 1)], np.repeat(meta, inside)


def _ramps(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0..c-1 for each count c, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
