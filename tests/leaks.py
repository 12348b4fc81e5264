"""What a test may have left behind: segments, child processes, run directories.

Several pytest workers, and several pytest runs of one user, share `/dev/shm`. Each worker therefore gives the
runs it starts a token prefix and a run base directory of its own, and looks at nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

import psutil

_SHARED_MEMORY = Path("/dev/shm")
_TASKS = Path("/proc/self/task")


def token_prefix(worker: str, pid: int) -> str:
    """Name the runs of one pytest worker; fixed width after the worker, so that no prefix begins another."""
    number = worker.removeprefix("gw") if worker.startswith("gw") else "0"
    return f"w{number}p{pid:06x}"


@dataclass(frozen=True)
class Holdings:
    """What this pytest worker holds at one moment, as text that says what each thing is."""

    segments: frozenset[str]
    children: frozenset[int]
    run_entries: frozenset[str]

    @classmethod
    def now(cls, prefix: str, run_base: Path) -> Holdings:
        """Look: some 50 us, because it is done twice for every test."""
        mine = f"ndisim-{os.getuid()}-{prefix}"
        return cls(
            segments=frozenset(path.name for path in _SHARED_MEMORY.glob(f"{mine}*")),
            children=_children(),
            run_entries=frozenset(path.name for path in run_base.glob("*")),
        )

    def left_since(self, before: Holdings) -> list[str]:
        """List what is here now and was not before, a line each; empty when nothing leaked."""
        return [
            *(f"segment /dev/shm/{name}" for name in sorted(self.segments - before.segments)),
            *(f"child process {_describe(pid)}" for pid in sorted(self.children - before.children)),
            *(f"run directory entry {name}" for name in sorted(self.run_entries - before.run_entries)),
        ]


def strays(prefix: str) -> list[psutil.Process]:
    """Find processes started with this worker's token prefix, wherever they hang in the process tree."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("NDISIM_TOKEN_PREFIX") == prefix:
                found.append(process)
        except psutil.Error:  # ended meanwhile, or not ours to look at
            continue
    return found


def _children() -> frozenset[int]:
    """Read the kernel's list of each thread's children; walking all of /proc would cost milliseconds."""
    pids: set[int] = set()
    for task in _TASKS.iterdir():
        try:
            pids.update(map(int, (task / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile
            continue
    # multiprocessing keeps one tracker until the interpreter ends, by design.
    pids.discard(getattr(resource_tracker._resource_tracker, "_pid", None) or 0)
    return frozenset(pids)


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"{pid} (ended, but nobody waited for it)"
        return f"{pid} ({' '.join(process.cmdline())})"
    except psutil.Error:
        return f"{pid} (gone by now)"
