"""Requests from other processes of the same user to the nodes of a live run, by way of the run's own process.

A run listens at ``query`` in its directory, which only its user can enter. One msgpack map goes each way:

    {"node": name, "command": "oid", "arguments": {...}}  ->  {"ok": True, "value": ...} or {"ok": False, "error": text}

What is asked is untrusted: sizes and numbers are limited, and only commands of QUERIES get through to a node. With an
empty name the run itself is asked, and says what it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import zmq

from orchestrator.events import Replied

SOCKET = "query"
QUERIES = frozenset({"oid"})
"""Commands that others may give: none of them changes the state that the run's supervision goes by."""
FIRST_REQUEST = 1 << 40
"""Requests from here on are queries; the supervisor numbers its own from 1."""
MAX_MESSAGE = 16384
MAX_PENDING = 64
_LAST_WORDS_MS = 100
_UNKNOWN = "there is no node"

Ask = Callable[[int, int, str, dict[str, Any]], None]
"""Gives a command to a node: node, request, command, arguments."""
AskRun = Callable[[str, dict[str, Any]], Any]
"""Gives a command to the run itself; raises ValueError for one that it does not carry out."""


class QueryFailed(Exception):
    """A live run did not do what it was asked: it is gone, it does not answer, or it says why."""


class QueryRefused(QueryFailed):
    """A run was asked for something that makes no sense to it."""


class NoSuchNode(QueryFailed):
    """A run has no node of that name."""


class QueryServer:
    """The run's end: takes queries, asks nodes or the run, gives their answers back. `nodes` are ids by name."""

    def __init__(self, directory: Path, nodes: Mapping[str, int], ask: Ask, ask_run: AskRun) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(1)
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.setsockopt(zmq.LINGER, _LAST_WORDS_MS)
        self.socket.bind(f"ipc://{directory / SOCKET}")
        self._nodes = nodes
        self._ask = ask
        self._ask_run = ask_run
        self._pending: dict[int, list[bytes]] = {}
        self._asked = 0

    def receive(self) -> None:
        """Take what is waiting; what makes no sense is answered with what is wrong with it."""
        while int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            *way, packed = self.socket.recv_multipart(zmq.DONTWAIT)
            wrong = self._take(way, packed)
            if wrong:
                self._reply(way, {"ok": False, "error": wrong, "unknown": wrong.startswith(_UNKNOWN)})

    def answer(self, reply: Replied) -> bool:
        """Give a node's reply to whoever asked; False when it belongs to no query."""
        if reply.request < FIRST_REQUEST:
            return False
        way = self._pending.pop(reply.request, None)
        if way is not None:
            value = {"value": reply.value} if reply.ok else {"error": reply.error}
            self._reply(way, {"ok": reply.ok, **value})
        return True

    def close(self) -> None:
        """Tell those who still wait that the run has ended."""
        for way in self._pending.values():
            self._reply(way, {"ok": False, "error": "the run has ended"})
        self._pending.clear()
        self.socket.close()
        self._context.term()

    def _take(self, way: list[bytes], packed: bytes) -> str:
        """Ask a node; return what is wrong instead, empty if nothing is."""
        try:
            query = msgpack.unpackb(packed, max_map_len=16, max_array_len=16)
        except (ValueError, msgpack.UnpackException):
            return "the query is not msgpack"
        match query:
            case {"node": "", "command": str(command), "arguments": dict(arguments)}:
                self._reply(way, self._of_run(command, arguments))
                return ""
            case {"node": str(name), "command": str(command), "arguments": dict(arguments)}:
                if command not in QUERIES:
                    return f"{command!r} cannot be asked from outside"
                if name not in self._nodes:
                    return f"{_UNKNOWN} {name!r}; there is {', '.join(self._nodes)}"
                if len(self._pending) >= MAX_PENDING:
                    return f"{MAX_PENDING} queries are waiting for their answers already; try again"
                self._asked += 1
                self._pending[FIRST_REQUEST + self._asked] = way
                self._ask(self._nodes[name], FIRST_REQUEST + self._asked, command, arguments)
                return ""
        return "the query lacks a node, a command or arguments"

    def _of_run(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": True, "value": self._ask_run(command, arguments)}
        except ValueError as error:
            return {"ok": False, "error": str(error), "refused": True}

    def _reply(self, way: list[bytes], answer: dict[str, Any]) -> None:
        self.socket.send_multipart([*way, msgpack.packb(answer)], zmq.DONTWAIT)


def ask_run(directory: Path, node: str, command: str, arguments: dict[str, Any], *, limit: float) -> Any:
    """Return the answer of a node, or of the run if `node` is empty; raises QueryFailed, after `limit` s at most."""
    with zmq.Context(1) as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        socket.connect(f"ipc://{directory / SOCKET}")
        socket.send(msgpack.packb({"node": node, "command": command, "arguments": arguments}))
        if not socket.poll(round(limit * 1000)):
            who = f"node {node!r}" if node else "the run"
            raise QueryFailed(f"{who} has not answered in {limit:g} s; is the run busy, or ending?")
        answer = msgpack.unpackb(socket.recv())
    if not answer["ok"]:
        refused = QueryRefused if answer.get("refused") else QueryFailed
        raise (NoSuchNode if answer.get("unknown") else refused)(answer["error"])
    return answer["value"]
