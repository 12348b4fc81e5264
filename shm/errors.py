"""What can go wrong between processes that share memory, named by situation."""

from __future__ import annotations


class SharedMemoryError(Exception):
    """Base of everything that the shm package raises on purpose."""


class SegmentExists(SharedMemoryError):
    """A segment of that name is there already: another run holds the token."""


class SegmentMissing(SharedMemoryError):
    """No segment of that name: the run has ended or never started."""


class SegmentForeign(SharedMemoryError):
    """The segment is not ours: wrong user, mode, size, magic, version or run token."""


class SharedMemoryFull(SharedMemoryError):
    """`/dev/shm` cannot hold what the run needs; the message names both sizes."""


class RingOverrun(SharedMemoryError):
    """A producer wrote past its credits: a bug in the accounting, never a normal condition."""


class CursorCorrupt(SharedMemoryError):
    """The other side's ring cursor holds a value that no honest peer can have written."""


class HandleStale(SharedMemoryError):
    """A handle names a slot that has been freed or reused since."""
