"""Captured frames in the form in which a node process gets them: a few arrays in one file, read by numpy.

The orchestrator reads and judges capture files; a replaying node only loads the result.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class CapturedFramesError(ValueError):
    """Say that a file does not hold captured frames in the form that `CapturedFrames.save` writes."""


@dataclass(frozen=True)
class CapturedFrames:
    """Hold captured frames in the order of the file.

    Frame i is ``data[offsets[i] : offsets[i] + lengths[i]]``.
    `data` is uint8, `offsets`, `lengths` (bytes) and `times_ns` (nanoseconds since 1970, not always in order)
    are int64 with one entry per frame.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    times_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.lengths)

    def frame(self, index: int) -> bytes:
        """Return a copy of one frame; an index that does not exist raises `IndexError`."""
        start = int(self.offsets[index])
        return self.data[start : start + int(self.lengths[index])].tobytes()

    def save(self, path: Path) -> None:
        """Write the frames for `load_frames`; an existing file is replaced, `OSError` passes through."""
        with path.open("wb") as file:
            np.savez(file, data=self.data, offsets=self.offsets, lengths=self.lengths, times_ns=self.times_ns)


def load_frames(path: Path) -> CapturedFrames:
    """Read frames that `CapturedFrames.save` wrote.

    The arrays are checked before use: any other content, or frames that reach outside the data, raise
    `CapturedFramesError`; a missing or unreadable file raises `OSError`.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            frames = CapturedFrames(arrays["data"], arrays["offsets"], arrays["lengths"], arrays["times_ns"])
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CapturedFramesError(
            f"{path} does not hold captured frames ({error}); start the run anew"
        ) from error
    if not _sound(frames):
        raise CapturedFramesError(f"{path} describes frames outside its data; start the run anew")
    return frames


def _sound(frames: CapturedFrames) -> bool:
    index = (frames.offsets, frames.lengths, frames.times_ns)
    if frames.data.dtype != np.uint8 or any(array.dtype != np.int64 for array in index):
        return False
    if frames.data.ndim != 1 or len({array.shape for array in index}) != 1 or frames.offsets.ndim != 1:
        return False
    inside = (frames.offsets >= 0) & (frames.lengths >= 0)
    inside &= frames.offsets <= len(frames.data) - frames.lengths
    return bool(inside.all())
