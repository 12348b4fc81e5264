"""Wait for a condition, with a limit: what tests do instead of sleeping."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

LIMIT_S = 20.0


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Look again and again until the condition holds; fail after the limit."""
    due = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > due:
            raise AssertionError(f"not within {limit_s} s: {condition}")
        os.sched_yield()


def until_dead(pid: int, limit_s: float = LIMIT_S) -> None:
    """Block until a process of anybody's has ended (or is only waiting to be reaped)."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        assert poller.poll(limit_s * 1000), f"process {pid} lives on"
    finally:
        os.close(pidfd)
