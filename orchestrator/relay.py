"""Nodes of one process that wait: who may run is whoever has the baton.

A driver waits in the middle of its handler, and the others must go on meanwhile. So the waiting thread is parked with
its stack, and the scheduling loop is carried on by another one, until the scheduler chooses the parked node again.
Exactly one thread runs at any time, and which one follows from the scheduler alone: a run stays exact. Runs in which
nobody waits never leave their thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

PATIENCE = 1.0
"""How long `close` waits for each thread to end, in s."""


class WaitAbandoned(RuntimeError):
    """The run ended while this driver was waiting."""


class _BatonGone(BaseException):
    """This thread has handed the baton on and has nothing left to do."""


class Relay:
    """Carries the scheduling loop on while nodes wait; `turn` makes one scheduling decision and carries it out.

    The thread that makes the relay owns it: its calls end on it, and errors of the others are raised there.
    """

    def __init__(self, turn: Callable[[], None]) -> None:
        self._turn = turn
        self._owner = threading.get_ident()
        self._parked: dict[int, threading.Lock] = {}
        self._threads: list[threading.Thread] = []
        self._owner_lock = threading.Lock()
        self._owner_wants_it = False
        self._error: BaseException | None = None
        self._closed = False
        self._abandoned: set[int] = set()

    def parked(self, node: int) -> bool:
        """Return whether the driver of this node waits in a handler."""
        return node in self._parked

    def park(self, node: int) -> None:
        """Let the others run until `resume` is called for this node.

        Raises WaitAbandoned when the run ends first, and on the owner's thread what another one raised meanwhile.
        """
        lock = self._parked[node] = _locked()
        if self._at_home():
            self._owner_lock = lock
        if self._owner_wants_it:
            self._give_home()
        else:
            self._spawn()
        lock.acquire()
        self._parked.pop(node, None)
        self._raise_error()
        if self._closed or node in self._abandoned:
            raise WaitAbandoned(f"the run, or node {node}, ended while it was waiting")

    def resume(self, node: int) -> None:
        """Hand the baton to the thread that waits for this node; the owner's thread returns when it is back."""
        lock = self._parked.pop(node)
        if not self._at_home():
            lock.release()
            raise _BatonGone
        mine = self._owner_lock = _locked()
        self._owner_wants_it = True
        lock.release()
        mine.acquire()
        self._raise_error()

    def abandon(self, node: int) -> None:
        """End one wait with WaitAbandoned; otherwise as `resume`."""
        self._abandoned.add(node)
        self.resume(node)

    def close(self) -> None:
        """End every wait with WaitAbandoned."""
        self._closed = True
        for lock in list(self._parked.values()):
            lock.release()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _at_home(self) -> bool:
        return threading.get_ident() == self._owner

    def _spawn(self) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        """Carry the loop on until the baton goes to a parked thread, or home."""
        try:
            while not self._closed:
                self._turn()
                if self._owner_wants_it:
                    self._give_home()
                    return
        except _BatonGone:
            return
        except BaseException as error:  # noqa: BLE001 - raised again on the owner's thread
            self._error = error
            self._give_home()

    def _give_home(self) -> None:
        self._owner_wants_it = False
        self._owner_lock.release()

    def _raise_error(self) -> None:
        if self._error is not None and self._at_home():
            error, self._error = self._error, None
            raise error


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
