"""Ctrl-C ends a benchmark: one line, exit code 1, no traceback of any process, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ["data-plane", "--peers", "pipe,zmq", "--chains", "32", "--seconds", "0.1", "--repeat", "1000"],
        ["data-plane", "--peers", "ndisim", "--chains", "32", "--seconds", "0.1", "--repeat", "1000"],
        ["idle", "--nodes", "3", "--seconds", "20"],
        ["round-trip", "--gaps", "0", "--packets", "3", "--repeat", "1000"],
    ],
)
def test_ctrl_c_ends_all_processes_without_a_traceback(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "orchestrator.cli", "bench", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert process.stderr.readline()  # its first progress: it is at work
    os.killpg(process.pid, signal.SIGINT)
    try:
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1, stderr
    assert "Traceback" not in stderr
    assert "Aborted" in stderr
    assert stdout == ""
