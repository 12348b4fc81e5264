from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shm.arena import AWAITED, CELL_LENGTH, QUARANTINED, SALVAGED, Arena, Pool
from shm.errors import HandleStale
from shm.handle import GENERATION_SHIFT, pack, unpack
from shm.ring import U64

SLOTS = 24
FIRST, SECOND = 10, 14


def arena_of(slots: int) -> Arena:
    """Map an arena with `slots` usable slots, which begin at 1."""
    return Arena.map(memoryview(bytearray(Arena.layout(slots + 1).size)), slots + 1)


def one(handle: int) -> U64:
    return np.array([handle], np.uint64)


@pytest.fixture
def arena() -> Arena:
    return arena_of(SLOTS)


@pytest.fixture
def pool(arena: Arena) -> Pool:
    return Pool(arena, 1, 1, SLOTS)


def chain_of(arena: Arena, slot: int) -> list[tuple[int, list[int]]]:
    """Read one packet by its links: for each NB its data length and the lengths of its MDLs."""
    found = []
    buffer = slot + 1
    while buffer:
        pieces = []
        piece = buffer
        while piece:
            pieces.append(int(arena.mdl_length[piece - 1]))
            piece = int(arena.mdl_next[piece - 1])
        found.append((int(arena.nb_length[buffer - 1]), pieces))
        buffer = int(arena.nb_next[buffer - 1])
    return found


class PoolModel(RuleBasedStateMachine):
    """Two pools of one arena against dictionaries of what is allocated."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = arena_of(SLOTS)
        self.pools = [Pool(self.arena, 1, 1, FIRST), Pool(self.arena, 2, 1 + FIRST, SECOND)]
        self.alive: dict[int, list[tuple[int, list[int]]]] = {}
        self.dead: list[int] = []

    def slots_used(self, pool: int) -> int:
        return sum(
            sum(len(pieces) for _, pieces in shape)
            for handle, shape in self.alive.items()
            if unpack(handle).pool == pool + 1
        )

    @rule(
        pool=st.integers(0, 1),
        count=st.integers(0, 8),
        lengths=st.booleans(),
        backfill=st.sampled_from([0, 9]),
    )
    def allocate(self, pool: int, count: int, lengths: bool, backfill: int) -> None:
        free = (FIRST, SECOND)[pool] - self.slots_used(pool)
        each = np.arange(60, 60 + count, dtype=np.uint32)
        handles = self.pools[pool].allocate(count, each if lengths else 60, backfill=backfill).tolist()
        assert len(handles) == min(count, free)
        assert not set(handles) & (self.alive.keys() | set(self.dead))
        for index, handle in enumerate(handles):
            length = 60 + index if lengths else 60
            self.alive[handle] = [(length, [length + backfill])]

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), pieces=st.lists(st.integers(1, CELL_LENGTH), max_size=4), as_buffers=st.booleans())
    def extend(self, data: st.DataObject, pieces: list[int], as_buffers: bool) -> None:
        handle = data.draw(st.sampled_from(sorted(self.alive)))
        number = unpack(handle).pool - 1
        if len(pieces) > (FIRST, SECOND)[number] - self.slots_used(number):
            with pytest.raises(ValueError, match="cannot add"):
                self.pools[number].extend(handle, pieces, as_net_buffers=as_buffers)
            return
        self.pools[number].extend(handle, pieces, as_net_buffers=as_buffers)
        shape = self.alive[handle]
        if as_buffers:
            shape += [(piece, [piece]) for piece in pieces]
        else:
            shape[-1] = (shape[-1][0] + sum(pieces), shape[-1][1] + pieces)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), pool=st.integers(0, 1))
    def free(self, data: st.DataObject, pool: int) -> None:
        own = [handle for handle in sorted(self.alive) if unpack(handle).pool == pool + 1]
        chosen = data.draw(st.lists(st.sampled_from(own), unique=True)) if own else []
        self.pools[pool].free(np.array(chosen, np.uint64))
        for handle in chosen:
            del self.alive[handle]
        self.dead += chosen

    @precondition(lambda self: self.dead)
    @rule(data=st.data())
    def use_a_dead_handle(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(self.dead))
        pool = self.pools[unpack(handle).pool - 1]
        for attempt in (
            lambda: self.arena.current(one(handle)),
            lambda: pool.free(one(handle)),
            lambda: pool.extend(handle, [], as_net_buffers=True),
        ):
            with pytest.raises(HandleStale, match="is stale"):
                attempt()

    @invariant()
    def every_packet_has_its_shape_and_every_slot_one_place(self) -> None:
        alive = np.array(sorted(self.alive), np.uint64)
        slots = self.arena.current(alive).tolist()
        assert [chain_of(self.arena, slot) for slot in slots] == [self.alive[int(h)] for h in alive]
        for number, size in enumerate((FIRST, SECOND)):
            assert self.pools[number].free_count == size - self.slots_used(number)


class TestPoolModel(PoolModel.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_fresh_packet_is_one_buffer_in_its_own_cell_with_everything_cleared(
    arena: Arena, pool: Pool
) -> None:
    dirty = pool.allocate(SLOTS, 5)
    for table in (arena.status, arena.flags, arena.cancel, arena.parent, arena.children, arena.source):
        table[...] = 77
    pool.free(dirty)
    slots = arena.current(pool.allocate(SLOTS, 100, backfill=40))
    for table in (arena.status, arena.flags, arena.cancel, arena.parent, arena.children, arena.source):
        assert not table[slots].any()
    assert (arena.nb_data[slots] == slots * CELL_LENGTH + 40).all()
    assert (arena.nb_offset[slots] == 40).all()
    assert (arena.nb_length[slots] == 100).all()
    assert (arena.mdl_length[slots] == 140).all()


def test_every_packet_ever_allocated_has_an_id_of_its_own(arena: Arena) -> None:
    pools = [Pool(arena, 1, 1, 12), Pool(arena, 2, 13, 12)]
    seen: list[int] = []
    for _ in range(5):
        for pool in pools:
            handles = pool.allocate(12, 60)
            seen += arena.packet_id[arena.current(handles)].tolist()
            pool.free(handles)
    assert len(set(seen)) == len(seen) == 120


def test_what_was_freed_last_is_used_first(pool: Pool) -> None:
    handles = pool.allocate(5, 60)
    pool.free(handles[2:4])
    again = pool.allocate(2, 60).tolist()
    assert {unpack(handle).slot for handle in again} == {unpack(int(handle)).slot for handle in handles[2:4]}


def test_generations_wrap_without_ever_making_an_empty_handle(arena: Arena, pool: Pool) -> None:
    last = (1 << 24) - 1
    pool._next[...] = [pack(last, 1, slot) for slot in range(1, SLOTS + 1)]
    pool.free(pool.allocate(SLOTS, 60))
    handles = pool.allocate(SLOTS, 60)
    assert not (handles >> np.uint64(GENERATION_SHIFT)).any()
    assert handles.all()
    arena.current(handles)


@pytest.mark.parametrize("handle", [0, pack(1, 1, 0), pack(1, 1, 1), pack(1, 1, SLOTS + 1), (1 << 64) - 1])
def test_a_handle_that_names_no_packet_is_stale(arena: Arena, pool: Pool, handle: int) -> None:
    with pytest.raises(HandleStale, match=r"is stale|a handle names slot"):
        arena.current(one(handle))


def test_slot_0_is_no_packets(arena: Arena) -> None:
    with pytest.raises(ValueError, match="cannot begin at slot 0"):
        Pool(arena, 1, 0, SLOTS)


def test_one_stale_handle_among_many_is_named_and_frees_nothing(pool: Pool) -> None:
    handles = pool.allocate(4, 60)
    pool.free(handles[2:3])
    with pytest.raises(HandleStale, match=f"{int(handles[2]):#018x} is stale"):
        pool.free(handles)
    assert pool.free_count == SLOTS - 3


@pytest.mark.parametrize(
    ("length", "backfill"), [(CELL_LENGTH + 1, 0), (CELL_LENGTH, 1), (0, CELL_LENGTH + 1)]
)
def test_data_that_does_not_fit_a_cell_is_refused(pool: Pool, length: int, backfill: int) -> None:
    with pytest.raises(ValueError, match="do not fit a cell of 2048"):
        pool.allocate(1, length, backfill=backfill)
    assert pool.free_count == SLOTS


@pytest.mark.parametrize(("count", "lengths"), [(-1, 1), (3, 2), (3, 4)])
def test_counts_and_lengths_that_disagree_are_refused(pool: Pool, count: int, lengths: int) -> None:
    with pytest.raises(ValueError, match="lengths given"):
        pool.allocate(count, np.full(lengths, 60, np.uint32))
    assert pool.free_count == SLOTS


def test_lengths_of_packets_that_found_no_slot_are_left_out(arena: Arena, pool: Pool) -> None:
    lengths = np.arange(1, SLOTS + 5, dtype=np.uint32)
    slots = arena.current(pool.allocate(len(lengths), lengths))
    assert arena.nb_length[slots].tolist() == lengths[:SLOTS].tolist()


def test_bytes_are_read_and_stored_by_position_over_cell_bounds(arena: Arena) -> None:
    arena.cells[2, :4] = [1, 2, 3, 4]
    window = arena.bytes_of(6)
    assert bytes(window[2 * CELL_LENGTH - 2]) == b"\0\0\1\2\3\4"
    window[[0, arena.slots * CELL_LENGTH - 6]] = np.void(b"abcdef")
    assert bytes(arena.cells[0, :6]) == bytes(arena.cells[-1, -6:]) == b"abcdef"


def test_many_lengths_do_not_pile_up_views(arena: Arena) -> None:
    for length in range(1, CELL_LENGTH + 1):
        assert arena.bytes_of(length).dtype.itemsize == length
    assert len(arena._views) <= 1024


def test_a_packet_freed_in_quarantine_is_lost_to_its_pool_with_its_pieces(arena: Arena, pool: Pool) -> None:
    handles = pool.allocate(3, 60)
    pool.extend(int(handles[0]), [60, 60], as_net_buffers=True)
    arena.fate[arena.current(handles)] = [QUARANTINED, AWAITED, SALVAGED]
    arena.fate[0] = SALVAGED
    pool.free(handles)
    assert (pool.free_count, pool.quarantined, len(pool.taken())) == (SLOTS - 3, 3, 0)
    assert arena.current(handles[:1]).tolist() == [pool.base]
    assert np.flatnonzero(arena.fate[1:]).tolist() == [pool.base - 1]
    assert len(pool.allocate(SLOTS, 60)) == SLOTS - 3
