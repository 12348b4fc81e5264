"""Faults of a binding: completions that are held, late, or carry a status that their driver did not give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import FLAGS_SHIFT, OP_MASK, STATUS_SHIFT, SYNCHRONOUS, Op
from nodes.faults.fault import Fault
from nodes.faults.hook import Mixing
from nodes.packets.chain import NblChain
from nodes.timers import NEVER, Timer
from shm.handle import slots_of

if TYPE_CHECKING:
    from nodes.crossings.port import Port
    from nodes.node import Node

U64 = NDArray[np.uint64]
_COMPLETIONS = (Op.COMPLETE, Op.WAN_DONE)
_VERDICT = SYNCHRONOUS << FLAGS_SHIFT
_HANDLE, _WORD, _DUE, _ROW = range(4)


class ReplyFaults:
    """The faults of the completions that leave through one port, in the order in which they began.

    It stands before `inner`, what else replies wait in, if anything. While the node does not run completions pass
    untouched. A status is given to completed sends that succeeded, not to those that failed anyway.
    """

    def __init__(
        self, node: Node, port: Port, inner: Mixing | None, hit: Callable[[Fault, int], None]
    ) -> None:
        self.faults: tuple[Fault, ...] = ()
        self.inner = inner
        self._node = node
        self._port = port
        self._hit = hit
        self._kept: U64 = np.zeros((4, 0), np.uint64)
        self._woken = False
        self._timer: Timer | None = None

    @property
    def count(self) -> int:
        """Return how many replies wait here and behind."""
        return int(self._kept.shape[1]) + (0 if self.inner is None else self.inner.count)

    @property
    def ready(self) -> bool:
        """Return whether some may leave now."""
        return self._woken or (self.inner is not None and self.inner.ready)

    def take(self, chain: NblChain, meta: U64 | int) -> bool:
        """Take completions that a fault concerns; others are for what stands behind."""
        words = np.array(np.broadcast_to(np.asarray(meta, np.uint64), len(chain)))
        first = int(words[0]) if len(words) else 0
        if first & int(OP_MASK) not in _COMPLETIONS or first & _VERDICT or not self._node.lifecycle.running:
            return self.inner is not None and self.inner.take(chain, meta)
        due = np.zeros(len(words), np.uint64)
        rows = np.zeros(len(words), np.uint64)
        for fault in self.faults:
            self._apply(fault, chain, words, (due, rows))
        keep = due > 0
        if keep.any():
            kept = np.stack([chain.handles, words, due, rows])[:, keep]
            self._kept = np.concatenate([self._kept, kept], axis=1)
            self._wake_at(int(due[keep].min()))
        if not keep.all():
            self._onward(np.stack([chain.handles, words])[:, ~keep])
        return True

    def release(self, now: int) -> None:
        """Hand on what is due at `now`."""
        if self._woken:
            self._woken = False
            self._let_leave(self._kept[_DUE] <= now)
            if self._kept.size:
                self._wake_at(int(self._kept[_DUE].min()))
        if self.inner is not None:
            self.inner.release(now)

    def let_go(self, fault: Fault | None = None) -> None:
        """Hand on at once what is kept, or what one fault keeps."""
        everything = np.ones(self._kept.shape[1], np.bool_)
        self._let_leave(everything if fault is None else self._kept[_ROW] == fault.row)

    def _apply(self, fault: Fault, chain: NblChain, words: U64, kept: tuple[U64, U64]) -> None:
        arena, rng, (due, rows) = self._node.arena, self._node.rng, kept
        ids = arena.packet_id[chain.slots]
        mask = fault.hits(rng, ids)
        if fault.kind == "status":
            failing = int(words[0] & OP_MASK) == Op.COMPLETE
            mask &= (words >> np.uint64(STATUS_SHIFT) == 0) & failing
            words[mask] |= np.uint64(fault.status << STATUS_SHIFT)
            arena.status[chain.slots[mask]] = fault.status
        else:
            until = np.full(len(ids), NEVER, np.uint64)
            if fault.kind == "delay":
                until = np.uint64(self._node.clock.now()) + fault.lateness(rng, ids)
            later = mask & (until > due)
            due[later] = until[later]
            rows[later] = fault.row
        self._hit(fault, int(np.count_nonzero(mask)))

    def _let_leave(self, leaving: NDArray[np.bool_]) -> None:
        gone, self._kept = self._kept[:, leaving], self._kept[:, ~leaving]
        gone = gone[:, np.argsort(gone[_DUE], kind="stable")]
        for op in np.unique(gone[_WORD] & OP_MASK).tolist():
            self._onward(gone[: _WORD + 1, gone[_WORD] & OP_MASK == op])

    def _onward(self, replies: U64) -> None:
        """Give replies (handles and words of one operation) to what stands behind, or to the port."""
        handles, words = replies
        if not len(handles):
            return
        chain = NblChain(handles, slots_of(handles), self._node.custody)
        if self.inner is None or not self.inner.take(chain, words):
            self._port.let_go(Op(int(words[0] & OP_MASK)), chain, words)

    def _wake_at(self, due: int) -> None:
        if due == NEVER or (self._timer is not None and self._timer.due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._node.timers.at(due, self._wake)

    def _wake(self) -> None:
        """Let what is due leave when the poll that this call is part of publishes."""
        self._timer = None
        self._woken = True
