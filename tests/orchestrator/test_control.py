from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.control import MAX_MESSAGE, ControlServer, PeerGone, decode
from orchestrator.events import Done, Event, Failed, Hello, Replied, Violated

SECRET = b"s" * 32
HELLO = {"kind": "hello", "node": 1, "pid": 77, "secret": SECRET}
Socket = zmq.Socket[bytes]
Connect = Callable[..., Socket]


@pytest.fixture
def context() -> Iterator[zmq.Context[Socket]]:
    with zmq.Context(1) as made:
        yield made
        made.destroy(linger=0)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/control"


@pytest.fixture
def server(context: zmq.Context[Socket], address: str) -> Iterator[ControlServer]:
    made = ControlServer(context, address, SECRET, {"top": 1, "nic": 2})
    yield made
    made.close()


@pytest.fixture
def connect(context: zmq.Context[Socket], address: str) -> Iterator[Connect]:
    """Give a function that connects to the server under a name."""
    sockets: list[Socket] = []

    def connect(name: bytes = b"top") -> Socket:
        socket: Socket = context.socket(zmq.DEALER)
        sockets.append(socket)
        socket.setsockopt(zmq.IDENTITY, name)
        socket.connect(address)
        return socket

    yield connect
    for socket in sockets:
        socket.close(0)


def hear(server: ControlServer, *, dropped: int = 0, events: int = 0) -> list[Event]:
    """Receive until so many events and dropped messages have been seen."""
    heard: list[Event] = []
    while len(heard) < events or server.dropped.total() < dropped:
        assert server.socket.poll(10_000), f"heard {heard}, dropped {server.dropped}"
        heard += server.receive()
    return heard


def test_a_node_is_heard_after_its_hello(server: ControlServer, connect: Connect) -> None:
    node = connect()
    violation = {"kind": "violation", "rule": "N6-SEND-10", "handle": 5, "message": "twice", "node": "top"}
    failed = {"kind": "failed", "error": "E", "message": "m", "traceback": "t"}
    reply = {"kind": "reply", "id": 4, "ok": True, "value": {"quiet": True}}
    for message in (HELLO, reply, violation, failed, {"kind": "done"}):
        node.send(msgpack.packb(message))
    assert hear(server, events=5) == [
        Hello(1),
        Replied(1, 4, True, {"quiet": True}),
        Violated(1, {key: value for key, value in violation.items() if key != "kind"}),
        Failed(1, "E", "m", "t"),
        Done(1),
    ]
    assert server.pids == {1: 77}


def test_a_command_reaches_the_node_it_is_for(server: ControlServer, connect: Connect) -> None:
    node = connect()
    node.send(msgpack.packb(HELLO))
    hear(server, events=1)
    server.send(1, 9, "pause", {"deep": True})
    assert node.poll(10_000)
    assert msgpack.unpackb(node.recv()) == {
        "kind": "command",
        "id": 9,
        "name": "pause",
        "arguments": {"deep": True},
    }


def test_a_command_to_a_node_without_a_connection_is_an_error(server: ControlServer) -> None:
    with pytest.raises(PeerGone, match="node nic is not connected"):
        server.send(2, 1, "pause", {})


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({**HELLO, "secret": b"x" * 32}, "wrong secret"),
        ({**HELLO, "node": 2}, "wrong node"),
        ({**HELLO, "pid": "77"}, "bad field pid"),
        ({"kind": "done"}, "no hello"),
        ({"kind": "reboot"}, "unknown kind"),
        ({"kind": ["done"]}, "unknown kind"),
        ({"done": 1}, "unknown kind"),
        ([1, 2], "not a map"),
        ({b"kind": "done"}, "not a map"),
    ],
)
def test_what_is_wrong_is_counted_by_name_and_dropped(
    server: ControlServer, connect: Connect, message: Any, why: str
) -> None:
    connect().send(msgpack.packb(message))
    assert hear(server, dropped=1) == []
    assert dict(server.dropped) == {why: 1}


def test_a_stranger_and_a_torn_message_are_dropped(server: ControlServer, connect: Connect) -> None:
    connect(b"mallory").send(msgpack.packb(HELLO))
    node = connect()
    node.send(b"\xc1")
    node.send_multipart([b"a", b"b"])
    assert hear(server, dropped=3) == []
    assert dict(server.dropped) == {"stranger": 1, "not msgpack": 1, "frames": 1}


def test_a_peer_that_sends_too_much_is_cut_off_and_others_are_still_heard(
    server: ControlServer, connect: Connect
) -> None:
    connect(b"nic").send(b"x" * (MAX_MESSAGE + 1))
    connect().send(msgpack.packb(HELLO))
    assert hear(server, events=1) == [Hello(1)]


@given(st.binary(max_size=200))
def test_no_bytes_can_do_more_than_be_dropped(packed: bytes) -> None:
    assert isinstance(decode(packed), str | dict)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KINDS = st.sampled_from(["hello", "reply", "violation", "done", "failed"])


@given(
    KINDS, st.dictionaries(st.sampled_from(["node", "pid", "secret", "id", "ok", "rule", "handle"]), VALUES)
)
def test_a_message_that_passes_has_the_fields_of_its_kind(kind: str, fields: dict[str, Any]) -> None:
    message = decode(msgpack.packb({**fields, "kind": kind}))
    if isinstance(message, dict) and kind == "reply":
        assert isinstance(message["id"], int)
        assert isinstance(message["ok"], bool)
    elif isinstance(message, str):
        assert message.startswith("bad field")


def test_nesting_without_end_is_dropped() -> None:
    assert decode(b"\x91" * 5000 + b"\x00") == "not msgpack"
