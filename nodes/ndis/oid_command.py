"""The command ``oid``: a user of a live run asks a node's driver, as NDIS itself would."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nodes.metrics import NodeState
from nodes.ndis.oid import OID_BUFFER_LIMIT, OidRequest, RequestType

if TYPE_CHECKING:
    from nodes.node import Node

Reply = Callable[[dict[str, Any]], None]


def run_oid_command(node: Node, arguments: dict[str, Any], reply: Reply) -> None:
    """Have the driver answer ``{"oid", "type", "buffer", "length"}``; type, buffer and length may be left out.

    The value of the reply is ``{"status", "answer", "needed"}``: a status code, bytes, and how many bytes of room the
    answer would have needed. Arguments that make no sense and a halted node are errors.
    """
    if node.lifecycle.state in (NodeState.HALTED, NodeState.FAILED):
        reply({"ok": False, "error": f"{node.name} is {node.lifecycle.state.name.lower()}: nobody answers"})
        return
    match {"type": "query", "buffer": b"", "length": OID_BUFFER_LIMIT, **arguments}:
        case {"oid": int(oid), "type": str(kind), "buffer": bytes(buffer), "length": int(length)} if (
            0 <= oid < 1 << 32 and kind.upper() in RequestType.__members__ and 0 <= length <= OID_BUFFER_LIMIT
        ):
            request = OidRequest(oid, RequestType[kind.upper()], buffer, length)
        case _:
            reply({"ok": False, "error": f"{arguments!r} are no arguments of an OID request"})
            return

    def finish(ended: OidRequest, status: int) -> None:
        value = {"status": int(status), "answer": ended.answer, "needed": ended.bytes_needed}
        reply({"ok": True, "value": value})

    node.driver.submit_oid(request, finish)
