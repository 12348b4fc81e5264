"""Node processes: started by the fork server, watched and signalled by their pidfds, always reaped."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack

import nodes
from nodes.hosting.forkserver import MAX_MESSAGE
from nodes.spec import NodeSpec
from orchestrator.failures import ForkRefused, ForkServerDied

NODE_BODY = "nodes.hosting.host:main"
_START_LIMIT_NS = 30_000_000_000
_TERM_LIMIT_NS = 1_000_000_000
_REAP_LIMIT_NS = 3_000_000_000
_WINDOW = 32
"""Fork requests under way at once: both socket buffers hold that many, so neither end can block for ever."""


@dataclass(frozen=True)
class Exit:
    """How a node's process ended: with an exit `code`, by a `signal`, or unknown (both None)."""

    node: int
    code: int | None
    signal: int | None


class ForkServer:
    """The orchestrator's end of a fork server, which begins its imports as soon as this object exists.

    Leaving or `close` ends the server and every child that is left.
    """

    def __init__(self, body: str = NODE_BODY) -> None:
        """Start the server; `body` is the ``module:function`` that its children run."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nodes.hosting.forkserver", str(theirs.fileno()), body],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=_environment(),
            )
        self._channel = ours
        self._pidfd = os.pidfd_open(self._process.pid)
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server."""
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that is readable when `receive` has something to say."""
        return self._channel.fileno()

    def preload(self, references: Iterable[str]) -> None:
        """Import stock drivers in the server, so that their nodes share the pages; others stay out of it."""
        self._send({"preload": [reference for reference in references if reference.startswith("nodes.")]})

    def fork(self, spec: NodeSpec) -> None:
        """Ask for a child that runs `spec`; `receive` brings the answer. Raises ForkServerDied."""
        memory = os.memfd_create(f"ndisim-{spec.name}")
        try:
            with os.fdopen(memory, "wb", closefd=False) as file:
                file.write(spec.pack())
            self._send({"fork": spec.node, "name": spec.name}, memory)
        finally:
            os.close(memory)

    def receive(self, limit_ns: int) -> tuple[dict[str, Any], list[int]] | None:
        """Return the next message and its descriptors, or None after `limit_ns`. Raises ForkServerDied."""
        if not _readable(self._channel.fileno(), limit_ns):
            return None
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._channel, MAX_MESSAGE, 1, flags=socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            data, descriptors = b"", []
        if not data:
            raise ForkServerDied(f"the fork server (process {self.pid}) has ended; start the run again")
        message: dict[str, Any] = msgpack.unpackb(data)
        return message, descriptors

    def close(self) -> None:
        """End the server and its children: ask, wait at most three seconds, kill, reap. Twice is once."""
        if self._channel.fileno() < 0:
            return
        self._channel.close()
        if not _readable(self._pidfd, _REAP_LIMIT_NS):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        self._process.wait()
        os.close(self._pidfd)

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        try:
            socket.send_fds(self._channel, [msgpack.packb(message)], descriptors)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ForkServerDied(
                f"the fork server (process {self.pid}) has ended; start the run again"
            ) from error


def warm() -> ForkServer:
    """Begin to import what nodes need, in the background, for `launch`; close it when no run needs it any longer."""
    return ForkServer()


class NodeProcesses:
    """The processes of a run, by node id; `pids` keeps also those that have ended."""

    def __init__(self, server: ForkServer) -> None:
        self.pids: dict[int, int] = {}
        self._server = server
        self._pidfds: dict[int, int] = {}
        self._exits: list[Exit] = []
        self._orphaned = False

    def start(self, specs: Sequence[NodeSpec]) -> None:
        """Fork one process per spec; returns when each has a pid. Raises ForkRefused or ForkServerDied."""
        wanted = len(specs)
        asked = 0
        while len(self.pids) < wanted:
            if asked < wanted and asked - len(self.pids) < _WINDOW:
                self._server.fork(specs[asked])
                asked += 1
            elif (received := self._server.receive(_START_LIMIT_NS)) is None:
                raise ForkServerDied(f"the fork server gave no answer in {_START_LIMIT_NS // 10**9} s")
            else:
                self._take(*received)

    def descriptors(self) -> list[int]:
        """Return what is readable when a node or the fork server ends: pidfds and the server's channel."""
        return [*([] if self._orphaned else [self._server.fileno()]), *self._pidfds.values()]

    def exits(self, ready: Collection[int]) -> list[Exit]:
        """Return the exits behind the readable descriptors `ready`.

        A pidfd is readable a moment before the server has reaped the process and can tell its status. Raises
        ForkServerDied once; the nodes live on, and their exits come without a status.
        """
        gone = {node for node, pidfd in self._pidfds.items() if pidfd in ready}
        due = time.monotonic_ns() + _REAP_LIMIT_NS
        try:
            if not self._orphaned and self._server.fileno() in ready:
                self._receive(0)
            while gone & self._pidfds.keys() and self._receive(max(0, due - time.monotonic_ns())):
                pass
        except ForkServerDied:
            self._orphaned = True
            raise
        for node in gone & self._pidfds.keys():
            self._forget(Exit(node, None, None))
        exits, self._exits = self._exits, []
        return exits

    def alive(self) -> list[int]:
        """Return the ids of the nodes that have not been seen to end."""
        return sorted(self._pidfds)

    def signal(self, node: int, number: signal.Signals) -> None:
        """Send a signal to a node; one that has ended gets none."""
        pidfd = self._pidfds.get(node)
        if pidfd is None:
            return
        try:
            signal.pidfd_send_signal(pidfd, number)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """End every node that is left: SIGTERM, wait, SIGKILL, reap. The server goes on. Twice is once."""
        for number, limit in ((signal.SIGTERM, _TERM_LIMIT_NS), (signal.SIGKILL, _REAP_LIMIT_NS)):
            for node in self.alive():
                self.signal(node, number)
            due = time.monotonic_ns() + limit
            with suppress(ForkServerDied):
                while self._pidfds and self._receive(max(0, due - time.monotonic_ns())):
                    pass
        for node, pidfd in list(self._pidfds.items()):  # the server was killed itself, and reaps nobody
            _readable(pidfd, _REAP_LIMIT_NS)
            self._forget(Exit(node, None, None))

    def _receive(self, limit_ns: int) -> bool:
        if self._orphaned:
            return False
        received = self._server.receive(limit_ns)
        if received is not None:
            self._take(*received)
        return received is not None

    def _take(self, message: dict[str, Any], descriptors: list[int]) -> None:
        if "forked" in message:
            self.pids[message["forked"]] = message["pid"]
            self._pidfds[message["forked"]] = descriptors[0]
        elif "refused" in message:
            raise ForkRefused(
                f"no process for node {message['refused']}: {message['error']}; "
                "raise the limit of processes (ulimit -u, pids.max) or use fewer nodes"
            )
        else:
            node = next(n for n, pid in self.pids.items() if pid == message["exited"] and n in self._pidfds)
            self._forget(Exit(node, message["code"], message["signal"]))

    def _forget(self, exit_: Exit) -> None:
        os.close(self._pidfds.pop(exit_.node))
        self._exits.append(exit_)


def _readable(descriptor: int, limit_ns: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(-(-limit_ns // 1_000_000)))


def _environment() -> dict[str, str]:
    """Let the server find our packages, and keep numpy's libraries from starting threads before a fork."""
    root = str(Path(nodes.__path__[0]).parent)
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": root if path is None else f"{root}{os.pathsep}{path}",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
