"""DPDK's testpmd over memif: one bounces a closed window of packets (`io`), the other swaps their addresses.

Both poll without pause, each on a core of its own, in C. Packets come back to where they started, as
completions do; the figure is what that side receives back per second, by its own count. memif copies a packet
on the way into its rings and again on the way out, in both directions; payloads are written once.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from orchestrator.bench.result import Result
from orchestrator.bench.work import PACKET_BYTES, Job, Load

PROGRAM = "dpdk-testpmd"
CURE = "apt-get install dpdk-dev"
LARGEST_BURST = 512
RING_LOG2 = 12
START_SECONDS = 20.0
ANSWER_SECONDS = 5.0
PROMPT = "testpmd> "
RECEIVED = re.compile(r"Rx-pps:\s+(\d+)")
MEMORY = ("--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "256")


class TestpmdFailed(RuntimeError):
    """testpmd ended or did not answer in time. The message ends with the last it said."""

    __test__ = False


class Testpmd:
    """Talk to one testpmd over a pseudo-terminal, without which it would hold its output back."""

    __test__ = False

    def __init__(self, arguments: list[str]) -> None:
        """Start it and wait for its prompt. Raises `TestpmdFailed`, leaving no process."""
        self._terminal, theirs = pty.openpty()
        _silence(theirs)
        self._process = subprocess.Popen(
            [PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._heard = ""
        try:
            self._answer(START_SECONDS)
        except TestpmdFailed:
            self.end()
            raise

    def ask(self, command: str) -> str:
        """Give a command and return its output up to the next prompt."""
        os.write(self._terminal, command.encode() + b"\n")
        return self._answer(ANSWER_SECONDS)

    def listen(self, seconds: float) -> None:
        """Read what it says of its own accord, for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def _answer(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while PROMPT not in self._heard:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise TestpmdFailed(f"{PROGRAM} gave no prompt: {self._heard[-300:].strip()}")
        answer, self._heard = self._heard.rsplit(PROMPT, 1)
        return answer

    def _read(self, seconds: float) -> bool:
        """Read once; False when it has ended."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:
            return False
        self._heard += data.decode(errors="replace")
        return bool(data)

    def end(self) -> None:
        """Terminate, wait, kill, reap."""
        for stop in (self._process.terminate, self._process.kill):
            stop()
            try:
                self._process.wait(ANSWER_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        os.close(self._terminal)


def _silence(terminal: int) -> None:
    """Switch echo off: a command must not look like its own answer."""
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


@contextmanager
def _testpmd(core: int, role: str, mode: str, burst: int, directory: Path) -> Iterator[Testpmd]:
    device = f"net_memif0,role={role},id=0,socket={directory}/memif,socket-abstract=no"
    eal = [
        "--lcores",
        f"0@{core},1@{core}",
        *MEMORY,
        f"--file-prefix={directory.name}-{role}",
        f"--vdev={device},bsize=2048,rsize={RING_LOG2}",
    ]
    own = ["-i", "--nb-cores=1", f"--forward-mode={mode}", f"--burst={burst}", f"--txpkts={PACKET_BYTES}"]
    mempool = ["--total-num-mbufs=32768", "--no-mlockall"]
    running = Testpmd([*eal, "--", *own, *mempool])
    try:
        yield running
    finally:
        running.end()


class MemifContender:
    """Run the `pair` job for chains of up to 512, the largest burst testpmd knows."""

    name = "memif"

    def missing(self) -> str | None:
        """Say what to install where testpmd is not on the path."""
        return None if shutil.which(PROGRAM) else CURE

    def supports(self, load: Load) -> bool:
        """Say whether a load can be done at all: there is no relay that carries completions back."""
        return load.job is Job.PAIR and load.chain <= LARGEST_BURST

    def run(self, load: Load) -> Result:
        """Bounce one window for `load.seconds` and read the rate. What goes wrong becomes the `fault`."""
        try:
            rate = self._rate(load)
        except (TestpmdFailed, OSError) as error:
            return Result(load.job, self.name, load.chain, fault=str(error))
        fault = None if rate else "no packet came back"
        return Result(load.job, self.name, load.chain, round(rate * load.seconds), load.seconds, fault)

    def _rate(self, load: Load) -> int:
        cores = sorted(os.sched_getaffinity(0))
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ndisim-memif-")))
            server = stack.enter_context(_testpmd(cores[-1], "server", "macswap", load.chain, directory))
            server.ask("start")
            client = stack.enter_context(_testpmd(cores[0], "client", "io", load.chain, directory))
            _await_link(client)
            client.ask(f"start tx_first {max(1, load.window // load.chain)}")
            client.listen(0.2)
            client.ask("show port stats 0")
            client.listen(load.seconds)
            found = RECEIVED.search(client.ask("show port stats 0"))
        return int(found.group(1)) if found else 0


def _await_link(client: Testpmd) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while "Link status: up" not in client.ask("show port info 0"):
        if time.monotonic() > deadline:
            raise TestpmdFailed("the memif link did not come up")
        client.listen(0.05)
