"""Stand-in node bodies that the fork server can run in place of `nodes.hosting.host:main`, and specs for them."""

from __future__ import annotations

import gc
import itertools
import signal
import sys
from pathlib import Path
from typing import Any

from nodes.spec import NodeSpec


def spec(node: int, directory: Path, **options: Any) -> NodeSpec:
    """Return a spec of a node that has nothing but a name, options and a run directory."""
    return NodeSpec(
        node=node,
        name=f"node{node}",
        kind="filter",
        driver="",
        options=options,
        seed=0,
        token=0,
        level=2,
        notify="armed",
        slots=0,
        pool_base=0,
        pool_size=0,
        tails=0,
        arm=0,
        bell="",
        control=f"ipc://{directory}/control",
        secret=b"",
        output="",
        segments={},
        edges=(),
    )


def waits(spec: NodeSpec) -> int:
    """Do nothing until a signal ends the process."""
    while True:
        signal.pause()


def loops(spec: NodeSpec) -> None:
    """Keep the processor busy for ever."""
    for _ in itertools.count():
        pass


def ignores_sigterm(spec: NodeSpec) -> None:
    """Wait, and do not end by SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    waits(spec)


def ends(spec: NodeSpec) -> int:
    """End at once with the status that the options name."""
    return int(spec.options["code"])


def raises(spec: NodeSpec) -> None:
    """Raise."""
    raise LookupError("no such body")


def prints(spec: NodeSpec) -> None:
    """Print to standard output."""
    print(f"hello from {spec.name}")


def reports_descriptors(spec: NodeSpec) -> None:
    """Print where each open descriptor beyond the standard ones leads."""
    for descriptor in range(3, 64):
        try:
            print(Path(f"/proc/self/fd/{descriptor}").readlink())
        except FileNotFoundError:
            continue


def reports_modules(spec: NodeSpec) -> None:
    """Print what the process was born with."""
    import zmq

    names = ("numpy", "nodes.formats.frames", "posix_ipc", "tests.orchestrator.drivers", "zmq")
    print(
        " ".join(name for name in names if name in sys.modules),
        "frozen" if gc.get_freeze_count() else "not frozen",
        "a context" if zmq.Context._instance else "no context",
        "one thread" if len(list(Path("/proc/self/task").iterdir())) == 1 else "threads",
        sep="; ",
    )


def lies(spec: NodeSpec) -> None:
    """Say hello with a secret that is not the run's, then wait."""
    import msgpack
    import zmq

    socket = zmq.Context(1).socket(zmq.DEALER)
    socket.setsockopt(zmq.IDENTITY, spec.name.encode())
    socket.connect(spec.control)
    socket.send(msgpack.packb({"kind": "hello", "node": spec.node, "pid": 1, "secret": b"guess"}))
    waits(spec)
