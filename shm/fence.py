"""The one file that knows about memory ordering.

x86-64 keeps stores in order (TSO), so a consumer that sees a cursor sees the entries behind it. The only reordering
left is a load that overtakes an earlier store; whoever stores a flag and then looks at the other side's word must
put `full_fence` between the two. On other machines cursors travel inside the notifications instead (`CURSORS_SHARED`
is false): the socket orders them.
"""

from __future__ import annotations

import platform
import threading

CURSORS_SHARED = platform.machine() in {"x86_64", "AMD64", "i686"}
"""Whether cursors may be read from shared memory on this machine."""

_lock = threading.Lock()


def full_fence() -> None:
    """Order every earlier store before every later load of this thread.

    Taking a free lock is a locked instruction on x86, which is a full barrier; nobody else ever holds this lock.
    """
    with _lock:
        pass
