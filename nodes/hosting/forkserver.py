"""The fork server: one lean process that has imported everything a node needs, and forks a node per request.

Run as ``python -m nodes.hosting.forkserver DESCRIPTOR BODY``, where the descriptor is one end of a SOCK_SEQPACKET
pair and the body is the ``module:function`` that a child calls with its `NodeSpec`. One msgpack map per
message:

    in    {"preload": [references]}             import the modules of stock drivers
          {"fork": node id, "name": name}       with a memory file that holds the packed spec
    out   {"forked": node id, "pid": pid}       with the child's pidfd, so that no reused pid is ever meant
          {"refused": node id, "error": text}   the kernel would not fork
          {"exited": pid, "code": n | None, "signal": n | None}

It never creates a ZeroMQ context or a thread, so forking stays safe; it ends, and its children with it, when
the other end closes.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import msgpack

from nodes.hosting.lifeline import hold_lifeline
from nodes.hosting.loader import DriverLoadError, load_driver
from nodes.spec import NodeSpec

MAX_MESSAGE = 65536
GRACE_MS = 1000
"""How long children may take to end by SIGTERM when the server ends."""
NODE_CRASHED = 70
"""Exit status of a child whose body raised."""
_SHARED_IMPORTS = ("numpy", "zmq", "posix_ipc")
_COMM_LENGTH = 15
_ALL_DESCRIPTORS = 1 << 20

Body = Callable[[NodeSpec], int | None]


class ForkServer:
    """Answers one channel; knows each child by its pidfd until it is reaped."""

    def __init__(self, channel: socket.socket, body: Body) -> None:
        self._channel = channel
        self._body = body
        self._children: dict[int, int] = {}
        self._poller = select.poll()
        self._poller.register(channel, select.POLLIN)

    def serve(self) -> None:
        """Answer requests and report exits until the other end closes; then end every child that is left."""
        try:
            while self._turn():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other end went away while it was being answered
        self._end_children()

    def _turn(self) -> bool:
        for descriptor, _ in self._poller.poll():
            if descriptor in self._children:
                self._report(descriptor)
            elif not self._answer():
                return False
        return True

    def _answer(self) -> bool:
        message, descriptors, _, _ = socket.recv_fds(self._channel, MAX_MESSAGE, 1)
        if not message:
            return False
        request = msgpack.unpackb(message)
        if "preload" in request:
            _preload(request["preload"])
        else:
            self._fork(request["fork"], request["name"], descriptors[0])
        return True

    def _fork(self, node: int, name: str, spec: int) -> None:
        if not gc.get_freeze_count():
            gc.collect()
            gc.freeze()  # children never touch these objects' collector heads, so the pages stay shared
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"refused": node, "error": str(error)})
            return
        if pid == 0:
            self._become_node(name, spec)
        os.close(spec)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poller.register(pidfd, select.POLLIN)
        self._send({"forked": node, "pid": pid}, pidfd)

    def _become_node(self, name: str, spec: int) -> NoReturn:
        code: int | None = NODE_CRASHED
        try:
            packed = os.pread(spec, os.fstat(spec).st_size, 0)
            self._channel.detach()
            os.closerange(3, _ALL_DESCRIPTORS)
            gc.enable()
            node = NodeSpec.unpack(packed)
            if not hold_lifeline(Path(node.control.removeprefix("ipc://")).with_name("lifeline")):
                os._exit(0)
            Path("/proc/self/comm").write_text(f"ndisim:{name}"[:_COMM_LENGTH])
            code = self._body(node)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int | None) else NODE_CRASHED
        except BaseException:  # noqa: BLE001 the boundary of the process: nothing is above
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code or 0)

    def _report(self, pidfd: int) -> None:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        pid = self._children.pop(pidfd)
        self._poller.unregister(pidfd)
        os.close(pidfd)
        if result is not None:
            ended = result.si_code == os.CLD_EXITED
            self._send(
                {
                    "exited": pid,
                    "code": result.si_status if ended else None,
                    "signal": None if ended else result.si_status,
                }
            )

    def _send(self, message: dict[str, Any], *descriptors: int) -> None:
        socket.send_fds(self._channel, [msgpack.packb(message)], descriptors)

    def _end_children(self) -> None:
        waiting = select.poll()
        for pidfd in self._children:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            waiting.register(pidfd, select.POLLIN)
        left = dict(self._children)
        while left and (ended := waiting.poll(GRACE_MS)):
            for pidfd, _ in ended:
                waiting.unregister(pidfd)
                del left[pidfd]
        for pidfd in left:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pidfd in self._children:
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)


def _preload(references: list[str]) -> None:
    for reference in references:
        try:
            load_driver(reference)
        except DriverLoadError:
            continue  # the node that needs it meets the same error, and says so in its own name


def _resolve(reference: str) -> Body:
    module, _, function = reference.partition(":")
    body: Body = getattr(import_module(module), function)
    return body


def main(arguments: list[str]) -> None:
    """Serve on the descriptor and with the body that the command line names."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a collection just before a fork would leave freed holes that children then write into
    os.dup2(2, 1)  # standard output carries the orchestrator's data; what drivers print goes with the logs
    channel = socket.socket(fileno=int(arguments[0]))
    body = _resolve(arguments[1])
    for name in _SHARED_IMPORTS:
        import_module(name)
    ForkServer(channel, body).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
