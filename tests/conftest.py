"""For every test: runs of its own for each pytest worker, a leak check after each, and examples that never change.

Hypothesis draws the same examples every time, and how long a busy machine takes for one decides nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import posix_ipc
import pytest
from hypothesis import HealthCheck, settings

from tests.leaks import Holdings, strays, token_prefix

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

_PREFIX = token_prefix(os.environ.get("PYTEST_XDIST_WORKER", ""), os.getpid())


@pytest.fixture(scope="session", autouse=True)
def run_base() -> Iterator[Path]:
    """Give this worker a runtime directory and a token prefix; at the end, nothing of ours may be anywhere.

    The path is short, because socket paths below it must fit into 107 bytes.
    """
    runtime = Path(tempfile.mkdtemp(prefix="ndt-", dir="/tmp"))  # mkdtemp makes it 0700
    nothing = Holdings(frozenset(), Holdings.now(_PREFIX, runtime).children, frozenset())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        patch.setenv("NDISIM_TOKEN_PREFIX", _PREFIX)
        yield runtime / "ndisim"
    try:
        leaked = Holdings.now(_PREFIX, runtime / "ndisim").left_since(nothing)
        leaked += [f"process {process.pid} of one of our runs" for process in strays(_PREFIX)]
        assert not leaked, "left by this worker's tests:\n" + "\n".join(leaked)
    finally:
        _sweep(runtime)


@pytest.fixture(autouse=True)
def no_leaks(run_base: Path) -> Iterator[None]:
    """Fail a test that leaves a segment, a child process or an entry in the run directory."""
    before = Holdings.now(_PREFIX, run_base)
    yield
    leaked = Holdings.now(_PREFIX, run_base).left_since(before)
    if leaked:
        pytest.fail("left by this test:\n" + "\n".join(leaked), pytrace=False)


@pytest.fixture
def token() -> str:
    """Make a run token that the leak check watches: `/ndisim-<uid>-<token>-<part>`."""
    return _PREFIX + secrets.token_hex(4)


def _sweep(runtime: Path) -> None:
    for process in strays(_PREFIX):
        process.kill()
    for name in Holdings.now(_PREFIX, runtime).segments:
        posix_ipc.unlink_shared_memory(f"/{name}")
    shutil.rmtree(runtime, ignore_errors=True)
