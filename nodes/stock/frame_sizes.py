"""How long frames shall be: one size, a range, or the Internet mix."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.formats.frames import MIN_FRAME
from nodes.rng import Rng
from shm.arena import CELL_LENGTH

IMIX = (MIN_FRAME,) * 7 + (590,) * 4 + (1514,)
"""The simple Internet mix, frame bytes without FCS: of 12 packets, 7 are short, 4 middling, 1 is long."""

_FORM = re.compile(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")


@dataclass(frozen=True)
class FrameSizes:
    """A choice of frame sizes in bytes without FCS; each draw takes one of `choices` or one in `low` to `high`."""

    low: int
    high: int
    choices: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> FrameSizes:
        """Read ``1500``, ``64..1500`` or ``imix``.

        Sizes below `MIN_FRAME`, where headers and stamp do not fit, count as `MIN_FRAME`. Raises ValueError, with
        what to write instead, for any other text and for frames that do not fit one payload cell.
        """
        if text == "imix":
            return cls(min(IMIX), max(IMIX), IMIX)
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a frame size; write e.g. 1500, 64..1500 or imix")
        low = int(match[1])
        high = int(match[2] or low)
        if not 1 <= low <= high:
            raise ValueError(f"{text!r} is not a range of frame sizes; write e.g. 64..1500")
        if high > CELL_LENGTH:
            raise ValueError(
                f"frames of {high} bytes do not fit; a generated frame has at most {CELL_LENGTH}"
            )
        return cls(max(low, MIN_FRAME), max(high, MIN_FRAME))

    @property
    def fixed(self) -> bool:
        """Return whether all frames have one size, `low`."""
        return self.low == self.high

    def draw(self, rng: Rng, stream: str, sequence: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return a size for each sequence number of a stream; equal numbers draw equal sizes."""
        if self.fixed:
            return np.full(len(sequence), self.low, np.int64)
        if not self.choices:
            return rng.integers(stream, sequence, self.low, self.high)
        return np.array(self.choices, np.int64)[rng.integers(stream, sequence, 0, len(self.choices) - 1)]
