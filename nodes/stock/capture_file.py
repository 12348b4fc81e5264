"""Captures that a driver writes below the run's output directory."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nodes.formats.pcapng import PcapngWriter
from nodes.packets.chain import NblChain
from nodes.stock.frame_rows import FrameRows

if TYPE_CHECKING:
    from nodes.node import Node


_BEGUN: weakref.WeakKeyDictionary[Node, set[Path]] = weakref.WeakKeyDictionary()
"""The files that each node has written to."""


class NoOutputDirectory(ValueError):
    """A driver is to write a file, but the run has no directory for outputs."""


class CaptureFile:
    """A pcapng file of one node; times in it are the node's clock, packet ids those of reports and traces.

    It is closed with its driver at the latest, also where a run breaks off. A driver that comes back after a halt goes
    on in the same file, in a section of its own.
    """

    def __init__(self, node: Node, name: str, interfaces: Sequence[str], snaplen: int = 65535) -> None:
        """Create `name`, in which ``{node}`` stands for the node's name, and the directories on its way.

        Raises NoOutputDirectory when the run has none, ValueError for a path that leaves it; OSError passes through.
        """
        name = name.replace("{node}", node.name)
        if not node.spec.output:
            raise NoOutputDirectory(
                f"{node.name} is to write {name}, but the run has no output directory; give one with --out"
            )
        base = Path(node.spec.output)
        path = base / name
        if not path.resolve().is_relative_to(base.resolve()):
            raise ValueError(f"{name} is not below the output directory; give a name without '..'")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._node = node
        begun = _BEGUN.setdefault(node, set())
        self._writer = PcapngWriter(path, interfaces=interfaces, snaplen=snaplen, append=path in begun)
        begun.add(path)
        weakref.finalize(self, self._writer.close)

    def write(self, chain: NblChain, frames: FrameRows, interface: int = 0) -> None:
        """Append frames of a chain that is held, as seen now."""
        times = np.full(len(frames), self._node.clock.now(), np.uint64)
        ids = chain.packet_id[frames.packet]
        self._writer.write(times, frames.lengths, frames.block(), ids, interface)

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """End the file; closing twice does nothing."""
        self._writer.close()
