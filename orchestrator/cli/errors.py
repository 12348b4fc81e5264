"""Turn what went wrong into one message with cause and cure, and an exit code that says whose fault it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click


class Failure(click.ClickException):
    """A run or command that failed: one message for the user, exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the message to stderr."""
        click.echo(f"ndisim: {self.message}", err=True)


class InvalidInput(Failure):
    """Input that never became a run: exit code 2."""

    exit_code = 2


_MORE = "`ndisim --debug ...` shows where"

_KNOWN: tuple[tuple[str, str, type[Failure]], ...] = (
    ("orchestrator.topology.problems", "TopologyError", InvalidInput),
    ("orchestrator.topology.units", "UnitError", InvalidInput),
    ("orchestrator.capture_formats", "CaptureError", InvalidInput),
    ("orchestrator.drivers", "UnknownDriver", InvalidInput),
    ("orchestrator.stress.senders", "LoadMismatch", InvalidInput),
    ("orchestrator.topology.phases", "NoSuchPhase", InvalidInput),
    ("orchestrator.inspect", "NoSuchRun", InvalidInput),
    ("orchestrator.report_file", "NotAReport", InvalidInput),
    ("orchestrator.query", "NoSuchNode", InvalidInput),
    ("orchestrator.query", "QueryRefused", InvalidInput),
    ("orchestrator.query", "QueryFailed", Failure),
    ("nodes.hosting.loader", "DriverLoadError", InvalidInput),
    ("orchestrator.verify.subject", "NotVerifiable", InvalidInput),
    ("orchestrator.verify.play", "PlayInterrupted", Failure),
    ("orchestrator.plan", "PlanTooLarge", InvalidInput),
    ("shm.errors", "SharedMemoryFull", InvalidInput),
    ("shm.errors", "SharedMemoryError", Failure),
    ("orchestrator.failures", "RunError", Failure),
)
"""Errors that carry a message for the user: home, name, what to show. The first that fits counts."""


def explain(error: Exception) -> Failure:
    """Return the failure to show for an error: its first line, unless it is a list of mistakes.

    What is cut off, such as the traceback of a driver that failed at its start, can be had with ``--debug``.
    """
    for module, name, failure in _KNOWN:
        if _is_a(error, module, name):
            first, newline, _ = str(error).partition("\n")
            is_listing = name == "TopologyError"
            return failure(f"{first}; {_MORE}" if newline and not is_listing else str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return Failure(f"{error.filename}: {error.strerror}")
    return Failure(f"internal error: {type(error).__name__}: {error}; {_MORE}")


def _is_a(error: Exception, module: str, name: str) -> bool:
    """Tell whether an error is of a class; by name first, so that only classes that match are imported."""
    named = any(base.__module__ == module and base.__name__ == name for base in type(error).__mro__)
    return named and isinstance(error, getattr(import_module(module), name))
