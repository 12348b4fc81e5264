"""Second by second: what a run did, sampled from boards and ledger while it goes on.

Nothing is asked of a node. Rates and percentiles of a row are differences of what two looks found, so rows add up to
the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.port import OWNER_SHIFT, STATE_SHIFT
from nodes.metrics import Counter, HistogramRow, PortCounter
from nodes.spec import NodeSpec
from orchestrator.holdings import LedgerState
from orchestrator.percentiles import summarise
from orchestrator.report_part import microseconds
from orchestrator.report_series import EdgeSecond, NodeSecond, SeriesRow
from shm.arena import QUARANTINED, Arena
from shm.board import Board
from shm.handle import MAX_POOLS, POOL_SHIFT
from shm.histogram import BUCKETS

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

SECOND_NS = 1_000_000_000
ROWS = 600
"""Longest series; from there on neighbours are merged, which halves it: a run that goes on needs no more memory."""
CELLS = 180_000
"""Most nodes and edges over all rows: a wide topology has a shorter series."""
FEWEST_ROWS = 60
_TOOK = (HistogramRow.LATENCY, HistogramRow.PLANNED)
_NODE = (Counter.SENT, Counter.COMPLETED, Counter.RECEIVED)
_PORT = (
    *(PortCounter.REQUESTS_OUT, PortCounter.REPLIES_IN),
    *(PortCounter.REQUESTS_IN, PortCounter.REPLIES_OUT),
)


@dataclass(frozen=True)
class _Look:
    """What boards and ledger show at `time`: nodes i64[n][3], ports i64[m][4], packets held i64[n].

    `took` are durations of completed packets, u64[2][BUCKETS]: from the send, and from the planned time.
    """

    time: int
    nodes: I64
    ports: I64
    held: I64
    took: U64


@dataclass
class _Span:
    """What came between two looks, and how the second one stood; buckets of durations are kept where not 0."""

    start: int
    end: int
    nodes: I64
    ports: I64
    held: I64
    in_flight: int
    occupancy: I64
    buckets: I64
    counts: U64

    @classmethod
    def between(cls, before: _Look, after: _Look) -> _Span:
        took = (after.took - before.took).ravel()
        buckets = np.flatnonzero(took)
        sent, completed, _ = after.nodes.sum(axis=0).tolist()
        out, back, up, returned = after.ports.T
        return cls(
            start=before.time,
            end=after.time,
            nodes=after.nodes - before.nodes,
            ports=after.ports - before.ports,
            held=after.held,
            in_flight=max(0, sent - completed),
            occupancy=np.maximum(out - back, 0) + np.maximum(up - returned, 0),
            buckets=buckets,
            counts=took[buckets],
        )

    @property
    def took(self) -> U64:
        whole = np.zeros(len(_TOOK) * BUCKETS, np.uint64)
        whole[self.buckets] = self.counts
        return whole.reshape(len(_TOOK), BUCKETS)

    def then(self, later: _Span) -> _Span:
        """Return this span and the next one as a single one."""
        took = (self.took + later.took).ravel()
        buckets = np.flatnonzero(took)
        return _Span(
            start=self.start,
            end=later.end,
            nodes=self.nodes + later.nodes,
            ports=self.ports + later.ports,
            held=later.held,
            in_flight=later.in_flight,
            occupancy=later.occupancy,
            buckets=buckets,
            counts=took[buckets],
        )


class Sampler:
    """Looks at a run once in each second of its clock, from `begin` to `end`.

    `due` is when the next look is worth while, ns; a look that comes late covers what it covers. When there are too
    many rows, each two become one, and looks come half as often from there on.
    """

    def __init__(self, specs: Sequence[NodeSpec], boards: Mapping[str, Board], arena: Arena) -> None:
        self.due: int | None = None
        self._names = [spec.name for spec in specs]
        self._ids = np.array([spec.node for spec in specs])
        self._boards = [boards[spec.name] for spec in specs]
        ends = [
            (f"{spec.name} -> {edge.peer_name}", board.ports[index])
            for spec, board in zip(specs, self._boards, strict=True)
            for index, edge in enumerate(spec.edges)
            if edge.side == "upper"
        ]
        self._edges = [name for name, _ in ends]
        self._ports = [port for _, port in ends]
        self._arena = arena
        self._limit = max(FEWEST_ROWS, min(ROWS, CELLS // (len(self._names) + len(self._edges))))
        self._step = SECOND_NS
        self._began = 0
        self._last: _Look | None = None
        self._spans: list[_Span] = []

    def begin(self, now: int) -> None:
        """Let the first second begin; what was done before, while sources were still being started, counts to it."""
        self._began = now
        look = self._take(now)
        self._last = replace(look, nodes=look.nodes * 0, ports=look.ports * 0, took=np.zeros_like(look.took))
        self.due = now + self._step

    def look(self, now: int) -> None:
        """Take a row if one is due."""
        if self.due is None or now < self.due:
            return
        self._add(now)
        if len(self._spans) >= self._limit:
            pairs = zip(self._spans[::2], self._spans[1::2], strict=False)
            odd = self._spans[-1:] if len(self._spans) % 2 else []
            self._spans = [first.then(second) for first, second in pairs] + odd
            self._step *= 2
        self.due = self._began + ((now - self._began) // self._step + 1) * self._step

    def end(self, now: int) -> None:
        """Take the last row, which ends now; what comes back later, as the run drains, is added to it."""
        if self.due is None:
            return
        self.due = None
        self._add(now)
        if len(self._spans) > 1 and self._spans[-1].end - self._spans[-1].start < self._step // 2:
            last = self._spans.pop()
            self._spans[-1] = self._spans[-1].then(last)

    def rows(self) -> list[SeriesRow]:
        """Return the series so far; after `end`, with what has come back since."""
        spans = list(self._spans)
        if self.due is None and spans and self._last is not None:
            last = spans[-1]
            drained = _Span.between(self._last, self._take(last.end))
            whole = last.then(drained)
            whole.held, whole.in_flight, whole.occupancy = last.held, last.in_flight, last.occupancy
            spans[-1] = whole
        return [self._row(span) for span in spans]

    def _add(self, now: int) -> None:
        assert self._last is not None
        look = self._take(now)
        self._spans.append(_Span.between(self._last, look))
        self._last = look

    def _take(self, now: int) -> _Look:
        took = np.zeros((len(_TOOK), BUCKETS), np.uint64)
        for board in self._boards:
            if board.counters[Counter.COMPLETED]:
                for row, which in enumerate(_TOOK):
                    took[row] += board.histograms[which].counts
        return _Look(
            time=now,
            nodes=np.array([[board.counters[counter] for counter in _NODE] for board in self._boards]),
            ports=np.array([[port[counter] for counter in _PORT] for port in self._ports]).reshape(-1, 4),
            held=self._held(),
            took=took,
        )

    def _held(self) -> I64:
        """Return how many packets of others each node has been given and has not handed on, by the ledger."""
        arena = self._arena
        words, handles = arena.ledger.copy(), arena.handle.copy()
        state = words >> np.uint64(STATE_SHIFT) & np.uint64(0xFF)
        owner = words >> np.uint64(OWNER_SHIFT)
        home = handles >> np.uint64(POOL_SHIFT) & np.uint64(MAX_POOLS - 1)
        given = (state >= LedgerState.SENT) & (state <= LedgerState.BACK) & (handles != 0)
        given &= (owner != home) & (arena.fate != QUARANTINED)
        counts = np.bincount(owner[given].astype(np.int64), minlength=int(self._ids.max()) + 1)
        held: I64 = counts[self._ids]
        return held

    def _row(self, span: _Span) -> SeriesRow:
        seconds = (span.end - span.start) / SECOND_NS
        took, planned = (summarise(row) for row in span.took)
        completed = int(span.nodes[:, 1].sum())

        def rate(count: int) -> float:
            return round(count / seconds, 1) if seconds > 0 else 0.0

        nodes = zip(self._names, span.nodes.tolist(), span.held.tolist(), strict=True)
        edges = zip(self._edges, span.ports.tolist(), span.occupancy.tolist(), strict=True)
        return SeriesRow(
            t_s=round((span.end - self._began) / SECOND_NS, 6),
            completed=completed,
            throughput_pps=rate(completed),
            p50_us=microseconds(took.p50),
            p99_us=microseconds(took.p99),
            max_us=microseconds(took.maximum),
            planned_p50_us=microseconds(planned.p50),
            planned_p99_us=microseconds(planned.p99),
            planned_max_us=microseconds(planned.maximum),
            in_flight=span.in_flight,
            nodes={
                name: NodeSecond(completed=done, received=got, held=held)
                for name, (_, done, got), held in nodes
            },
            edges={
                name: EdgeSecond(occupancy=under_way, down_pps=rate(down), up_pps=rate(up))
                for name, (down, _, up, _), under_way in edges
            },
        )
