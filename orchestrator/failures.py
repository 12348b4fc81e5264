"""Why a run could not start or had to end early, named by situation, each with its cause and its cure."""

from __future__ import annotations

import re
from pathlib import Path

_FRAME = re.compile(r'^  File "(.+)", line (\d+), in ', re.MULTILINE)
_RUNTIME = tuple(str(Path(__file__).parents[1] / room) for room in ("nodes", "orchestrator", "shm"))
_STOCK = str(Path(__file__).parents[1] / "nodes" / "stock")


def tell_raised(what: str, traceback: str) -> str:
    """Return what driver code raised and where, ``file:line``, in one line, with the traceback below it.

    The place is the innermost one that is not the runtime's; none where only the runtime was running, as
    when a handler has the wrong parameters.
    """
    places = [
        f"{file}:{line}"
        for file, line in _FRAME.findall(traceback)
        if file.startswith(_STOCK) or not file.startswith(_RUNTIME)
    ]
    line = f"{what}, at {places[-1]}" if places else what
    return f"{line}\n{traceback}" if traceback else line


class RunError(Exception):
    """Base of everything that ends a run early."""


class NodeDied(RunError):
    """A node's process ended although nobody asked it to."""


class NodeStalled(RunError):
    """A node's dispatcher has stopped turning: its progress word stands still."""


class NodeFailed(RunError):
    """Driver code raised an exception."""


class NodeSilent(RunError):
    """A node did not say hello, or did not answer a command, in time."""


class CommandRefused(RunError):
    """A node answered a command of the start with an error."""


class PauseOverdue(RunError):
    """A layer did not come to rest at the end: packets that it handed out have not come back."""


class OperationFailed(RunError):
    """Something done to the live stack did not succeed: a node refused it, or did not answer in time."""


class RunStuck(RunError):
    """Nothing can happen any more in a run of one process, and yet its sources are not done."""


class ForkServerDied(RunError):
    """The process that forks the nodes has ended; nodes can no longer be started or reaped through it."""


class ForkRefused(RunError):
    """The kernel would not start another process."""


class RunDirectoryUnsafe(RunError):
    """The place for run directories is not safe to use: wrong owner, wrong mode, or its path is too long."""
