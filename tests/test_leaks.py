"""The leak check sees what it is there to see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import posix_ipc
import pytest

from tests.conftest import _PREFIX
from tests.leaks import Holdings, strays, token_prefix

_WAITS_FOR_INPUT = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(_WAITS_FOR_INPUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.communicate(timeout=10)


def test_nothing_is_left_when_nothing_happened(run_base: Path) -> None:
    assert Holdings.now(_PREFIX, run_base).left_since(Holdings.now(_PREFIX, run_base)) == []


def test_a_segment_with_our_token_is_seen_and_named(token: str, run_base: Path) -> None:
    before = Holdings.now(_PREFIX, run_base)
    name = f"/ndisim-{os.getuid()}-{token}-arena"
    posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=4096).close_fd()
    try:
        assert Holdings.now(_PREFIX, run_base).left_since(before) == [f"segment /dev/shm{name}"]
    finally:
        posix_ipc.unlink_shared_memory(name)


def test_a_segment_of_another_worker_is_not_ours(run_base: Path) -> None:
    before = Holdings.now(_PREFIX, run_base)
    name = f"/ndisim-{os.getuid()}-{token_prefix('gw7', 1)}cafecafe-arena"
    posix_ipc.SharedMemory(name, posix_ipc.O_CREX, size=4096).close_fd()
    try:
        assert Holdings.now(_PREFIX, run_base).left_since(before) == []
    finally:
        posix_ipc.unlink_shared_memory(name)


def test_a_running_child_is_seen_with_its_command(child: subprocess.Popen[bytes], run_base: Path) -> None:
    now = Holdings.now(_PREFIX, run_base)
    before = Holdings(now.segments, now.children - {child.pid}, now.run_entries)
    [line] = now.left_since(before)
    assert line.startswith(f"child process {child.pid} (")
    assert "sys.stdin.read()" in line


def test_a_child_that_ended_and_was_not_reaped_is_seen(run_base: Path) -> None:
    before = Holdings.now(_PREFIX, run_base)
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        [line] = Holdings.now(_PREFIX, run_base).left_since(before)
        assert line == f"child process {process.pid} (ended, but nobody waited for it)"
    finally:
        process.wait(timeout=10)


def test_an_entry_in_the_run_directory_is_seen(run_base: Path) -> None:
    before = Holdings.now(_PREFIX, run_base)
    (run_base / "w0left").mkdir(parents=True)
    try:
        assert Holdings.now(_PREFIX, run_base).left_since(before) == ["run directory entry w0left"]
    finally:
        (run_base / "w0left").rmdir()


def test_a_process_started_by_a_run_is_found_wherever_it_hangs(child: subprocess.Popen[bytes]) -> None:
    assert [process.pid for process in strays(_PREFIX)] == [child.pid]


@pytest.mark.parametrize(("worker", "number"), [("", "0"), ("master", "0"), ("gw0", "0"), ("gw12", "12")])
def test_a_prefix_names_worker_and_process(worker: str, number: str) -> None:
    assert token_prefix(worker, 0xA3F1) == f"w{number}p00a3f1"
