"""Why a run could not start or had to end early, named by situation, each with its cause and its cure."""

from __future__ import annotations


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


class RunStuck(RunError):
    """Nothing can happen any more in a run of one process, and yet its sources are not done."""


class ForkServerDied(RunError):
    """The process that forks the nodes has ended; nodes can no longer be started or reaped through it."""


class ForkRefused(RunError):
    """The kernel would not start another process."""


class RunDirectoryUnsafe(RunError):
    """The place for run directories is not safe to use: wrong owner, wrong mode, or its path is too long."""
