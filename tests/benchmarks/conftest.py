"""Start multiprocessing's tracker, which the peers' queues need, before the leak check looks around.

It lives until the interpreter ends, by design, and would be taken for a process that a test left behind.
"""

from __future__ import annotations

from multiprocessing import resource_tracker

resource_tracker.ensure_running()
