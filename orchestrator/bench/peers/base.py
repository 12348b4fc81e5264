"""What a peer provides: a hop with an upper and a lower end, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from orchestrator.bench.work import Generator, Ids, Load, Reader

Message = Any
"""A chain on its way, in whatever form the peer carries it; None asks for nothing, it is never sent."""


def package_cure(module: str) -> str | None:
    """Say what to install where a package of the extra `bench` is not importable, None where it is."""
    return None if find_spec(module) else "pip install 'ndisim[bench]'"


class UpperEnd(Protocol):
    """Send chains down and take completions back. No call waits, except to push into a full channel."""

    def send(self, generator: Generator) -> None:
        """Write the generator's next chain and send it."""

    def forward(self, messages: Sequence[Message]) -> None:
        """Pass on chains that a lower end received, each still a message of its own."""

    def completions(self) -> list[Ids]:
        """Take the completions that are there; an empty list when there are none."""

    @property
    def waitable(self) -> Any:
        """A file descriptor or ZeroMQ socket, readable when a completion is there; None without one."""


class LowerEnd(Protocol):
    """Receive chains from above and complete them."""

    def receive(self) -> Sequence[Message]:
        """Take the chains that are there; empty when there are none."""

    def read(self, messages: Sequence[Message], reader: Reader) -> Ids:
        """Read the header of every packet in `messages`, and return their sequence numbers in one array."""

    def complete(self, ids: Sequence[Ids]) -> None:
        """Send these completions up; their packets may be overwritten from now on."""

    @property
    def waitable(self) -> Any:
        """A file descriptor or ZeroMQ socket, readable when a chain is there; None without one."""


class Hop(Protocol):
    """Describe one process boundary; picklable, made before the processes, opened by the two of them."""

    def open_upper(self) -> UpperEnd:
        """Open the sending end, in the process above."""

    def open_lower(self) -> LowerEnd:
        """Open the receiving end, in the process below."""


class Peer(Protocol):
    """Make hops of one kind. `spin` is how often a side that runs dry yields before it blocks."""

    spin: int

    def missing(self) -> str | None:
        """Say what to install, or None when the peer can run."""

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Make the hops of a job, from the top; sockets and the like go into `directory`."""
