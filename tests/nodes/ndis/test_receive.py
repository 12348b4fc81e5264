"""Receives, layer by layer: lent until returned, or with RESOURCES for the length of a call (contract 1.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nodes.crossings.crossing import ReceiveFlags
from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, Filter
from nodes.packets.chain import NblChain
from nodes.policy import Policy
from nodes.stock.loopback import Loopback
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench, Layer
from tests.layers import Floor, Ipv6Teller, Teller

RESOURCES = ReceiveFlags.RESOURCES
LIMIT = 1_000_000
IPV4, IPV6 = (bytes(12) + kind + bytes(46) for kind in (b"\x08\x00", b"\x86\xdd"))


class Lender(Floor):
    """Indicates with the flags it is told, and notes what its return handler gets and what it holds afterwards."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.returned: list[int] = []

    def lend(self, *frames: bytes, flags: int = RESOURCES) -> NblChain:
        """Indicate frames; return the chain."""
        chain = self.adapter.allocate_net_buffer_lists(len(frames), len(frames[0]))
        for nbl, frame in zip(chain, frames, strict=True):
            next(next(nbl.net_buffers).pieces)[:] = frame
        self.adapter.indicate_receive_net_buffer_lists(chain, flags)
        return chain

    def mine(self, chain: NblChain) -> bool:
        """Return whether this driver holds the whole chain."""
        return self._node.custody.holds(chain.handles, chain.slots)

    def return_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.returned += chain.handles.tolist()
        super().return_net_buffer_lists(adapter, chain, flags)


@dataclass(frozen=True)
class Manners:
    """What a reader does with packets that are lent to it."""

    does: str = "read"


class Reader(Teller):
    """Reads what it receives and treats packets with RESOURCES as its option says."""

    Options = Manners

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.flags: list[int] = []
        self.frames: list[bytes] = []
        self.lent: list[NblChain] = []

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.flags.append(flags)
        self.received += chain.handles.tolist()
        self.frames += [bytes(nbl.data) for nbl in chain]
        self.lent.append(chain)
        if self.options.does == "return" or not flags & RESOURCES:
            binding.return_net_buffer_lists(chain)
        elif self.options.does == "alter":
            chain.length = 20
        elif self.options.does == "free":
            self.free(chain)


@dataclass(frozen=True)
class Setting:
    """Which flag the filter sets and clears, and whether it waits for its packets then."""

    set: int = 0
    clear: int = 0
    waits: bool = False


class Setter(Filter):
    """Passes receives up with other flags; notes returns and what it holds when its call is over."""

    Options = Setting

    def attach(self, module: object) -> None:
        self.seen: list[int] = []
        self.held: list[bool] = []

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.seen.append(flags)
        up = (flags | self.options.set) & ~self.options.clear
        self.module.indicate_receive_net_buffer_lists(chain, up)
        if self.options.waits:
            self.wait(lambda: self._node.custody.holds(chain.handles, chain.slots), LIMIT)
        self.held.append(self._node.custody.holds(chain.handles, chain.slots))
        if up & RESOURCES and not flags & RESOURCES:
            self.module.return_net_buffer_lists(chain)


def stack(*between: Layer, does: str = "read", policy: Policy | None = None) -> tuple[Bench, Reader, Lender]:
    middle = {f"layer{number}": layer for number, layer in enumerate(between)}
    layers: dict[str, Layer] = {"top": (Reader, {"does": does}), **middle, "floor": Lender}
    bench = Bench(layers, [" -> ".join(layers)], policy=policy).start()
    return bench, bench.driver("top", Reader), bench.driver("floor", Lender)


@pytest.mark.rule("N6-RX-01")
def test_an_indication_with_a_foreign_source_handle_is_reported_and_put_right() -> None:
    bench, top, floor = stack()
    chain = floor.adapter.allocate_net_buffer_lists(2, 60)
    chain.source_handle = 77
    floor.adapter.indicate_receive_net_buffer_lists(chain)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-RX-01")]
    assert bench.nodes["top"].arena.source[chain.slots].tolist() == [floor.adapter.handle] * 2
    assert floor.returned == top.received


@pytest.mark.rule("N6-RX-02")
def test_a_packet_that_is_lent_cannot_be_indicated_again() -> None:
    bench, top, floor = stack()
    chain = floor.lend(IPV4, flags=0)
    floor.adapter.indicate_receive_net_buffer_lists(chain)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-RX-02")]
    assert len(top.received) == 1


@pytest.mark.rule("N6-RX-03", "N6-RX-05")
def test_with_resources_packets_are_the_miniports_again_as_the_call_returns() -> None:
    bench, top, floor = stack()
    chain = floor.lend(IPV4, IPV6)
    assert top.frames == [IPV4, IPV6]
    assert top.flags == [RESOURCES]
    assert floor.mine(chain)
    bench.settle()
    assert floor.returned == []
    assert bench.kinds() == []


@pytest.mark.rule("N6-RX-03")
@pytest.mark.parametrize("layer", [PassThrough, Setter, Mux])
def test_every_kind_of_layer_passes_the_call_on(layer: type) -> None:
    bench, top, floor = stack(layer, PassThrough, layer)
    chain = floor.lend(IPV4, IPV6)
    assert top.frames == [IPV4, IPV6]
    assert floor.mine(chain)
    assert set(bench.nodes["top"].arena.source[chain.slots].tolist()) == {floor.adapter.handle}
    bench.settle()
    assert (floor.returned, bench.kinds()) == ([], [])
    assert list(bench.held()) == ["floor"]


@pytest.mark.rule("N6-RX-04")
def test_a_packet_returned_twice_is_reported() -> None:
    bench, top, floor = stack()
    floor.lend(IPV4, flags=0)
    bench.settle()
    top.bindings[0].return_net_buffer_lists(top.lent[0])
    bench.settle()
    assert bench.kinds() == [("top", "N6-RX-04")]
    assert len(floor.returned) == 1


@pytest.mark.rule("N6-RX-04")
def test_a_packet_returned_to_another_binding_stays_with_the_driver() -> None:
    layers: dict[str, Layer] = {"top": Teller, "one": Lender, "two": Lender}
    bench = Bench(layers, ["top -> one", "top -> two"]).start()
    top = bench.driver("top", Teller)
    top.keep = True
    bench.driver("one", Lender).lend(IPV4, flags=0)
    bench.settle()
    chain = top.kept[0][1]
    top.bindings[1].return_net_buffer_lists(chain)
    bench.settle()
    assert bench.kinds() == [("top", "N6-RX-04")]
    top.bindings[0].return_net_buffer_lists(chain)
    bench.settle()
    assert bench.driver("one", Lender).returned == chain.handles.tolist()


@pytest.mark.rule("N6-RX-04", "N6-RX-10")
def test_returns_of_several_indications_may_be_merged_and_come_in_any_order() -> None:
    bench, top, floor = stack()
    lent = [handle for _ in range(3) for handle in floor.lend(IPV4, IPV4, flags=0).handles.tolist()]
    binding = top.bindings[0]
    top.receive_net_buffer_lists = lambda binding, chain, flags: top.lent.append(chain)  # type: ignore[method-assign]
    bench.settle()
    whole = NblChain.join(top.lent)
    binding.return_net_buffer_lists(whole[np.arange(len(whole))[::-1].copy()])
    bench.settle()
    assert floor.returned == lent[::-1]
    assert bench.kinds() == []


@pytest.mark.rule("N6-RX-05")
def test_returning_a_packet_lent_with_resources_is_a_violation() -> None:
    bench, _, floor = stack(does="return")
    chain = floor.lend(IPV4)
    bench.settle()
    assert bench.kinds() == [("top", "N6-RX-05")]
    assert floor.mine(chain)
    assert floor.returned == []


@pytest.mark.rule("N6-RX-05")
def test_freeing_or_altering_a_packet_lent_with_resources_is_a_violation() -> None:
    for does in ("free", "alter"):
        bench, _, floor = stack(does=does)
        chain = floor.lend(IPV4, IPV4)
        assert ("top", "N6-RX-05") in bench.kinds()
        assert floor.mine(chain)


@pytest.mark.rule("N6-RX-05")
def test_a_packet_kept_beyond_the_handler_cannot_be_read_any_more() -> None:
    bench, top, floor = stack()
    floor.lend(IPV4)
    assert top.lent[0].length is not None
    assert [node for node, _ in bench.kinds()] == ["top"]


@pytest.mark.rule("N6-RX-06")
def test_ndis_may_copy_and_clear_the_flag() -> None:
    bench, top, floor = stack(PassThrough, policy=Policy(resources="copy"))
    chain = floor.lend(IPV4, IPV6)
    assert floor.mine(chain)
    assert top.received == []
    bench.settle()
    assert top.frames == [IPV4, IPV6]
    assert top.flags == [0]
    assert set(top.received).isdisjoint(chain.handles.tolist())
    floor.free(chain)
    bench.settle()
    assert (bench.in_use(), floor.returned, bench.kinds()) == ({}, [], [])


@pytest.mark.rule("N6-RX-06", "N6-RX-07")
def test_a_filter_may_set_the_flag_and_still_owes_the_return_below() -> None:
    bench, top, floor = stack((Setter, {"set": int(RESOURCES)}))
    chain = floor.lend(IPV4, flags=0)
    bench.settle()
    assert bench.driver("layer0", Setter).seen == [0]
    assert top.flags == [RESOURCES]
    assert bench.driver("layer0", Setter).held == [True]
    assert floor.returned == chain.handles.tolist()
    assert bench.kinds() == []


@pytest.mark.rule("N6-RX-07")
def test_a_filter_may_clear_the_flag_if_it_has_its_packets_back_before_it_returns() -> None:
    bench, top, floor = stack((Setter, {"clear": int(RESOURCES), "waits": True}))
    chain = floor.lend(IPV4)
    assert top.flags == [0]
    assert bench.driver("layer0", Setter).held == [True]
    assert floor.mine(chain)
    assert bench.kinds() == []


@pytest.mark.rule("N6-RX-07")
def test_a_filter_that_returns_while_its_packets_are_above_is_reported_and_waited_for() -> None:
    bench, top, floor = stack((Setter, {"clear": int(RESOURCES)}))
    chain = floor.lend(IPV4)
    assert bench.kinds() == [("layer0", "N6-RX-07")]
    assert len(top.received) == 1
    assert floor.mine(chain)


@pytest.mark.rule("N6-RX-08")
def test_a_chain_knows_its_own_number_so_that_no_other_can_be_given() -> None:
    """NumberOfNetBufferLists is the chain's length: there is no second count to get wrong."""
    bench, top, floor = stack()
    floor.lend(IPV4, IPV4, IPV6, flags=0)
    bench.settle()
    assert [len(chain) for chain in top.lent] == [3]
    assert bench.counter("top", Counter.RECEIVED) == 3


@pytest.mark.rule("N6-RX-09")
def test_a_false_claim_about_a_chain_is_reported() -> None:
    bench, _, floor = stack(PassThrough)
    floor.lend(IPV4, IPV4, flags=ReceiveFlags.SINGLE_ETHER_TYPE | ReceiveFlags.SINGLE_VLAN)
    assert bench.kinds() == []
    floor.lend(IPV4, IPV6, flags=ReceiveFlags.SINGLE_ETHER_TYPE)
    assert bench.kinds() == [("floor", "N6-RX-09")]
    tagged = [bytes(12) + b"\x81\x00\x00" + bytes([vlan]) + bytes(44) for vlan in (1, 2)]
    floor.lend(*tagged, flags=ReceiveFlags.SINGLE_VLAN)
    assert bench.kinds() == [("floor", "N6-RX-09")] * 2


@pytest.mark.rule("N6-RX-09")
def test_what_is_claimed_of_two_calls_is_never_claimed_of_both_together() -> None:
    claim = ReceiveFlags.SINGLE_ETHER_TYPE
    bench, top, floor = stack(Setter)
    floor.lend(IPV4, IPV4, flags=claim)
    floor.lend(IPV6, IPV6, flags=claim)
    bench.settle()
    assert bench.driver("layer0", Setter).seen == [claim, claim]
    assert (top.flags, top.frames) == ([claim, claim], [IPV4, IPV4, IPV6, IPV6])
    assert bench.kinds() == []


@pytest.mark.rule("N6-RX-10")
def test_each_binding_gets_the_frames_of_its_types_with_or_without_resources() -> None:
    layers: dict[str, Layer] = {"six": Ipv6Teller, "rest": Reader, "floor": Lender}
    bench = Bench(layers, ["six -> floor", "rest -> floor"]).start()
    floor = bench.driver("floor", Lender)
    chain = floor.lend(IPV4, IPV6, IPV4, flags=0)
    bench.settle()
    assert bench.driver("six", Ipv6Teller).received == [int(chain.handles[1])]
    assert bench.driver("rest", Reader).frames == [IPV4, IPV4]
    assert sorted(floor.returned) == sorted(chain.handles.tolist())


@pytest.mark.rule("N6-RX-12")
def test_indicating_while_paused_is_reported_and_the_packets_come_back() -> None:
    bench, top, floor = stack()
    bench.pause("floor")
    floor.lend(IPV4, flags=0)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-RX-12")]
    assert (len(floor.returned), top.received) == (1, [])


@pytest.mark.rule("N6-RX-13")
def test_a_paused_protocol_returns_what_still_arrives_at_once() -> None:
    bench, top, floor = stack()
    bench.pause("top")
    lent = floor.lend(IPV4, flags=0)
    bench.settle()
    kept = floor.lend(IPV4)
    assert floor.returned == lent.handles.tolist()
    assert floor.mine(kept)
    assert (top.received, bench.kinds()) == ([], [])


@pytest.mark.rule("N6-RX-14", "N6-SEND-05")
def test_a_receive_handler_can_be_entered_inside_the_send_call() -> None:
    layers: dict[str, Layer] = {"top": Teller, "bottom": Loopback}
    bench = Bench(layers, ["top -> bottom"], policy=Policy(early_completion="yes")).start()
    top = bench.driver("top", Teller)
    top.send(2)
    assert len(top.received) == 2
    assert len(top.back) == 2
