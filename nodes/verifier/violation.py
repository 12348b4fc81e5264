"""One broken rule, with what is needed to find the line that broke it."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Any

_OWN_ROOTS = ("nodes.", "shm.")
_DRIVER_ROOTS = ("nodes.stock.",)
MAX_TRACEBACK = 16384
_DISPATCHER = "nodes.node"
_ENTRANCES = frozenset({"poll", "command"})
"""The functions of the dispatcher from which all driver code is called."""


@dataclass(frozen=True)
class Violation:
    """A rule of the contract, the node that broke it, the packet and what happened.

    `rule` is an id of the contract (``N6-SEND-10``), `handle` the packet's handle or 0, `where` the driver's
    file and line.
    """

    rule: str
    node: str
    handle: int
    message: str
    where: str

    def event(self) -> dict[str, Any]:
        """Return the violation as the node's event for the orchestrator."""
        return {
            "kind": "violation",
            "rule": self.rule,
            "node": self.node,
            "handle": self.handle,
            "message": self.message,
            "where": self.where,
        }


def failure_event(error: BaseException) -> dict[str, Any]:
    """Return the event that tells of an exception out of driver code."""
    text = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    return {"kind": "failed", "error": type(error).__name__, "message": str(error), "traceback": text}


def driver_location() -> str:
    """Return ``file:line`` of the innermost frame that is driver code, or an empty string outside of any.

    The search ends at the dispatcher: who called that, a process' body or a scheduler, is no driver.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module == _DISPATCHER and frame.f_code.co_name in _ENTRANCES:
            return ""
        if module.startswith(_DRIVER_ROOTS) or not module.startswith(_OWN_ROOTS):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
