"""Remove what dead runs left: their directories and segments, only our own user's, only dead runs'.

A segment is a dead run's when that run's directory is there and its lock is free. One whose directory is gone
may still belong to a living run with another XDG_RUNTIME_DIR; it goes only when it is a minute old and no
process maps it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.rundir import LOCK, RunRecord, find_runs, find_stillborn
from shm.segment import unlink

_SHARED_MEMORY = Path("/dev/shm")
_ORPHAN_AGE_S = 60


@dataclass(frozen=True)
class Cleaned:
    """What was removed: tokens of runs, and names of segments."""

    runs: tuple[str, ...]
    segments: tuple[str, ...]


def clean() -> Cleaned:
    """Remove the leftovers of dead runs; a run that somebody else is removing is left to them.

    Segments are listed before runs: a run makes its directory first, so a living run's segment is never taken
    for one without a run.
    """
    segments = _own_segments()
    runs = find_runs()
    dead = [run for run in runs if not run.alive and _remove(run, segments.get(run.token, []))]
    for path in find_stillborn():
        shutil.rmtree(path, ignore_errors=True)
    known = {run.token for run in runs}
    orphans = _orphans([name for token, names in segments.items() if token not in known for name in names])
    for name in orphans:
        unlink(f"/{name}")
    removed = [name for run in dead for name in segments.get(run.token, [])]
    return Cleaned(tuple(run.token for run in dead), tuple(removed + orphans))


def _remove(run: RunRecord, segments: Iterable[str]) -> bool:
    """Remove one dead run under its lock, directory last, so that a broken removal can be taken up again."""
    try:
        lock = os.open(run.path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        lock = -1
    try:
        if lock >= 0:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in segments:
            unlink(f"/{name}")
        shutil.rmtree(run.path, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        if lock >= 0:
            os.close(lock)
    return True


def _own_segments() -> dict[str, list[str]]:
    """Return our user's segments by the token of their run."""
    pattern = re.compile(rf"ndisim-{os.getuid()}-(\w+)-[\w-]+")
    found: dict[str, list[str]] = {}
    for path in sorted(_SHARED_MEMORY.iterdir()):
        if match := pattern.fullmatch(path.name):
            found.setdefault(match[1], []).append(path.name)
    return found


def _orphans(names: list[str]) -> list[str]:
    """Return those segments without a run directory that are old, ours and mapped by no process."""
    old = [name for name in names if _is_old(_SHARED_MEMORY / name)]
    if not old:
        return []
    mapped = _mapped_segments()
    return [name for name in old if name not in mapped]


def _is_old(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_ctime > _ORPHAN_AGE_S


def _mapped_segments() -> set[str]:
    """Return the names of all our segments that some process maps."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text(errors="replace")
        except OSError:  # ended meanwhile, or another user's, which could not map a 0600 segment of ours
            continue
        found.update(re.findall(r"/dev/shm/(ndisim-\S+)", text))
    return found
