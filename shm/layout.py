"""Where named arrays lie in a segment: described once, mapped by every process alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64
WORDS_PER_LINE = CACHE_LINE // 8


@dataclass(frozen=True)
class Field:
    """One array: its NumPy type, its shape and its byte offset in the segment's payload."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def length(self) -> int:
        """Return the array's length in bytes."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape))


def words_of(array: NDArray[np.uint64]) -> memoryview:
    """Return a contiguous array as native 64-bit words: one item is read or stored by one machine instruction."""
    return array.data.cast("B").cast("Q")


class Layout:
    """A row of fields, each starting on a cache line of its own.

    Adding the same fields in the same order gives the same offsets in every process.
    """

    def __init__(self, start: int = 0) -> None:
        self._fields: dict[str, Field] = {}
        self.size = start

    def add(self, name: str, dtype: str, *shape: int) -> Field:
        """Append an array; raises ValueError for a name that is there already."""
        if name in self._fields:
            raise ValueError(f"field {name!r} is in the layout already")
        field = Field(name, dtype, shape, self.size)
        self._fields[name] = field
        self.size = -(-(self.size + field.length) // CACHE_LINE) * CACHE_LINE
        return field

    def map(self, buffer: memoryview) -> dict[str, NDArray[Any]]:
        """Return every field as an array on `buffer`; raises ValueError when the buffer is too short."""
        if len(buffer) < self.size:
            raise ValueError(f"the layout needs {self.size} bytes, the buffer has {len(buffer)}")
        return {
            field.name: np.frombuffer(buffer, field.dtype, int(np.prod(field.shape)), field.offset).reshape(
                field.shape
            )
            for field in self._fields.values()
        }
