from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import posix_ipc
import pytest

from shm import segment as segments
from shm.errors import SegmentExists, SegmentForeign, SegmentMissing, SharedMemoryFull
from shm.segment import HEADER_LENGTH, Segment

ROOT = Path(__file__).parents[2]
RUN = 0x1234_5678_9ABC_DEF0


@pytest.fixture
def name(token: str) -> str:
    return f"/ndisim-{os.getuid()}-{token}-test"


@pytest.fixture
def segment(name: str) -> Iterator[Segment]:
    made = Segment.create(name, 4096, RUN)
    yield made
    made.unlink()


def file_of(segment: Segment) -> Path:
    return Path("/dev/shm") / segment.name.lstrip("/")


def test_two_processes_see_the_same_bytes(segment: Segment) -> None:
    segment.buffer[:5] = b"hello"
    program = (
        "import sys; from shm.segment import Segment; s = Segment.attach(sys.argv[1], int(sys.argv[2]))\n"
        "assert bytes(s.buffer[:5]) == b'hello' and s.size == 4096; s.buffer[5:11] = b' there'"
    )
    subprocess.run([sys.executable, "-c", program, segment.name, str(RUN)], cwd=ROOT, check=True, timeout=20)
    assert bytes(segment.buffer[:11]) == b"hello there"


def test_a_new_segment_is_this_users_alone_zeroed_and_fully_reserved(segment: Segment) -> None:
    status = file_of(segment).stat()
    assert (status.st_mode & 0o777, status.st_size) == (0o600, HEADER_LENGTH + 4096)
    assert status.st_blocks * 512 >= status.st_size
    assert not any(segment.buffer)


def test_a_name_that_is_taken_is_refused_and_left_alone(segment: Segment) -> None:
    segment.buffer[0] = 7
    with pytest.raises(SegmentExists, match="`ndisim clean`"):
        Segment.create(segment.name, 64, RUN)
    assert Segment.attach(segment.name, RUN).buffer[0] == 7


def test_a_name_that_is_not_there_cannot_be_attached(name: str) -> None:
    with pytest.raises(SegmentMissing, match=name):
        Segment.attach(name, RUN)


@pytest.mark.parametrize(
    ("field", "offset", "change"),
    [
        ("magic", 0, b"X"),
        ("version", 8, b"\x63"),
        ("uid", 12, b"\xff\xff\xff"),
        ("size", 16, b"\x01\x02"),
        ("token", 24, b"\x00"),
    ],
)
def test_each_wrong_header_field_is_named(segment: Segment, field: str, offset: int, change: bytes) -> None:
    with file_of(segment).open("r+b") as file:
        file.seek(offset)
        file.write(change)
    with pytest.raises(SegmentForeign, match=f"{field} is .*, expected"):
        Segment.attach(segment.name, RUN)


def test_another_runs_segment_is_refused(segment: Segment) -> None:
    with pytest.raises(SegmentForeign, match="token is"):
        Segment.attach(segment.name, RUN + 1)


@pytest.mark.parametrize("size", [0, HEADER_LENGTH - 1, HEADER_LENGTH, 1 << 20])
def test_a_segment_cut_or_stretched_is_refused(segment: Segment, size: int) -> None:
    os.truncate(file_of(segment), size)
    with pytest.raises(SegmentForeign):
        Segment.attach(segment.name, RUN)


def test_a_segment_that_others_may_read_is_refused(segment: Segment) -> None:
    file_of(segment).chmod(0o644)
    with pytest.raises(SegmentForeign, match="has mode 644, not 600"):
        Segment.attach(segment.name, RUN)


def test_another_users_segment_is_refused(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(SegmentForeign, match=f"belongs to user {owner}, not to {owner + 1}"):
        Segment.attach(segment.name, RUN)


def failing(number: int) -> Callable[[int, int, int], NoReturn]:
    def fallocate(descriptor: int, offset: int, length: int) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fallocate


def test_too_little_shared_memory_names_both_sizes_and_leaves_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.ENOSPC))
    monkeypatch.setattr(segments, "available", lambda: 65_536)
    with pytest.raises(SharedMemoryFull, match=r"needs 1,000,064 bytes of /dev/shm, 65,536 are free"):
        Segment.create(name, 1_000_000, RUN)
    with pytest.raises(SegmentMissing):
        Segment.attach(name, RUN)


def test_any_other_failure_to_reserve_leaves_nothing_either(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        Segment.create(name, 4096, RUN)
    with pytest.raises(posix_ipc.ExistentialError):
        posix_ipc.unlink_shared_memory(name)


def test_pages_stay_while_an_array_lies_on_them(segment: Segment) -> None:
    array = np.frombuffer(segment.buffer, np.uint64, 8)
    array[3] = 11
    segment.unlink()
    segment.close()
    assert array[3] == 11
    assert len(segment.buffer) == 0


def test_the_mapping_goes_with_the_last_view_of_a_closed_segment(segment: Segment) -> None:
    view = segment.buffer[:8]
    segment.close()
    assert file_of(segment).name in Path("/proc/self/maps").read_text()
    view.release()
    assert file_of(segment).name not in Path("/proc/self/maps").read_text()


def test_unlinking_twice_is_no_error(segment: Segment) -> None:
    segment.unlink()
    segment.unlink()


def test_a_local_segment_has_no_name_anywhere() -> None:
    before = set(Path("/dev/shm").iterdir())
    local = Segment.local("packets", 1000)
    assert (local.size, len(local.buffer)) == (1000, 1000)
    assert {path for path in set(Path("/dev/shm").iterdir()) - before if "packets" in path.name} == set()


def test_free_room_is_what_the_file_system_says() -> None:
    assert 0 < segments.available() <= os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize
