"""What is forced on a node, seen from its driver: in stacks that are polled by hand."""

from __future__ import annotations

import pytest

from nodes.metrics import Counter
from nodes.ndis import Adapter, Filter, FilterModule
from nodes.ndis.oid import OID_BUFFER_LIMIT, OidRequest
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.verifier.force import Force
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.nodes.ndis.oid_drivers import Asker, stack
from tests.nodes.ndis5.layers5 import Serial, pair
from tests.nodes.ndis5.test_receives import DATA, FRAME

MILLISECOND = 1_000_000


class Judge(Floor):
    """Completes every second packet of a call with FAILURE."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = [Status.SUCCESS, Status.FAILURE] * (len(chain) // 2)  # type: ignore[assignment]
        adapter.send_net_buffer_lists_complete(chain)


class Careful(Filter):
    """Passes a clone on, or answers with RESOURCES when it gets none."""

    def attach(self, module: FilterModule) -> None:
        self.found: list[OidRequest | None] = []

    def oid_request(self, request: OidRequest) -> Status:
        clone = self.module.allocate_clone_oid_request(request)
        self.found.append(clone)
        return Status.RESOURCES if clone is None else self.module.oid_request(clone)


def couple(**force: object) -> tuple[Bench, Teller, Floor]:
    """Return a teller over a floor that completes at once, with this forced on both."""
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"], force=Force(**force)).start()  # type: ignore[arg-type]
    return bench, bench.driver("top", Teller), bench.driver("nic", Floor)


def took(top: Teller, wanted: int = 8) -> int:
    """Allocate packets, free them again, and return how many there were."""
    chain: NblChain = top.bindings[0].allocate_net_buffer_lists(wanted, 64)
    top.free(chain)
    return len(chain)


def test_just_the_allocation_that_is_named_fails_and_is_told_with_its_place() -> None:
    bench, top, _ = couple(fail_allocation=3, nodes=("top",))
    assert [took(top) for _ in range(5)] == [8, 8, 0, 8, 8]
    [(node, event)] = bench.events
    assert (node, event["kind"], event["allocation"]) == ("top", "forced", 3)
    assert f"{__file__}:" in event["where"]
    assert bench.nodes["top"].board.counters[Counter.ALLOCATIONS_FAILED] == 1


def test_a_share_of_allocations_yields_fewer_packets_or_none_the_same_for_the_same_seed() -> None:
    def yields() -> list[int]:
        _, top, _ = couple(low_resources=0.3)
        return [took(top) for _ in range(200)]

    found = yields()
    assert 30 < sum(count < 8 for count in found) < 90
    assert {0, 8} < set(found)
    assert found == yields()


def test_every_way_to_allocate_may_find_no_memory() -> None:
    _, top, _ = couple(low_resources=1.0)
    source = top.bindings[0]
    assert len(source.allocate_net_buffer_list([64], [64, 64])) == 0
    assert source.oid_request(OidRequest(0x10101)) is Status.RESOURCES
    assert source.synchronous_oid_request(OidRequest(0x10101)) is Status.RESOURCES


@pytest.mark.parametrize("number", [2, 3])
def test_a_packet_that_cannot_be_derived_leaves_nothing_allocated(number: int) -> None:
    """The clone of a packet of two MDLs takes two allocations: its NBL, and its second MDL."""
    bench, top, _ = couple(fail_allocation=number, nodes=("top",))
    source = top.bindings[0]
    original = source.allocate_net_buffer_list([64, 64])
    assert len(source.allocate_clone_net_buffer_list(original[0])) == 0
    top.free(original)
    assert bench.in_use() == {}


def test_extra_context_an_nb_and_a_retreat_may_find_no_memory() -> None:
    _, top, _ = couple(fail_allocation=2, nodes=("top",))
    source = top.bindings[0]
    [nbl] = source.allocate_net_buffer_lists(1, 64)
    assert not source.allocate_net_buffer_list_context(nbl, 16)
    assert source.allocate_net_buffer_list_context(nbl, 16)
    for way in ("nb", "retreat"):
        _, top, _ = couple(fail_allocation=2, nodes=("top",))
        source = top.bindings[0]
        chain = source.allocate_net_buffer_lists(1, 64)
        if way == "nb":
            assert source.allocate_net_buffer(chain[0], 64) is None
            assert source.allocate_net_buffer(chain[0], 64) is not None
        else:
            assert not chain.retreat(14)
            assert chain.retreat(14)


def test_a_clone_of_a_request_may_find_no_memory() -> None:
    bench, top, _ = stack(Careful, force=Force(fail_allocation=1, nodes=("layer0",)))
    top.ask()
    bench.settle()
    assert (bench.driver("layer0", Careful).found, top.statuses) == ([None], ["RESOURCES"])


def test_a_refusal_of_an_oid_comes_through_the_handler_where_pending_is_forced() -> None:
    bench, top, _ = stack(force=Force(pending=True))
    assert isinstance(top, Asker)
    _, status = top.ask(output_length=OID_BUFFER_LIMIT + 1)
    assert (status, top.statuses) == (Status.PENDING, [])
    bench.settle()
    assert top.statuses == ["INVALID_LENGTH"]


def test_an_ndis_5_send_is_always_answered_pending_where_that_is_forced() -> None:
    bench, top, nic = pair(Serial, force=Force(pending=True))
    nic.verdicts = [Status.SUCCESS, Status.FAILURE]
    handles = [top.send_one(), top.send_one()]
    bench.settle()
    ended = list(zip(handles, ["SUCCESS", "FAILURE"], strict=True))
    assert top.log == [("verdict", "PENDING")] * 2 + [("complete", end) for end in ended]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_an_ndis_5_transfer_is_always_answered_pending_where_that_is_forced() -> None:
    bench, top, nic = pair(Serial, force=Force(pending=True))
    top.on_receive = lambda context, size: top.transfer(context, 60, size - 60)
    nic.look(FRAME, 60)
    bench.settle()
    assert top.log == [("verdict", ("PENDING", 0)), ("transferred", ("SUCCESS", 140))]
    assert top.landed == [DATA[60:]]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


def test_completions_leave_in_drawn_order_over_several_polls_each_with_its_status() -> None:
    layers = {"top": Teller, "nic": Judge}
    bench = Bench(layers, ["top -> nic"], force=Force(completion_order="random")).start()
    top = bench.driver("top", Teller)
    sent = [top.send(8) for _ in range(4)]
    bench.settle()
    back = [handle for handle, _ in top.back]
    in_order = [handle for call in sent for handle in call]
    assert sorted(back) == sorted(in_order)
    assert back != in_order
    calls = [next(number for number, call in enumerate(sent) if handle in call) for handle in back]
    assert calls != sorted(calls)
    names = dict(top.back)
    assert all([names[handle] for handle in call] == ["SUCCESS", "FAILURE"] * 4 for call in sent)


def test_completions_are_held_back_for_drawn_times_up_to_the_delay() -> None:
    bench, top, _ = couple(delay=MILLISECOND, nodes=("nic",))
    top.send(64)
    bench.settle()
    assert top.back == []
    assert not bench.nodes["nic"].ports[0].idle
    bench.run_for(MILLISECOND // 2)
    assert 10 < len(top.back) < 54
    bench.run_for(MILLISECOND // 2 + 1)
    assert len(top.back) == 64
    assert bench.nodes["nic"].ports[0].idle


def test_a_pause_waits_for_what_is_held_back() -> None:
    bench, top, _ = couple(delay=MILLISECOND, nodes=("nic",))
    top.send(8)
    bench.settle()
    paused = bench.command("nic", "pause")
    bench.settle()
    assert paused == []
    bench.run_for(MILLISECOND + 1)
    assert (paused, len(top.back)) == ([{"ok": True, "value": None}], 8)


def test_returns_are_held_back_as_well() -> None:
    bench, top, nic = couple(delay=MILLISECOND, nodes=("top",))
    free = bench.nodes["nic"].pool.free_count
    lent = nic.indicate(*[bytes(60)] * 8)
    bench.settle()
    assert (top.received, bench.nodes["nic"].pool.free_count) == (lent, free - 8)
    bench.run_for(MILLISECOND + 1)
    assert bench.nodes["nic"].pool.free_count == free


def test_a_node_that_nothing_is_forced_on_has_the_plain_parts() -> None:
    bench, _, _ = couple(low_resources=0.5, delay=5, nodes=("nic",))
    top = bench.nodes["top"]
    assert type(top.pool).__name__ == "Pool"
    assert [port.mixing for port in top.ports] == [None]
