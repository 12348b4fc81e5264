"""The benchmark's own driver layers: a sender that keeps a window full, a bottom that reads headers and completes.

They do the same work as every peer's roles (`orchestrator.bench.work`), through the public driver classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nodes.chain import NblChain
from nodes.ndis import Adapter, Binding, Miniport, NetEvent, Protocol
from nodes.options import Positive
from nodes.status import Status
from orchestrator.bench.work import HEADER_BYTES, PACKET_BYTES, PACKET_WORDS, Generator, Reader


@dataclass(frozen=True)
class SenderOptions:
    """How much to send: `packets` in all, `chain` a call, `window` in flight."""

    packets: Positive = 1_000_000
    chain: Positive = 128
    window: Positive = 4096


class BenchSender(Protocol):
    """Send distinct packets through a window, reusing every chain that comes back."""

    Options = SenderOptions
    source = True

    @classmethod
    def pool_size(cls, options: Any) -> int:
        """Return one packet for each place in the window."""
        return int(options.window)

    def bind_adapter(self, binding: Binding) -> None:
        """Allocate the window once."""
        chain = self.options.chain
        self._binding = binding
        self._generator = Generator(chain)
        self._rows = np.empty((chain, PACKET_WORDS), np.uint32)
        self._left = self.options.packets // chain
        self._spare = [
            binding.allocate_net_buffer_lists(chain, PACKET_BYTES)
            for _ in range(self.options.window // chain)
        ]
        self._rest: NblChain | None = None
        self.began = self.ended = 0

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        """Fill the window when the binding starts; send nothing more when it pauses."""
        if event is NetEvent.PAUSE:
            self._left = 0
            return Status.SUCCESS
        self.began = self.now
        spare, self._spare = self._spare, []
        for chain in spare:
            self._send(chain)
        return Status.SUCCESS

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Send what came back again, in chains of the size asked for."""
        size = self.options.chain
        if self._rest is not None:
            chain = NblChain.join([self._rest, chain])
        whole = len(chain) // size * size
        for start in range(0, whole, size):
            self._send(chain[start : start + size])
        self._rest = chain[whole:] if whole < len(chain) else None
        if not self._left and not binding.outstanding:
            self.report_done()

    def _send(self, chain: NblChain) -> None:
        if not self._left:
            return
        self._left -= 1
        rows = chain.rows(PACKET_BYTES)
        if rows is not None:
            self._generator.fill(rows.view(np.uint32))
        else:
            self._generator.fill(self._rows)
            chain.write(self._rows.view(np.uint8))
        self._binding.send_net_buffer_lists(chain)


class BenchBottom(Miniport):
    """Read the header of every packet and complete it."""

    default_pool_size = 0

    def initialize(self, adapter: Adapter) -> None:
        """Start with nothing seen."""
        self.reader = Reader()

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        """Read, set the status, complete: one vector operation each."""
        rows = chain.rows(HEADER_BYTES)
        self.reader.read((chain.header(HEADER_BYTES) if rows is None else rows).view(np.uint32))
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
