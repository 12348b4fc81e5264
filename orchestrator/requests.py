"""The books of the supervisor on the commands that it has given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.events import Send


class Requests:
    """The commands that wait for an answer: by whom, and which."""

    def __init__(self) -> None:
        self._number = 0
        self._pending: dict[int, tuple[int, str]] = {}

    def ask(self, nodes: Iterable[int], command: str, arguments: dict[str, Any]) -> list[Send]:
        """Return the sends that give a command to nodes, each under a number of its own."""
        sends = []
        for node in sorted(nodes):
            self._number += 1
            self._pending[self._number] = (node, command)
            sends.append(Send(node, self._number, command, arguments))
        return sends

    def answered(self, request: int) -> tuple[int, str]:
        """Return node and command of a request and forget it; ``(0, "")`` for one that is not waited for."""
        return self._pending.pop(request, (0, ""))

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._pending.clear()
