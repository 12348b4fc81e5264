from __future__ import annotations

import platform
import threading

from shm import fence


def test_cursors_are_shared_where_stores_keep_their_order() -> None:
    assert (platform.machine() in {"x86_64", "AMD64", "i686"}) == fence.CURSORS_SHARED


def test_a_fence_waits_for_nobody() -> None:
    threads = [threading.Thread(target=lambda: [fence.full_fence() for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
