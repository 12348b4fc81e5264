"""The lifeline: a FIFO whose write end the orchestrator holds for as long as it lives.

When the last writer goes, the kernel itself sends SIGTERM to whoever reads it, so a node ends with its
orchestrator even when its driver never returns.
"""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

_F_SETSIG = 10  # the module fcntl does not name it


def hold_lifeline(path: Path) -> bool:
    """Let the end of the orchestrator end this process; return False when it has ended already.

    The descriptor stays open, on purpose, until the process ends.
    """
    try:
        lifeline = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    try:
        return os.read(lifeline, 1) != b""  # the end of the file: no writer is left
    except BlockingIOError:
        return True
