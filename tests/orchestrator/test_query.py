"""The run's end of queries, asked over its real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from orchestrator.events import Replied
from orchestrator.query import FIRST_REQUEST, MAX_MESSAGE, MAX_PENDING, SOCKET, QueryServer

OID = {"node": "nic", "command": "oid", "arguments": {"oid": 1}}
LIMIT_MS = 5000


class Asked:
    """A server and a client of it; `asked` are the commands that nodes would have got."""

    def __init__(self, directory: Path) -> None:
        self.asked: list[tuple[int, int, str, dict[str, Any]]] = []
        self.server = QueryServer(
            directory, {"top": 1, "nic": 2}, lambda *command: self.asked.append(command), self.of_run
        )
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.client = self._context.socket(zmq.DEALER)
        self.client.connect(f"ipc://{directory / SOCKET}")

    def of_run(self, command: str, arguments: dict[str, Any]) -> Any:
        """Answer for the run."""
        if command != "fault ls":
            raise ValueError(f"no {command}")
        return arguments

    def send(self, packed: bytes) -> None:
        """Send one query and let the server take it."""
        self.client.send_multipart([b"", packed])
        assert self.server.socket.poll(LIMIT_MS)
        self.server.receive()

    def answer(self) -> Any:
        """Return the next answer."""
        assert self.client.poll(LIMIT_MS)
        return msgpack.unpackb(self.client.recv_multipart()[-1])

    def close(self) -> None:
        """Close both ends."""
        self.server.close()
        self._context.destroy(linger=0)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    found = Asked(tmp_path)
    yield found
    found.close()


def test_a_query_reaches_its_node_and_the_answer_whoever_asked(asked: Asked) -> None:
    asked.send(msgpack.packb(OID))
    assert asked.asked == [(2, FIRST_REQUEST + 1, "oid", {"oid": 1})]
    assert asked.server.answer(Replied(2, FIRST_REQUEST + 1, True, {"status": 0}, ""))
    assert asked.answer() == {"ok": True, "value": {"status": 0}}


def test_answers_find_their_queries_in_any_order(asked: Asked) -> None:
    for _ in range(2):
        asked.send(msgpack.packb(OID))
    for number in (2, 1):
        asked.server.answer(Replied(2, FIRST_REQUEST + number, False, None, f"no {number}"))
    assert [asked.answer()["error"] for _ in range(2)] == ["no 2", "no 1"]


def test_a_query_without_a_node_is_for_the_run_itself(asked: Asked) -> None:
    for command, answer in (
        ("fault ls", {"ok": True, "value": {}}),
        ("fault", {"ok": False, "error": "no fault", "refused": True}),
    ):
        asked.send(msgpack.packb({"node": "", "command": command, "arguments": {}}))
        assert asked.answer() == answer
    assert asked.asked == []


def test_replies_to_the_supervisor_are_left_to_it(asked: Asked) -> None:
    assert not asked.server.answer(Replied(2, 7, True, None, ""))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (b"\xc1", "not msgpack"),
        (msgpack.packb([1]), "lacks a node"),
        (msgpack.packb({**OID, "arguments": 1}), "lacks a node"),
        (msgpack.packb({**OID, "node": "nix"}), "there is no node 'nix'; there is top, nic"),
        (msgpack.packb({**OID, "command": "halt"}), "'halt' cannot be asked from outside"),
        (msgpack.packb({**OID, "command": "exit"}), "'exit' cannot be asked from outside"),
        (msgpack.packb({**OID, "arguments": {"oid": [[0] * 9] * 99}}), "not msgpack"),
    ],
)
def test_what_makes_no_sense_is_answered_with_what_is_wrong(asked: Asked, query: bytes, said: str) -> None:
    asked.send(query)
    answer = asked.answer()
    assert not answer["ok"]
    assert said in answer["error"]
    assert asked.asked == []


def test_too_many_queries_are_refused(asked: Asked) -> None:
    for _ in range(MAX_PENDING):
        asked.send(msgpack.packb(OID))
    asked.send(msgpack.packb(OID))
    assert "64 queries are waiting" in asked.answer()["error"]


def test_a_query_that_is_too_long_never_arrives(asked: Asked) -> None:
    asked.client.send_multipart([b"", bytes(MAX_MESSAGE + 1)])
    assert not asked.server.socket.poll(50)


def test_whoever_still_waits_at_the_end_is_told(asked: Asked) -> None:
    asked.send(msgpack.packb(OID))
    asked.server.close()
    assert asked.answer() == {"ok": False, "error": "the run has ended"}
