"""The real command in a process of its own, as a user calls it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import Report

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QUICKSTART = EXAMPLES / "quickstart.ndisim.yml"
WEB = EXAMPLES / "captures" / "web.pcapng"
COMMAND = [sys.executable, "-m", "orchestrator.cli"]
LIMIT_S = 50


def ndisim(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def run(file: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a topology to its end, without progress."""
    return ndisim("run", file, "--quiet", *arguments)


def report_of(done: subprocess.CompletedProcess[str]) -> Report:
    """Read the report of a run with `--format json`; the assertion shows what was said instead."""
    assert done.stdout.startswith("{"), done.stderr
    return Report.model_validate_json(done.stdout)


@contextmanager
def running(file: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start a run in the background; the block is entered when it has shown progress, and left in order."""
    command = [*COMMAND, "run", str(file), *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert "packets/s" in first, first
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
