"""Shared-memory segments with a checked header.

The bytes of a segment:

    0        8        12      16       24       32           64
    | magic  | version | uid  | size   | token  | (reserved) | payload ...

Create, attach, close and unlink are four acts. Only the orchestrator creates and unlinks; nodes attach and check.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct
from pathlib import Path

import posix_ipc

from shm.errors import SegmentExists, SegmentForeign, SegmentMissing, SharedMemoryFull

HEADER_LENGTH = 64
VERSION = 1
_MAGIC = b"NDISIM\x00\x01"
_HEADER = struct.Struct("=8sIIQQ")
_SHM_DIRECTORY = Path("/dev/shm")


class Segment:
    """One block of memory that several processes map at once.

    `buffer` is the payload after the header, `size` its length in bytes.
    """

    def __init__(self, name: str, memory: mmap.mmap) -> None:
        self.name = name
        self.size = len(memory) - HEADER_LENGTH
        self.buffer = memoryview(memory)[HEADER_LENGTH:]

    @classmethod
    def create(cls, name: str, size: int, token: int) -> Segment:
        """Create a segment of `size` payload bytes, owned by this user alone, every page reserved.

        Raises SegmentExists, or SharedMemoryFull with what is needed and what is there. Reserving at once turns
        a later SIGBUS in some driver into an error here.
        """
        total = HEADER_LENGTH + size
        try:
            handle = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600)
        except posix_ipc.ExistentialError as error:
            raise SegmentExists(
                f"segment {name} exists already; `ndisim clean` removes what dead runs left"
            ) from error
        try:
            _reserve(handle.fd, name, total)
            memory = mmap.mmap(handle.fd, total)
        except BaseException:
            posix_ipc.unlink_shared_memory(name)
            raise
        finally:
            handle.close_fd()
        _HEADER.pack_into(memory, 0, _MAGIC, VERSION, os.getuid(), total, token)
        return cls(name, memory)

    @classmethod
    def attach(cls, name: str, token: int) -> Segment:
        """Map an existing segment after checking owner, mode, size, magic, version and run token.

        Raises SegmentMissing or SegmentForeign (which names the field that differs).
        """
        try:
            handle = posix_ipc.SharedMemory(name)
        except (posix_ipc.ExistentialError, posix_ipc.PermissionsError) as error:
            raise SegmentMissing(f"cannot open segment {name}: {error}") from error
        try:
            status = os.fstat(handle.fd)
            _check_owner(name, status)
            memory = mmap.mmap(handle.fd, status.st_size)
        finally:
            handle.close_fd()
        _check_header(name, memory, token)
        return cls(name, memory)

    @classmethod
    def local(cls, name: str, size: int) -> Segment:
        """Make a segment that only this process sees, for runs that live in one process."""
        return cls(name, mmap.mmap(-1, HEADER_LENGTH + size))

    def close(self) -> None:
        """Let go of this process' mapping; the pages go when the last array on them does."""
        self.buffer = memoryview(b"")

    def unlink(self) -> None:
        """Remove the name; mapped processes keep their pages. A name already gone is not an error."""
        unlink(self.name)


def unlink(name: str) -> None:
    """Remove a segment by name; a name already gone is not an error."""
    try:
        posix_ipc.unlink_shared_memory(name)
    except posix_ipc.ExistentialError:
        return


def available() -> int:
    """Return the free bytes of `/dev/shm`."""
    status = os.statvfs(_SHM_DIRECTORY)
    return status.f_bavail * status.f_frsize


def _reserve(descriptor: int, name: str, total: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, total)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise SharedMemoryFull(
            f"segment {name} needs {total:,} bytes of /dev/shm, {available():,} are free; "
            "make /dev/shm larger (containers: --shm-size) or use fewer or smaller pools (`pool:`)"
        ) from error


def _check_owner(name: str, status: os.stat_result) -> None:
    if status.st_uid != os.getuid():
        raise SegmentForeign(f"segment {name} belongs to user {status.st_uid}, not to {os.getuid()}")
    if stat.S_IMODE(status.st_mode) != 0o600:
        raise SegmentForeign(f"segment {name} has mode {stat.S_IMODE(status.st_mode):o}, not 600")
    if status.st_size < HEADER_LENGTH:
        raise SegmentForeign(f"segment {name} is {status.st_size} bytes long, too short for a header")


def _check_header(name: str, memory: mmap.mmap, token: int) -> None:
    found = _HEADER.unpack_from(memory)
    wanted = (_MAGIC, VERSION, os.getuid(), len(memory), token)
    for field, have, want in zip(("magic", "version", "uid", "size", "token"), found, wanted, strict=True):
        if have != want:
            raise SegmentForeign(
                f"segment {name}: {field} is {have!r}, expected {want!r}; it is of another run or build"
            )
