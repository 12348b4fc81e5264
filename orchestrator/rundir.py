"""The run directory: what a run shows in the file system, and the lock that says whether the run is alive.

    lock          held with flock as long as the run lives; the kernel lets go of it on any death
    lifeline      a FIFO whose write end the orchestrator holds: its end is the end of the nodes
    control       the ROUTER's socket        bell-<n>    the nodes' sockets
    query         where other processes ask the run's nodes
    run.json      what the run is            nodes.msgpack  the nodes' specs, for read-only attachment

A directory appears under its final name only when its lock is held, so nobody ever sees a living run
unlocked.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from nodes.spec import NodeSpec
from orchestrator.failures import RunDirectoryUnsafe

LOCK = "lock"
LIFELINE = "lifeline"
CONTROL = "control"
RUN_FILE = "run.json"
NODES_FILE = "nodes.msgpack"
_TOKEN_BYTES = 4
_NUMBER_LENGTH = 8
_LONGEST_SOCKET = 107 - len("/bell-4095")
_NEWBORN = ".new-"
_NEWBORN_LIMIT_S = 60


@dataclass(frozen=True)
class RunRecord:
    """One run found on this machine: its token, where it lies, whether it lives, and its `run.json`."""

    token: str
    path: Path
    alive: bool
    details: dict[str, Any]


class RunDirectory:
    """The directory of this process' own run; `token` names the run, `number` marks its segments."""

    def __init__(self, path: Path, lock: int, lifeline: int) -> None:
        self.path = path
        self.token = path.name
        self.number = token_number(path.name)
        self._descriptors = [lock, lifeline]

    @classmethod
    def create(cls) -> RunDirectory:
        """Make a directory under a fresh token and hold its lock and lifeline. Raises RunDirectoryUnsafe."""
        base = base_directory()
        token = os.environ.get("NDISIM_TOKEN_PREFIX", "") + secrets.token_hex(_TOKEN_BYTES)
        path = base / token
        if len(os.fsencode(path)) > _LONGEST_SOCKET:
            raise RunDirectoryUnsafe(
                f"{path} is too long for the name of a socket; point XDG_RUNTIME_DIR to a shorter place"
            )
        newborn = base / f"{_NEWBORN}{token}"
        newborn.mkdir(mode=0o700)
        lock = os.open(newborn / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.mkfifo(newborn / LIFELINE, 0o600)
        lifeline = os.open(newborn / LIFELINE, os.O_RDWR | os.O_CLOEXEC)  # a reader too, or it would block
        newborn.rename(path)
        return cls(path, lock, lifeline)

    def write(self, details: dict[str, Any], specs: Sequence[NodeSpec]) -> None:
        """Publish what the run is, each file at once and for this user alone."""
        _write_file(self.path / NODES_FILE, msgpack.packb([spec.pack() for spec in specs]))
        _write_file(self.path / RUN_FILE, json.dumps(details, indent=1).encode())

    def remove(self) -> None:
        """Remove the directory, then let go of lock and lifeline. Twice is once."""
        shutil.rmtree(self.path, ignore_errors=True)
        while self._descriptors:
            os.close(self._descriptors.pop())


def token_number(token: str) -> int:
    """Return the mark of a run in its segments' headers: the last eight bytes of its token."""
    return int.from_bytes(token[-_NUMBER_LENGTH:].encode(), "big")


def base_directory() -> Path:
    """Return the directory of all our runs, made if need be.

    It is `$XDG_RUNTIME_DIR/ndisim`, else `/tmp/ndisim-<uid>`. Raises RunDirectoryUnsafe if another user could
    have put it there or can look into it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    base = (
        Path(runtime) / "ndisim" if runtime and Path(runtime).is_dir() else Path(f"/tmp/ndisim-{os.getuid()}")
    )
    try:
        base.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise RunDirectoryUnsafe(f"cannot make {base}: {error.strerror}; check XDG_RUNTIME_DIR") from error
    status = base.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.getuid()
        or stat.S_IMODE(status.st_mode) & 0o077
    ):
        raise RunDirectoryUnsafe(
            f"{base} has to be a directory of user {os.getuid()} with mode 700; "
            "remove it, or set XDG_RUNTIME_DIR"
        )
    return base


def find_runs() -> list[RunRecord]:
    """Return every run of this user, dead ones too, in order of their tokens."""
    return [
        RunRecord(path.name, path, is_alive(path), read_details(path))
        for path in sorted(base_directory().iterdir())
        if path.is_dir() and not path.name.startswith(_NEWBORN)
    ]


def find_stillborn() -> list[Path]:
    """Return directories whose makers died between two lines of `RunDirectory.create`."""
    return [
        path
        for path in base_directory().glob(f"{_NEWBORN}*")
        if not is_alive(path) and time.time() - path.lstat().st_mtime > _NEWBORN_LIMIT_S
    ]


def is_alive(path: Path) -> bool:
    """Return whether the run in this directory holds its lock."""
    try:
        lock = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def read_details(path: Path) -> dict[str, Any]:
    """Return a run's `run.json`; empty when the run has not written it yet or it is unreadable."""
    try:
        details = json.loads((path / RUN_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return details if isinstance(details, dict) else {}


def read_specs(path: Path) -> list[NodeSpec]:
    """Return the nodes' specs of a run; empty before it has started its nodes."""
    try:
        packed = (path / NODES_FILE).read_bytes()
    except FileNotFoundError:
        return []
    return [NodeSpec.unpack(spec) for spec in msgpack.unpackb(packed)]


def run_details(
    token: str, name: str, mode: str, specs: Sequence[NodeSpec], pids: Mapping[int, int]
) -> dict[str, Any]:
    """Return what `run.json` says about a run; `started` is in seconds since the epoch."""
    return {
        "id": token,
        "name": name,
        "mode": mode,
        "pid": os.getpid(),
        "started": time.time(),
        "nodes": {
            spec.name: {"id": spec.node, "kind": spec.kind, "driver": spec.driver, "pid": pids[spec.node]}
            for spec in specs
        },
        "edges": [
            {"edge": edge.edge, "kind": edge.kind, "upper": spec.name, "lower": edge.peer_name}
            for spec in specs
            for edge in spec.edges
            if edge.side == "upper"
        ],
    }


def _write_file(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}")
    with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    fresh.rename(path)
