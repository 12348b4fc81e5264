"""The orchestrator's end of the control connection: one ROUTER, one msgpack map per message.

Whatever arrives is untrusted: sizes are limited, every message must fit one of the schemas below, and only a
peer that has shown the run's secret is listened to. Anything else is counted under a name that says why, and
dropped.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgpack
import zmq

from orchestrator.events import Done, Event, Failed, Forced, Hello, Reached, Replied, Violated

MAX_MESSAGE = 65536
_MAX_ITEMS = 4096

_SCHEMAS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "hello": {"node": int, "pid": int, "secret": bytes},
    "reply": {"id": int, "ok": bool},
    "violation": {"rule": str, "handle": int, "message": str},
    "forced": {"allocation": int, "where": str},
    "done": {},
    "phase": {"number": int},
    "failed": {"error": str, "message": str, "traceback": str},
}
"""The kinds of messages, and the fields that each must have at least."""


class PeerGone(Exception):
    """A command could not be sent: that node has no connection."""


class ControlServer:
    """Takes what nodes say and sends them commands; nodes are known by their names and ids."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        secret: bytes,
        ids: Mapping[str, int],
    ) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.bind(address)
        self.dropped: Counter[str] = Counter()
        self.pids: dict[int, int] = {}
        self._secret = secret
        self._ids = {name.encode(): node for name, node in ids.items()}
        self._names = {node: name for name, node in self._ids.items()}
        self._greeted: set[int] = set()

    def receive(self) -> list[Event]:
        """Return what the waiting messages say, in order of arrival; empty when none waits."""
        events: list[Event] = []
        while int(self.socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            frames = self.socket.recv_multipart(zmq.DONTWAIT)
            event = self._understand(frames)
            if isinstance(event, str):
                self.dropped[event] += 1
            else:
                events.append(event)
        return events

    def send(self, node: int, request: int, command: str, arguments: dict[str, Any]) -> None:
        """Send a command; raises PeerGone when the node's connection is not there (any more)."""
        message = {"kind": "command", "id": request, "name": command, "arguments": arguments}
        try:
            self.socket.send_multipart([self._names[node], msgpack.packb(message)], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            raise PeerGone(f"node {self._names[node].decode()} is not connected: {error}") from error

    def close(self) -> None:
        """Close the socket; what was not yet sent is dropped."""
        self.socket.close(0)

    def _understand(self, frames: list[bytes]) -> Event | str:
        """Return the event in a message, or the name of what is wrong with it."""
        if len(frames) != 2:
            return "frames"
        node = self._ids.get(frames[0])
        if node is None:
            return "stranger"
        message = decode(frames[1])
        if isinstance(message, str):
            return message
        if message["kind"] == "hello":
            return self._greet(node, message)
        if node not in self._greeted:
            return "no hello"
        return _event(node, message)

    def _greet(self, node: int, message: dict[str, Any]) -> Event | str:
        if not hmac.compare_digest(message["secret"], self._secret):
            return "wrong secret"
        if message["node"] != node:
            return "wrong node"
        self._greeted.add(node)
        self.pids[node] = message["pid"]
        return Hello(node)


def decode(packed: bytes) -> dict[str, Any] | str:
    """Return a message whose kind is known and whose fields have their types, or what is wrong with it."""
    try:
        message = msgpack.unpackb(packed, max_array_len=_MAX_ITEMS, max_map_len=_MAX_ITEMS)
    except (ValueError, msgpack.UnpackException):
        return "not msgpack"
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        return "not a map"
    schema = _SCHEMAS.get(message["kind"]) if isinstance(message.get("kind"), str) else None
    if schema is None:
        return "unknown kind"
    for name, expected in schema.items():
        if not isinstance(message.get(name), expected):
            return f"bad field {name}"
    return message


def _event(node: int, message: dict[str, Any]) -> Event:
    match message["kind"]:
        case "reply":
            return Replied(
                node, message["id"], message["ok"], message.get("value"), str(message.get("error", ""))
            )
        case "violation":
            return Violated(node, {key: value for key, value in message.items() if key != "kind"})
        case "forced":
            return Forced(node, message["allocation"], message["where"])
        case "phase":
            return Reached(node, message["number"])
        case "failed":
            return Failed(node, message["error"], message["message"], message["traceback"])
        case _:
            return Done(node)


def event_of(node: int, message: dict[str, Any]) -> Event:
    """Return the event in a message of a node in this process, which needs no checking."""
    return _event(node, message)
