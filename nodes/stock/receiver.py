"""A receiver: checks what arrives, accounts for every flow, and keeps a capture of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from nodes.crossings.crossing import ReceiveFlags
from nodes.formats.frames import Stamps, check_frames
from nodes.metrics import Counter, HistogramRow
from nodes.ndis import Binding, NetEvent, Protocol
from nodes.options import Choice, Duration, OutputFile
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.capture_file import CaptureFile
from nodes.stock.frame_rows import FrameRows, frame_rows
from nodes.stock.sequences import Sequences


@dataclass(frozen=True)
class ReceiverOptions:
    """What is done with what arrives, beside accounting for it."""

    write: Annotated[str, OutputFile("capture")] = field(
        default="", metadata={"help": "pcapng file to write; {node} stands for the node's name"}
    )
    only: Annotated[str, Choice(("all", "stamped", "foreign"))] = field(
        default="all", metadata={"help": "frames to write: of load generators, of other origin, or both"}
    )
    hold: Duration = field(
        default=0, metadata={"help": "time for which packets are kept, as by a slow reader"}
    )


class Receiver(Protocol):
    """Check every frame, count what is missing, late, repeated or damaged, return every packet once (N6-RX-04).

    Only frames of a load generator can be accounted for; others count as foreign. An NBL of several NBs carries a
    frame in each.
    """

    Options = ReceiverOptions
    default_pool_size = 0

    def start(self) -> None:
        """Open the bindings and the capture; errors as for `CaptureFile`."""
        super().start()
        self._sequences = Sequences()
        self._held: deque[tuple[int, Binding, NblChain]] = deque()
        write = self.options.write
        self._capture = CaptureFile(self._node, write, [self.name]) if write else None

    def stop(self) -> None:
        """End the capture."""
        super().stop()
        if self._capture is not None:
            self._capture.close()

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Return everything at a pause (N6-RX-13)."""
        if event is NetEvent.PAUSE:
            while self._held:
                _, source, chain = self._held.popleft()
                source.return_net_buffer_lists(chain)
            if self._capture is not None:
                self._capture.flush()
        return Status.SUCCESS

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Check, write and return a chain, at once or after `hold`; one lent with RESOURCES goes back by itself."""
        frames = frame_rows(self._node.arena, chain)
        stamps = check_frames(frames.rows, frames.index, frames.lengths)
        self._account(stamps)
        if self._capture is not None:
            self._write(self._capture, chain, frames, stamps)
        if flags & ReceiveFlags.RESOURCES:
            return
        if not self.options.hold:
            binding.return_net_buffer_lists(chain)
            return
        self._held.append((self.now + self.options.hold, binding, chain))
        self.set_timer(self.options.hold, self._release)

    def _account(self, stamps: Stamps) -> None:
        counters = self._node.board.counters
        stamped = int(np.count_nonzero(stamps.stamped))
        good = int(np.count_nonzero(stamps.ok))
        counters[Counter.FOREIGN] += len(stamps.stamped) - stamped
        counters[Counter.CORRUPT] += stamped - good
        if not good:
            return
        verdict = self._sequences.take(stamps.flow[stamps.ok], stamps.sequence[stamps.ok])
        counters[Counter.OUT_OF_ORDER] += verdict.late
        counters[Counter.REPEATED] += verdict.again
        counters[Counter.MISSING] = self._sequences.missing
        took = np.maximum(self.now - stamps.planned_ns[stamps.ok].astype(np.int64), 0)
        self._node.board.histograms[HistogramRow.ONE_WAY].record(took.astype(np.uint64))

    def _write(self, capture: CaptureFile, chain: NblChain, frames: FrameRows, stamps: Stamps) -> None:
        if self.options.only != "all":
            frames = frames.pick(stamps.stamped if self.options.only == "stamped" else ~stamps.stamped)
        if len(frames):
            capture.write(chain, frames)

    def _release(self) -> None:
        """Return what has been held long enough."""
        while self._held and self._held[0][0] <= self.now:
            _, binding, chain = self._held.popleft()
            binding.return_net_buffer_lists(chain)
