"""The fork server as the orchestrator meets it: a real server, real children."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from nodes.hosting.forkserver import NODE_CRASHED
from orchestrator.failures import ForkServerDied
from orchestrator.processes import ForkServer
from tests.orchestrator.bodies import spec
from tests.orchestrator.conditions import until, until_dead

_LIMIT = 20_000_000_000


Start = Callable[[str], ForkServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Give a function that starts a server whose children run one of the bodies.

    It is called in the test, not before: `capfd` puts other descriptors in place when the test itself begins.
    """
    with ExitStack() as servers:
        yield lambda body: servers.enter_context(ForkServer(f"tests.orchestrator.bodies:{body}"))


@pytest.fixture
def lifeline_writer(tmp_path: Path) -> Iterator[int]:
    os.mkfifo(tmp_path / "lifeline")
    writer = os.open(tmp_path / "lifeline", os.O_RDWR)
    yield writer
    with suppress(OSError):  # a test may have closed it
        os.close(writer)


@pytest.fixture
def lifeline(tmp_path: Path, lifeline_writer: int) -> Path:
    """Give a run directory whose lifeline this process holds."""
    return tmp_path


def next_message(server: ForkServer) -> tuple[dict[str, Any], list[int]]:
    received = server.receive(_LIMIT)
    assert received is not None
    return received


def forked(server: ForkServer, directory: Path, node: int = 1, **options: Any) -> tuple[int, int]:
    """Fork a child; return its pid and pidfd."""
    server.fork(spec(node, directory, **options))
    message, [pidfd] = next_message(server)
    assert message["forked"] == node
    return message["pid"], pidfd


def until_named(pid: int) -> None:
    """Wait until a child has its lifeline and its name: it is in its body, or about to be."""
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "ndisim:node1\n")


def test_a_child_is_told_with_its_pidfd_and_named_after_its_node(start: Start, lifeline: Path) -> None:
    server = start("waits")
    pid, pidfd = forked(server, lifeline)
    until_named(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    assert next_message(server)[0] == {"exited": pid, "code": None, "signal": signal.SIGKILL}


def test_an_exit_is_reported_with_its_status(start: Start, lifeline: Path) -> None:
    server = start("ends")
    pid, pidfd = forked(server, lifeline, code=7)
    os.close(pidfd)
    assert next_message(server) == ({"exited": pid, "code": 7, "signal": None}, [])


def test_a_body_that_raises_ends_with_a_status_of_its_own(
    start: Start, lifeline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start("raises")
    pid, pidfd = forked(server, lifeline)
    os.close(pidfd)
    assert next_message(server)[0] == {"exited": pid, "code": NODE_CRASHED, "signal": None}
    assert "LookupError: no such body" in capfd.readouterr().err


def test_what_a_driver_prints_goes_to_standard_error(
    start: Start, lifeline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start("prints")
    _, pidfd = forked(server, lifeline)
    os.close(pidfd)
    next_message(server)
    assert capfd.readouterr() == ("", "hello from node1\n")


def test_a_child_keeps_no_descriptor_but_its_lifeline(
    start: Start, lifeline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start("reports_descriptors")
    _, first = forked(server, lifeline, 1)
    next_message(server)
    _, second = forked(server, lifeline, 2)
    next_message(server)
    for pidfd in (first, second):
        os.close(pidfd)
    assert capfd.readouterr().err == f"{lifeline}/lifeline\n" * 2


def test_a_child_has_numpy_zmq_and_preloaded_drivers_and_no_context(
    start: Start, lifeline: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server = start("reports_modules")
    server.preload(
        ["nodes.formats.frames:Nothing", "nodes.absent:Nothing", "tests.orchestrator.drivers:Source"]
    )
    _, pidfd = forked(server, lifeline)
    next_message(server)
    os.close(pidfd)
    assert (
        capfd.readouterr().err == "numpy nodes.formats.frames posix_ipc zmq; frozen; no context; one thread\n"
    )


def test_children_end_when_the_other_end_of_the_server_closes(start: Start, lifeline: Path) -> None:
    server = start("waits")
    children = [forked(server, lifeline, node) for node in (1, 2, 3)]
    server.close()
    for pid, pidfd in children:
        until_dead(pid)
        os.close(pidfd)


def test_a_child_that_ignores_sigterm_is_killed_when_the_server_ends(start: Start, lifeline: Path) -> None:
    server = start("ignores_sigterm")
    pid, pidfd = forked(server, lifeline)
    server.close()
    until_dead(pid)
    os.close(pidfd)


def test_a_child_that_never_returns_ends_with_its_lifeline(
    start: Start, lifeline: Path, lifeline_writer: int
) -> None:
    server = start("loops")
    pid, pidfd = forked(server, lifeline)
    os.close(pidfd)
    until_named(pid)
    os.close(os.dup(lifeline_writer))  # another holder of the write end comes and goes: no harm
    assert server.receive(0) is None
    os.close(lifeline_writer)
    assert next_message(server)[0] == {"exited": pid, "code": None, "signal": signal.SIGTERM}


def test_a_child_forked_after_its_orchestrator_died_ends_at_once(start: Start, tmp_path: Path) -> None:
    server = start("waits")
    pid, pidfd = forked(server, tmp_path)
    os.close(pidfd)
    assert next_message(server)[0] == {"exited": pid, "code": 0, "signal": None}


def test_a_server_that_was_killed_is_named(start: Start) -> None:
    server = start("waits")
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(ForkServerDied, match=str(server.pid)):
        server.receive(_LIMIT)


def test_silence_is_not_the_end(start: Start) -> None:
    server = start("waits")
    assert server.receive(0) is None


def test_ctrl_c_does_not_reach_the_server(start: Start, lifeline: Path) -> None:
    server = start("waits")
    assert os.getsid(server.pid) != os.getsid(0)
    _, first = forked(server, lifeline)  # it has begun to serve, so its signals are set
    os.kill(server.pid, signal.SIGINT)
    _, second = forked(server, lifeline, 2)
    os.close(first)
    os.close(second)
