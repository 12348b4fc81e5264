from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nodes.crossings.crossing import (
    CALL_MASK,
    END,
    FLAGS_SHIFT,
    NOTICE,
    OP_MASK,
    REPLY,
    STATUS_SHIFT,
    Event,
    Op,
    call_bounds,
    call_meta,
    event_meta,
)

CALLS = st.lists(st.integers(1, 6), max_size=8)


def test_every_request_has_a_reply_and_a_notice_has_none() -> None:
    requests = {op for op in Op if not op & (REPLY | NOTICE)}
    assert {Op(op | REPLY) for op in requests} == {op for op in Op if op & REPLY}
    assert not [op for op in Op if op & REPLY and op & NOTICE]


@given(st.sampled_from(Op), st.integers(0, (1 << 23) - 1), st.integers(0, (1 << 32) - 1), st.booleans())
def test_the_parts_of_a_meta_word_stay_apart(op: Op, flags: int, status: int, end: bool) -> None:
    word = np.uint64(call_meta(op, flags) | (END if end else 0) | status << STATUS_SHIFT)
    assert int(word & OP_MASK) == op
    assert int(word & CALL_MASK) >> FLAGS_SHIFT == flags
    assert int(word >> np.uint64(STATUS_SHIFT)) == status
    assert bool(int(word) & END) == end


@given(st.sampled_from(Event), st.sampled_from(Op), st.integers(0, 4095), st.integers(0, (1 << 32) - 1))
def test_the_parts_of_a_recorded_event_stay_apart(event: Event, op: Op, edge: int, status: int) -> None:
    word = event_meta(event, op, edge, status)
    assert (word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFFFF, word >> 32) == (event, op, edge, status)
    assert word < 1 << 64


@given(CALLS, st.booleans())
def test_calls_come_out_as_they_were_made(calls: list[int], cut: bool) -> None:
    meta = np.zeros(sum(calls), np.uint64)
    stops = np.cumsum(calls, dtype=np.int64)
    meta[stops[: -1 if cut and calls else None] - 1] |= np.uint64(END)
    if calls:
        assert call_bounds(meta) == list(zip([0, *stops[:-1].tolist()], stops.tolist(), strict=True))
