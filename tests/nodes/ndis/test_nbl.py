"""NBLs, NBs and MDLs: how packets are made, derived, altered and freed (contract 1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.packets.chain import NblChain
from nodes.packets.duties import shape_of
from nodes.packets.nbl_flags import CloneFlags, NblFlags
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from shm.arena import CELL_LENGTH
from tests.layers import Teller
from tests.nodes.ndis.packet_layers import Copier, Doer, datas_of, filled, put, stack

SHAPES = [([40, 30], [10]), ([64],), ([2048, 5], [7], [1, 2, 3])]


class Header(Doer):
    """Puts 24 bytes before the data."""

    backfill = 24


@pytest.mark.rule("N6-NBL-01", "N6-SEND-08")
@pytest.mark.parametrize("middle", [PassThrough, Mux, Doer])
@pytest.mark.parametrize("shape", SHAPES)
def test_packets_of_several_buffers_and_descriptors_reach_the_bottom_as_sent(
    middle: Any, shape: tuple[list[int], ...]
) -> None:
    bench, top, floor = stack(middle, hold=True)
    chain, datas = filled(top.bindings[0], *shape)
    before = shape_of(bench.nodes["top"].arena, int(chain.slots[0]))
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert datas_of(floor.waiting[0][0]) == datas
    floor.complete()
    bench.stop()
    assert shape_of(bench.nodes["top"].arena, int(chain.slots[0])) == before
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-NBL-01")
def test_a_buffer_of_another_packet_cannot_be_linked_in() -> None:
    bench, top, _ = stack()
    one, datas = filled(top.bindings[0], [5], [6])
    other, _ = filled(top.bindings[0], [5])
    one[0].relink([*one[0].net_buffers, *other[0].net_buffers])
    assert bench.kinds() == [("top", "N6-NBL-01")]
    assert datas_of(one[0]) == datas


@pytest.mark.rule("N6-NBL-02")
def test_scratch_is_null_at_first_and_lost_on_hand_over() -> None:
    bench, top, _ = stack()
    chain, _ = filled(top.bindings[0], [5])
    assert chain[0].scratch == 0
    chain[0].scratch = 7
    assert chain[0].scratch == 7
    seen: list[int] = []
    top.send_net_buffer_lists_complete = lambda binding, chain, flags: seen.append(chain[0].scratch)  # type: ignore[method-assign]
    bench.nodes["top"].driver = top
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert seen == [0]


@pytest.mark.rule("N6-NBL-03", "N6-NBL-04", "N6-IM-02")
def test_each_intermediate_keeps_what_it_saves_to_itself() -> None:
    bench, top, floor = stack(Mux, Mux, Mux, hold=True)
    chain, _ = filled(top.bindings[0], [5])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    lowest = bench.nodes["m2"].spec.node
    assert int(floor.waiting[0].source_handle[0]) >> 16 == lowest
    floor.complete()
    bench.settle()
    assert top.sources == [top.bindings[0].handle]
    assert bench.kinds() == []


@pytest.mark.rule("N6-NBL-04")
def test_a_filter_may_not_write_anothers_source_handle() -> None:
    bench, top, _ = stack(Doer)
    bench.driver("m0", Doer).down = lambda chain: setattr(chain, "source_handle", 5)
    top.send(2)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-NBL-04")]
    assert top.sources == [top.bindings[0].handle] * 2


@pytest.mark.rule("N6-NBL-05", "N6-NBL-07")
@pytest.mark.parametrize("flags", [CloneFlags.NONE, CloneFlags.USE_ORIGINAL_MDLS])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_clone_shares_the_data_and_starts_where_the_used_data_does(
    flags: CloneFlags, shape: tuple[list[int], ...]
) -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    chain, datas = filled(binding, *shape)
    chain.advance(1)
    clone = binding.allocate_clone_net_buffer_list(chain[0], flags)
    assert datas_of(clone[0]) == [data[1:] for data in datas]
    first = next(clone[0].net_buffers)
    assert first.data_offset == (1 if flags else 0)
    assert clone[0].context is None
    next(first.pieces)[0] = 0xEE
    assert datas_of(chain[0])[0][0] == 0xEE
    assert (clone[0].parent_net_buffer_list, chain[0].child_ref_count) == (0, 0)
    top.free(clone)
    top.free(chain)
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-NBL-05")
@given(
    sizes=st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=3), min_size=1, max_size=3),
    maximum=st.integers(20, 400),
    start=st.integers(0, 10),
    header=st.sampled_from([0, 8]),
)
@settings(max_examples=40, deadline=None)
def test_fragments_put_together_again_are_the_original(
    sizes: list[list[int]], maximum: int, start: int, header: int
) -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    chain, datas = filled(binding, *sizes)
    fragments = binding.allocate_fragment_net_buffer_list(chain[0], maximum, start=start, header=header)
    wanted = [data[at : at + maximum] for data in datas for at in range(start, len(data), maximum)]
    whole: Any = []
    if wanted:
        assert [data[header:] for data in datas_of(fragments[0])] == wanted
        whole = binding.allocate_reassembled_net_buffer_list(fragments, start=header)
        assert datas_of(whole[0]) == [b"".join(wanted)]
        top.free(whole)
    if len(fragments):
        top.free(fragments)
    top.free(chain)
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-NBL-05")
def test_a_parent_may_not_be_freed_before_its_children_nor_sent_while_they_live() -> None:
    bench, top, _ = stack(hold=True)
    binding = top.bindings[0]
    for act in (top.free, binding.send_net_buffer_lists):
        chain, _ = filled(binding, [50])
        binding.allocate_clone_net_buffer_list(chain[0])
        act(chain)
    assert bench.kinds() == [("top", "N6-NBL-05")] * 2


@pytest.mark.rule("N6-NBL-06")
def test_the_parent_pointer_of_anothers_packet_may_not_be_written() -> None:
    bench, top, _ = stack(Doer)

    def overwrite(chain: NblChain) -> None:
        chain[0].parent_net_buffer_list = 9

    bench.driver("m0", Doer).down = overwrite
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-NBL-06")]


@pytest.mark.rule("N6-NBL-07", "N6-IM-04", "N6-NBL-05")
def test_an_original_given_back_while_its_clone_is_out_is_reported() -> None:
    bench, top, floor = stack(Copier, hold=True)
    bench.driver("m0", Copier).early = True
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-IM-04")]
    floor.complete()
    bench.settle()
    assert len(top.back) == 1


@pytest.mark.rule("N6-NBL-08")
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_advance_undoes_retreat_whatever_the_backfill(data: st.DataObject) -> None:
    bench, top, _ = stack()
    sizes = data.draw(st.lists(st.lists(st.integers(1, 200), min_size=1, max_size=3), min_size=1, max_size=2))
    chain, datas = filled(top.bindings[0], *sizes, backfill=data.draw(st.integers(0, 40)))
    arena = bench.nodes["top"].arena
    before, used = shape_of(arena, int(chain.slots[0])), bench.in_use()
    deltas = data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=3))
    for delta in deltas:
        assert chain.retreat(delta, data.draw(st.integers(0, 20)))
        for buffer in chain[0].net_buffers:
            put(buffer, bytes(delta) + b"".join(buffer.pieces)[delta:])
    grown = [bytes(sum(deltas)) + text for text in datas]
    assert datas_of(chain[0]) == grown
    assert chain.length[0] == len(grown[0])
    assert bytes(chain.header(min(map(len, grown)))[0]) == grown[0][: min(map(len, grown))]
    for delta in reversed(deltas):
        chain.advance(delta, free_mdl=True)
    assert (shape_of(arena, int(chain.slots[0])), bench.in_use()) == (before, used)
    assert datas_of(chain[0]) == datas


@pytest.mark.rule("N6-NBL-08")
def test_a_header_put_in_front_by_a_filter_reaches_the_bottom_and_is_taken_away_again() -> None:
    bench, top, floor = stack(Doer, hold=True)
    doer = bench.driver("m0", Doer)

    def head(chain: NblChain) -> None:
        assert chain.retreat(4)
        next(next(chain[0].net_buffers).pieces)[:4] = b"HEAD"

    doer.down = head
    doer.up = lambda chain: chain.advance(4, free_mdl=True)
    chain, datas = filled(top.bindings[0], [60])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert datas_of(floor.waiting[0][0]) == [b"HEAD" + datas[0]]
    floor.complete()
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-NBL-08", "N6-FLT-05")
def test_a_retreat_that_is_not_undone_is_reported_and_undone_for_the_others() -> None:
    bench, top, _ = stack(Doer)
    bench.driver("m0", Doer).down = lambda chain: chain.retreat(4)
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-NBL-08")]
    bench.stop()
    assert (bench.kinds()[1:], bench.in_use()) == ([], {})


@pytest.mark.rule("N6-NBL-08")
def test_memory_that_another_added_is_not_freed_by_an_advance() -> None:
    bench, top, _ = stack(Doer, Doer)
    bench.driver("m0", Doer).down = lambda chain: chain.retreat(4)
    bench.driver("m1", Doer).down = lambda chain: chain.advance(4, free_mdl=True)
    bench.driver("m1", Doer).up = lambda chain: chain.retreat(4)
    bench.driver("m0", Doer).up = lambda chain: chain.advance(4, free_mdl=True)
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m1", "N6-NBL-08")]


@pytest.mark.rule("N6-NBL-08", "N6-NBL-16")
def test_a_retreat_without_memory_changes_nothing() -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    chain, datas = filled(binding, [5], [6])
    rest = binding.allocate_net_buffer_lists(top.default_pool_size, 5)
    top.free(rest[:1])
    assert not chain.retreat(3)
    assert datas_of(chain[0]) == datas
    with pytest.raises(ValueError, match="cannot retreat"):
        chain.retreat(CELL_LENGTH + 1)
    with pytest.raises(ValueError, match="cannot advance"):
        chain.advance(7)
    assert bench.kinds() == []


@pytest.mark.rule("N6-NBL-09")
def test_an_advance_on_the_receive_path_may_not_free_memory() -> None:
    bench, top, floor = stack()
    top.keep = True
    floor.indicate(bytes(60))
    bench.settle()
    _, chain = top.kept[0]
    chain.advance(2, free_mdl=False)
    assert bench.kinds() == []
    chain.advance(2, free_mdl=True)
    assert bench.kinds() == [("top", "N6-NBL-09")]
    assert chain.length[0] == 56
    assert chain.retreat(4)
    top.return_kept()
    bench.settle()
    assert bench.kinds() == [("top", "N6-NBL-09")]


@pytest.mark.rule("N6-NBL-08")
def test_a_received_packet_goes_back_with_its_data_where_it_was() -> None:
    bench, top, floor = stack()
    top.keep = True
    floor.indicate(bytes(60))
    bench.settle()
    top.kept[0][1].advance(14)
    top.return_kept()
    assert bench.kinds() == [("top", "N6-NBL-08")]


@pytest.mark.rule("N6-NBL-10")
def test_extra_context_is_released_before_its_packet_and_reserved_context_never_singly() -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    chain = binding.allocate_net_buffer_list([60])
    binding.allocate_net_buffer_list_context(chain[0], 32)
    context = chain[0].context
    assert context is not None
    context[:4] = b"mine"
    assert bytes(context) == b"mine" + bytes(28)
    binding.free_net_buffer_list_context(chain[0])
    left = chain[0].context
    assert left is None
    assert bench.kinds() == []
    binding.allocate_net_buffer_list_context(chain[0], 32)
    top.free(chain)
    reserved = binding.allocate_net_buffer_list([60], context=16)
    binding.free_net_buffer_list_context(reserved[0])
    top.free(reserved)
    assert bench.kinds() == [("top", "N6-NBL-10")] * 2
    with pytest.raises(ValueError, match="multiple of 16"):
        binding.allocate_net_buffer_list([60], context=5)


@pytest.mark.rule("N6-NBL-11")
def test_what_came_with_a_packet_dies_with_it_and_what_was_added_is_freed_first() -> None:
    bench, top, _ = stack()
    binding = top.bindings[0]
    chain, _ = filled(binding, [60], [10])
    added = binding.allocate_net_buffer(chain[0], 20)
    assert added is not None
    assert [buffer.data_length for buffer in chain[0].net_buffers] == [60, 10, 20]
    binding.free_net_buffer(added)
    assert [buffer.data_length for buffer in chain[0].net_buffers] == [60, 10]
    assert bench.kinds() == []
    binding.free_net_buffer(list(chain[0].net_buffers)[1])
    binding.allocate_net_buffer(chain[0], 20)
    top.free(chain)
    assert bench.kinds() == [("top", "N6-NBL-11")] * 2
    assert bench.in_use() == {}


@pytest.mark.rule("N6-NBL-11")
def test_a_packet_is_freed_once_and_into_its_own_pool() -> None:
    bench, top, _ = stack(Doer)
    chain, _ = filled(top.bindings[0], [60], [10])
    top.free(chain)
    top.free(chain)
    assert bench.kinds() == [("top", "N6-NBL-11")]
    bench.driver("m0", Doer).down = lambda chain: bench.nodes["m0"].free(chain)
    top.send(1)
    bench.settle()
    assert ("m0", "N6-NBL-11") in bench.kinds()


@pytest.mark.rule("N6-NBL-12", "N6-SEND-22")
def test_a_halt_says_how_much_of_the_pool_was_never_freed() -> None:
    bench, top, _ = stack()
    filled(top.bindings[0], [60, 5], [10])
    bench.stop()
    assert bench.kinds() == [("top", "N6-NBL-12")]
    assert "3 slots" in bench.events[0][1]["message"]


@pytest.mark.rule("N6-NBL-13")
def test_a_data_buffer_is_in_one_piece_or_copied_or_none() -> None:
    _, top, _ = stack()
    chain, datas = filled(top.bindings[0], [10, 20])
    buffer = next(chain[0].net_buffers)
    inside = buffer.get_data_buffer(10)
    assert inside is not None
    assert bytes(inside) == datas[0][:10]
    inside[0] = 0xAB
    assert datas_of(chain[0])[0][0] == 0xAB
    assert buffer.get_data_buffer(11) is None
    assert buffer.get_data_buffer(31, bytearray(64)) is None
    assert buffer.get_data_buffer(15, bytearray(14)) is None
    copied = buffer.get_data_buffer(15, bytearray(64))
    assert copied is not None
    assert bytes(copied) == b"\xab" + datas[0][1:15]


@pytest.mark.rule("N6-NBL-13")
def test_headers_are_read_whole_also_where_they_lie_in_several_pieces() -> None:
    _, top, _ = stack()
    pieces, datas = filled(top.bindings[0], [6, 8, 50])
    plain, more = filled(top.bindings[0], [60])
    both = NblChain.join([pieces, plain])
    assert [bytes(row) for row in both.header(14)] == [datas[0][:14], more[0][:14]]


@pytest.mark.rule("N6-NBL-14")
def test_out_of_band_data_belongs_to_the_packet_and_changes_hands_with_it() -> None:
    bench, top, floor = stack(hold=True)
    chain, _ = filled(top.bindings[0], [10], [20], [30])
    chain.flags = NblFlags.IS_IPV4 | NblFlags.IS_UDP
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert floor.waiting[0].flags.tolist() == [NblFlags.IS_IPV4 | NblFlags.IS_UDP]
    assert bench.kinds() == []
    chain.flags = NblFlags.IS_IPV4
    assert bench.kinds() == [("top", "N6-SEND-03")]


@pytest.mark.rule("N6-NBL-15")
@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        (NblFlags.IS_IPV4, True),
        (NblFlags.IS_IPV6 | NblFlags.IS_TCP, True),
        (NblFlags.IS_IPV4 | NblFlags.IS_IPV6, False),
        (NblFlags.IS_IPV4 | NblFlags.IS_TCP | NblFlags.IS_UDP, False),
        (NblFlags.IS_UDP, False),
    ],
)
def test_type_flags_exclude_each_other(flags: NblFlags, allowed: bool) -> None:
    bench, top, _ = stack()
    chain, _ = filled(top.bindings[0], [10])
    chain.flags = flags
    assert bench.kinds() == ([] if allowed else [("top", "N6-NBL-15")])


@pytest.mark.rule("N6-NBL-16")
def test_planned_backfill_spares_retreats_their_allocation() -> None:
    bench, top, _ = stack(Header, PassThrough, Header)
    assert top.bindings[0].backfill == 48
    doers = [bench.driver(name, Header) for name in ("m0", "m2")]
    for doer in doers:
        doer.down = lambda chain: chain.retreat(24)
        doer.up = lambda chain: chain.advance(24, free_mdl=True)
    chain = top.bindings[0].allocate_net_buffer_lists(5, 60, backfill=top.bindings[0].backfill)
    top.bindings[0].send_net_buffer_lists(chain)
    bench.nodes["m0"].pool._free_count = 0
    bench.settle()
    assert len(top.back) == 5
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-01")
def test_a_packet_that_no_pool_gave_cannot_be_sent() -> None:
    bench, top, floor = stack()
    custody = bench.nodes["top"].custody
    home_made = NblChain(np.array([1 << 40 | 5], np.uint64), np.array([5]), custody)
    top.bindings[0].send_net_buffer_lists(home_made)
    bench.settle()
    assert floor.handles == []
    assert {rule for _, rule in bench.kinds()} == {"N6-SEND-03"}
    assert isinstance(top, Teller)
