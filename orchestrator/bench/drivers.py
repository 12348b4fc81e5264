"""The benchmark's own driver layers: a sender that keeps a window full, a bottom that reads headers and completes.

They do the same work as every peer's roles (`orchestrator.bench.work`), through the public driver classes, and
leave what they saw as a JSON file in the run's output directory when they are halted.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.driver import Driver
from nodes.ndis import Adapter, Binding, Miniport, NetEvent, Protocol
from nodes.options import Duration, Positive
from nodes.packets.chain import NblChain
from nodes.status import Status
from orchestrator.bench.work import (
    HEADER_BYTES,
    PACKET_BYTES,
    PACKET_WORDS,
    SEQUENCE_BYTES,
    Generator,
    Reader,
    Tally,
)

Rows = NDArray[np.uint8]


@dataclass(frozen=True)
class SenderOptions:
    """How much to send: `packets` in all, for `limit` ns at most, `chain` a call, `window` in flight."""

    packets: Positive = 1_000_000
    limit: Duration = 1_000_000_000
    chain: Positive = 128
    window: Positive = 4096


class BenchSender(Protocol):
    """Send distinct packets through a window, reusing every chain that comes back.

    The clock runs from the first write to the last completion.
    """

    Options = SenderOptions
    source = True

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return one packet for each place in the window."""
        return int(options.window)

    def bind_adapter(self, binding: Binding) -> None:
        """Allocate the window once."""
        size = self.options.chain
        self._binding = binding
        self._generator = Generator(size)
        self._apart = np.empty((size, PACKET_WORDS), np.uint32)
        self._left = max(1, self.options.packets // size)
        self._spare = [
            binding.allocate_net_buffer_lists(size, PACKET_BYTES) for _ in range(self.options.window // size)
        ]
        self._rest: list[NblChain] = []
        self._began = self._ended = self._completed = self._sequences = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Fill the window when the binding starts; send nothing more when it pauses."""
        if event is NetEvent.PAUSE:
            self._left = 0
            return Status.SUCCESS
        self._began = self.now
        spare, self._spare = self._spare, []
        for chain in spare:
            self._send(chain, chain.rows(PACKET_BYTES))
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Send what came back again, in chains of the size asked for; nothing more after the limit."""
        rows = chain.rows(PACKET_BYTES)
        self._note(chain.header(SEQUENCE_BYTES) if rows is None else rows[:, :SEQUENCE_BYTES])
        self._ended = self.now
        if self._ended - self._began > self.options.limit:
            self._left = 0
        if self._rest:
            chain, rows = NblChain.join([*self._rest, chain]), None
            self._rest = []
        self._send(chain, rows)
        if not self._left and not binding.outstanding:
            self.report_done()

    def stop(self) -> None:
        """Leave the figures and free the window."""
        super().stop()
        for chain in [*self._spare, *self._rest]:
            self.free(chain)
        completed = Tally(self._completed, self._sequences, 0)
        seconds = (self._ended - self._began) / 1e9
        leave(self, {"seconds": seconds, "sent": self._generator.expected(), "completed": completed})

    def _note(self, sequences: Rows) -> None:
        """Sum up the sequence numbers of what came back, read where they lie."""
        self._completed += len(sequences)
        self._sequences += int(np.add.reduce(np.ascontiguousarray(sequences).view(np.uint64), axis=None))

    def _send(self, chain: NblChain, rows: Rows | None) -> None:
        """Send whole calls of a chain whose packets lie in `rows`, or anywhere if that is None."""
        size = self.options.chain
        whole = min(len(chain) // size, self._left) * size
        self._left -= whole // size
        for start in range(0, whole, size):
            stop = start + size
            call = chain[start:stop]
            self._write(call, call.rows(PACKET_BYTES) if rows is None else rows[start:stop])
            self._binding.send_net_buffer_lists(call)
        if whole < len(chain):
            self._rest.append(chain[whole:])

    def _write(self, call: NblChain, rows: Rows | None) -> None:
        if rows is None:
            self._generator.fill(self._apart)
            call.write(self._apart.view(np.uint8))
        elif len(rows) == 1:
            self._generator.fill_one(rows[0].data)
        else:
            self._generator.fill(rows.view(np.uint32))


class BenchBottom(Miniport):
    """Read the header of every packet and complete it."""

    default_pool_size = 0

    def initialize(self, adapter: Adapter) -> None:
        """Start with nothing seen."""
        self._reader = Reader()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Read, set the status, complete: one vector operation each; a packet alone is read by itself."""
        rows = chain.rows(HEADER_BYTES)
        if rows is not None and len(rows) == 1:
            self._reader.read_one(rows)
        else:
            self._reader.read((chain.header(HEADER_BYTES) if rows is None else rows).view(np.uint32))
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)

    def halt(self) -> None:
        """Leave the tally."""
        leave(self, {"seen": self._reader.tally()})


def leave(driver: Driver, figures: dict[str, Any]) -> None:
    """Write what a driver found to ``<its name>.json`` in the run's output directory."""
    path = Path(driver._node.spec.output) / f"{driver.name}.json"
    path.write_text(json.dumps(figures, default=asdict))
