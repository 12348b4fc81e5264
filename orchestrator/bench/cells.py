"""Cells of a sender's own memory, and headers of joined messages: what peers without shared memory need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.bench.work import PACKET_BYTES, PACKET_WORDS, Generator, Ids, Load, Reader, words_of


class Cells:
    """Hold packets for one window, so that no cell is overwritten before its completion came back.

    That makes it safe for a peer to send from the cells without a copy. Completions keep the order of sends.
    """

    def __init__(self, load: Load) -> None:
        """Take memory for as many whole messages as the window holds."""
        self._chain = load.message
        count = load.window // load.message
        self._words = np.zeros((count, load.message, PACKET_WORDS), dtype=np.uint32)
        flat = memoryview(self._words.data).cast("B")
        size = load.message * PACKET_BYTES
        self._chains = list(self._words)
        self._views = [flat[index * size : (index + 1) * size] for index in range(count)]
        self._next = 0

    def fill(self, generator: Generator) -> memoryview:
        """Write the next message into the oldest cells and return them as one contiguous view of bytes."""
        index = self._next
        view = self._views[index]
        if self._chain == 1:
            generator.fill_one(view)
        else:
            generator.fill(self._chains[index])
        self._next = index + 1 if index + 1 < len(self._views) else 0
        return view


def read_messages(messages: Sequence[Any], reader: Reader) -> Ids:
    """Read the headers of contiguous messages of whole packets; return all sequence numbers in one array."""
    if len(messages[0]) == PACKET_BYTES:
        return np.array([reader.read_one(message) for message in messages], dtype=np.uint64)
    if len(messages) == 1:
        return reader.read(words_of(messages[0]))
    return np.concatenate([reader.read(words_of(message)) for message in messages])
