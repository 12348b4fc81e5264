"""SIGINT and SIGTERM as something to poll, so that Ctrl-C ends a run in order."""

from __future__ import annotations

import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_WATCHED = (signal.SIGINT, signal.SIGTERM)
_IMPATIENT = 3


class Signals:
    """Between enter and exit the two signals are only noted; before and after, they do what they did.

    The interpreter itself writes a signal's number into a socket, so none can slip in between a look and a
    block. A third signal that nobody has taken raises KeyboardInterrupt: the way out of driver code that
    never returns. Outside the main thread, where Python allows no handlers, nothing is noted.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1
        self._untaken = 0

    def __enter__(self) -> Self:
        """Begin to note signals."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _WATCHED}
            self._wakeup_before = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back; one that was noted and never taken comes again, to whoever handles it now."""
        if self._before:
            signal.set_wakeup_fd(self._wakeup_before)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._before = {}
            for late in sorted(set(self._waiting())):
                signal.raise_signal(late)

    def fileno(self) -> int:
        """Return the descriptor that is readable while a signal waits to be taken."""
        return self._ours.fileno()

    def take(self) -> int:
        """Return how many of the two signals have come since the last call; never blocks."""
        return len(self._waiting())

    def _waiting(self) -> list[int]:
        self._untaken = 0
        try:
            return [number for number in self._ours.recv(4096) if number in _WATCHED]
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Close the sockets."""
        self._ours.close()
        self._theirs.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._untaken += 1
        if self._untaken >= _IMPATIENT:
            self._waiting()
            raise KeyboardInterrupt
