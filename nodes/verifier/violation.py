"""One broken rule, with what is needed to find the line that broke it."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass
from typing import Any

MAX_TRACEBACK = 16384


@dataclass(frozen=True)
class Violation:
    """A rule of the contract, the node that broke it, the packet and what happened.

    `rule` is an id of the contract (``N6-SEND-10``), `handle` the packet's handle or 0, `packet_id` the id that names
    it in captures. `where` is the driver's file and line; `stack` the way there, innermost first (level STACKS).
    `peer` is the neighbour the packet was, or is, at; of a neighbour that broke the rule, who noticed. `allocated` and
    `given` are where this node allocated the packet, and last handed it over, as far as its level notes that.
    """

    rule: str
    node: str
    handle: int
    message: str
    where: str
    peer: str = ""
    packet_id: int = 0
    allocated: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()

    def event(self) -> dict[str, Any]:
        """Return the violation as the node's event for the orchestrator; what is not known is left out."""
        told = {name: value for name, value in asdict(self).items() if value or name in _ALWAYS}
        return {"kind": "violation", **told}


_ALWAYS = frozenset({"rule", "node", "handle", "message", "where"})


def failure_event(error: BaseException) -> dict[str, Any]:
    """Return the event that tells of an exception out of driver code."""
    text = "".join(traceback.format_exception(error))[-MAX_TRACEBACK:]
    return {"kind": "failed", "error": type(error).__name__, "message": str(error), "traceback": text}
