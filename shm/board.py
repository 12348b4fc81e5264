"""What one node shows of itself, in a segment of its own: words, counters, histograms and the flight recorder.

    words      | progress | state | done | ... |     one u64 each, written by the node alone
    counters   | u64[96] |
    ports      | u64[ports][16] |
    statuses   | (status, count) u64[32][2] |
    flows      | u64[1024] |
    histograms | u64[4][BUCKETS] |
    held       | u64[ports][BUCKETS] |
    phases     | u64[phases][8] |
    of phases  | u64[phases][2][BUCKETS] |
    slowest    | u64[4 + ports][32][4] |               of each histogram
    recorder   | cursors u64[2] | arguments u64[events] | rows u64[events / 8][4] |

Readers need no consent of the node and go on reading after its death.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from shm.histogram import BUCKETS, Histogram
from shm.layout import Layout, words_of
from shm.recorder import EVENTS_PER_ROW, ROW_WORDS, Recorder, read_events
from shm.slowest import KEPT, SLOW_WORDS, PacketHistogram

COUNTERS = 96
PORT_COUNTERS = 16
STATUSES = 32
FLOWS = 1024
HISTOGRAMS = 4
PHASE_WORDS = 8
PHASE_HISTOGRAMS = 2


class Word(IntEnum):
    """Single words of a board."""

    PROGRESS = 0
    STATE = 1
    DONE = 2


class Board:
    """A node's board, mapped by the node that writes it or by anyone who reads it.

    `phases` and `phase_histograms` have a row for each phase of a source that sends by phases.
    """

    def __init__(self, buffer: memoryview, ports: int, events: int, phases: int = 0) -> None:
        arrays = self.layout(ports, events, phases).map(buffer)
        self.words = words_of(arrays["words"])
        self.counters = words_of(arrays["counters"])
        self.ports = [words_of(row) for row in arrays["ports"]]
        self.statuses: NDArray[np.uint64] = arrays["statuses"]
        self.flows = words_of(arrays["flows"])
        self.phases = [words_of(row) for row in arrays["phases"]]
        self.phase_histograms = [[Histogram(row) for row in rows] for rows in arrays["phase_histograms"]]
        slowest = arrays["slowest"]
        self.histograms = list(map(PacketHistogram, arrays["histograms"], slowest[:HISTOGRAMS]))
        self.held = list(map(PacketHistogram, arrays["held"], slowest[HISTOGRAMS:]))
        self._arguments: NDArray[np.uint64] = arrays["arguments"]
        self._rows: NDArray[np.uint64] = arrays["rows"]
        self._cursors = words_of(arrays["cursors"])

    @staticmethod
    def layout(ports: int, events: int, phases: int = 0) -> Layout:
        """Return the layout of a board for so many ports, phases and recorded events (these a power of two)."""
        layout = Layout()
        layout.add("words", "u8", 8)
        layout.add("counters", "u8", COUNTERS)
        layout.add("ports", "u8", max(ports, 1), PORT_COUNTERS)
        layout.add("statuses", "u8", STATUSES, 2)
        layout.add("flows", "u8", FLOWS)
        layout.add("histograms", "u8", HISTOGRAMS, BUCKETS)
        layout.add("held", "u8", max(ports, 1), BUCKETS)
        layout.add("phases", "u8", phases, PHASE_WORDS)
        layout.add("phase_histograms", "u8", phases, PHASE_HISTOGRAMS, BUCKETS)
        layout.add("slowest", "u8", HISTOGRAMS + max(ports, 1), KEPT, SLOW_WORDS)
        layout.add("cursors", "u8", 2)
        layout.add("arguments", "u8", events)
        layout.add("rows", "u8", events // EVENTS_PER_ROW, ROW_WORDS)
        return layout

    def recorder(self) -> Recorder:
        """Return the writing end of the flight recorder; the node alone asks for it."""
        return Recorder(self._arguments, self._rows, self._cursors)

    def events(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the recorded events that are still kept, oldest first: times, arguments and meta."""
        return read_events(self._arguments, self._rows, self._cursors)

    def count_status(self, status: int, count: int) -> None:
        """Add `count` completions with `status`; statuses beyond the table's 32 rows share the last one."""
        table = self.statuses
        for row in range(STATUSES):
            if table[row, 1] == 0 or table[row, 0] == status:
                break
        table[row, 0] = status
        table[row, 1] += np.uint64(count)

    def status_counts(self) -> dict[int, int]:
        """Return how many completions each status had."""
        return {int(status): int(count) for status, count in self.statuses if count}
