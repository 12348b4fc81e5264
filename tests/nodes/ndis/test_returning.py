"""Nodes and bindings that come back after they were taken down: new drivers and handles on what stayed in place."""

from __future__ import annotations

import pytest

from nodes.metrics import Counter
from nodes.ndis import Adapter, Binding, BindingState, NetEvent
from nodes.ndis.adapter import ALL_ONES
from nodes.ndis.indication import StatusIndication
from nodes.ndis.oid import Oid, PacketFilter, RequestType
from nodes.ndis5 import Miniport5
from nodes.status import Status
from nodes.stock.mux import Mux
from nodes.stock.ndiswan import NdisWan
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.nodes.ndis.oid_drivers import Answerer, Asker
from tests.nodes.ndis.steer import stack_of, steer
from tests.nodes.ndis5.layers5 import Caller, Serial
from tests.wan_layers import Line, WanTeller

SECOND = 1_000_000_000


class Keeper(Teller):
    """A top that keeps every handle it was given, and what it was told."""

    def start(self) -> None:
        self.handles: list[Binding] = []
        self.told: list[str] = []
        super().start()

    def bind_adapter(self, binding: Binding) -> None:
        if not self.handles:
            super().bind_adapter(binding)
        self.handles.append(binding)
        self.told.append(f"bind {binding.state.name}")

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        self.told.append(event.name)
        return Status.SUCCESS

    def unbind_adapter(self, binding: Binding) -> Status | None:
        self.told.append("unbind")
        return None

    def status(self, binding: Binding, indication: StatusIndication) -> None:
        self.told.append(f"status {indication.code:#x}")


class Watched(Floor):
    """A bottom with a hang check, asked how often over all of its instances."""

    asked = 0

    def check_for_hang(self) -> bool:
        Watched.asked += 1
        return False


def bounce(bench: Bench, name: str) -> None:
    """Take a node down and bring it up again."""
    stack = stack_of(bench)
    assert steer(bench, "disable", name, stack=stack) == []
    assert steer(bench, "enable", name, stack=stack) == []
    bench.settle()


@pytest.mark.rule("N6-UNB-01", "N6-UNB-02", "N6-PNP-01")
def test_a_protocol_is_unbound_and_bound_again_as_its_nic_goes_and_comes() -> None:
    bench = Bench({"top": Keeper, "nic": Floor}, ["top -> nic"], level=4).start()
    top = bench.driver("top", Keeper)
    bounce(bench, "nic")
    assert top.told == [
        *("bind OPENING", "RESTART"),
        *("QUERY_REMOVE_DEVICE", "PAUSE", "unbind"),
        *("bind OPENING", "RESTART"),
    ]
    assert [binding.state for binding in top.handles] == [BindingState.UNBOUND, BindingState.RUNNING]
    assert top.bindings == top.handles[1:]
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-03")
def test_the_handle_of_before_stays_dead() -> None:
    bench = Bench({"top": Keeper, "nic": Floor}, ["top -> nic"], level=4).start()
    top = bench.driver("top", Keeper)
    bounce(bench, "top")
    top.send(2)
    bench.settle()
    old, _ = top.handles
    old.send_net_buffer_lists(top.bindings[0].allocate_net_buffer_lists(1, 64))
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS", "SUCCESS", "CLOSING"]
    assert bench.kinds() == [("top", "N6-UNB-03")]


@pytest.mark.rule("N6-PNP-13")
def test_a_miniport_comes_back_as_a_new_driver_and_counters_go_on() -> None:
    bench = Bench({"top": Keeper, "thru": PassThrough, "nic": Floor}, ["top -> thru -> nic"], level=4).start()
    top, before = bench.driver("top", Keeper), bench.driver("nic", Floor)
    thru = bench.driver("thru", PassThrough)
    top.send(3)
    bench.settle()
    bounce(bench, "nic")
    nic = bench.driver("nic", Floor)
    assert nic is not before
    assert nic.adapter is not before.adapter
    assert bench.driver("thru", PassThrough) is not thru
    top.send(4)
    bench.settle()
    nic.indicate(b"x" * 60)
    bench.settle()
    assert ([len(call) for call in before.calls], [len(call) for call in nic.calls]) == ([3], [4])
    assert [status for _, status in top.back] == ["SUCCESS"] * 7
    assert len(top.received) == 1
    assert (bench.counter("top", Counter.SENT), bench.counter("top", Counter.COMPLETED)) == (7, 7)
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-04", "N6-UNB-06")
def test_a_removed_nic_comes_back_with_a_device() -> None:
    bench = Bench({"top": Keeper, "nic": Floor}, ["top -> nic"], level=4).start()
    stack = stack_of(bench)
    assert steer(bench, "remove", "nic", stack=stack) == []
    assert bench.driver("nic", Floor).adapter.read_register() == ALL_ONES
    assert steer(bench, "enable", "nic", stack=stack) == []
    assert bench.driver("nic", Floor).adapter.read_register() == 0
    bench.driver("top", Keeper).send(1)
    bench.settle()
    assert [status for _, status in bench.driver("top", Keeper).back] == ["SUCCESS"]
    assert bench.kinds() == []


@pytest.mark.rule("N6-RST-11")
def test_the_hang_check_goes_on_with_the_new_driver_alone() -> None:
    Watched.asked = 0
    bench = Bench({"top": Keeper, "nic": Watched}, ["top -> nic"], level=4).start()
    bench.run_for(SECOND)
    bounce(bench, "nic")
    bench.run_for(20 * SECOND)
    assert 9 <= Watched.asked <= 10
    assert bench.kinds() == []


@pytest.mark.rule("N6-OID-23")
def test_a_packet_filter_goes_with_the_adapter_that_it_was_set_on() -> None:
    bench = Bench({"top": Asker, "nic": Answerer}, ["top -> nic"], level=4).start()
    bench.driver("nic", Answerer).how = lambda request: Status.SUCCESS
    nothing = PacketFilter.DIRECTED.to_bytes(4, "little")
    bench.driver("top", Asker).ask(Oid.GEN_CURRENT_PACKET_FILTER, type=RequestType.SET, buffer=nothing)
    bench.settle()
    bounce(bench, "nic")
    bench.driver("nic", Answerer).indicate(b"\xff" * 6 + bytes(60))
    bench.settle()
    assert len(bench.driver("top", Asker).received) == 1
    assert bench.kinds() == []


@pytest.mark.rule("N6-PNP-13", "N6-OID-17")
@pytest.mark.parametrize("node", ["thru", "nic"])
def test_a_request_that_was_on_its_way_to_a_halted_layer_is_not_accepted(node: str) -> None:
    bench = Bench(
        {"top": Asker, "thru": PassThrough, "nic": Answerer}, ["top -> thru -> nic"], level=4
    ).start()
    bench.pause(node)
    bench.command(node, "halt")
    top = bench.driver("top", Asker)
    top.ask(Oid.GEN_LINK_STATE)
    bench.settle()
    assert top.statuses == ["NOT_ACCEPTED"]
    assert bench.driver("nic", Answerer).got == []
    assert bench.kinds() == []


def test_an_indication_that_was_on_its_way_to_a_closed_binding_reaches_nobody() -> None:
    bench = Bench({"top": Keeper, "nic": Floor}, ["top -> nic"], level=4).start()
    assert steer(bench, "unbind", "top", "nic") == []
    bench.driver("nic", Floor).adapter.indicate_status(StatusIndication(Status.MEDIA_CONNECT))
    bench.settle()
    assert bench.driver("top", Keeper).told[-1] == "unbind"
    assert bench.kinds() == []


def test_a_mux_sends_on_through_a_binding_that_is_back() -> None:
    bench = Bench({"top": Keeper, "mux": Mux, "nic": Floor}, ["top -> mux -> nic"], level=4).start()
    top, stack = bench.driver("top", Keeper), stack_of(bench)
    assert steer(bench, "disable", "nic", stack=stack) == []
    top.send(2)
    bench.settle()
    assert steer(bench, "enable", "nic", stack=stack) == []
    top.send(2)
    bench.settle()
    assert [status for _, status in top.back] == ["PAUSED"] * 2 + ["SUCCESS"] * 2
    assert bench.kinds() == []


def test_a_running_binding_is_not_opened_once_more() -> None:
    bench = Bench({"top": Keeper, "nic": Floor}, ["top -> nic"], level=4).start()
    edge = bench.driver("top", Keeper).bindings[0].edge
    [answer] = bench.command("top", "bind", edge=edge)
    assert answer == {"ok": False, "error": "bind is not allowed in state RUNNING"}


def test_an_ndis_5_miniport_comes_back_too() -> None:
    bench = Bench({"top": Caller, "nic": Serial}, ["top -> nic"], level=4).start()
    before = bench.driver("nic", Miniport5)
    bounce(bench, "nic")
    nic, top = bench.driver("nic", Serial), bench.driver("top", Caller)
    assert nic is not before
    nic.verdicts = [Status.SUCCESS]
    top.send_one()
    bench.settle()
    assert top.log == [("verdict", "SUCCESS")]
    assert bench.kinds() == []


def wan() -> Bench:
    """Return NDISWAN over a line that is up, at rest."""
    bench = Bench({"top": WanTeller, "wan": NdisWan, "line": Line}, ["top -> wan -> line"], level=4).start()
    bench.settle()
    return bench


def sent_over(bench: Bench) -> list[bytes]:
    """Send one packet and complete what became of it; return the frames on the line."""
    line = bench.driver("line", Line)
    bench.driver("top", WanTeller).send(1)
    bench.settle()
    frames, line.frames = line.frames, []
    line.complete()
    bench.settle()
    assert bench.driver("top", WanTeller).back[-1][1] == "SUCCESS"
    return frames


@pytest.mark.rule("WAN-LNK-01", "WAN-LNK-03")
@pytest.mark.parametrize("node", ["wan", "line", "top"])
def test_ndiswan_numbers_fragments_on_and_knows_the_lines_after_whatever_bounced(node: str) -> None:
    bench = wan()
    first = sent_over(bench)
    bounce(bench, node)
    again = sent_over(bench)
    assert [frame[4:8] for frame in first] == [b"\xc0\0\0\0"]
    assert [frame[4:8] for frame in again] == [b"\xc0\0\0\1"]
    assert len(bench.driver("wan", NdisWan).linkage.links) == 1
    assert bench.kinds() == []


def test_a_new_ndiswan_takes_up_what_the_far_end_numbers_on() -> None:
    bench = wan()
    bounce(bench, "wan")
    new = bench.driver("wan", NdisWan)
    reassembler = new.inbound.reassembler
    assert reassembler is not None
    reassembler.expected = 77
    bounce(bench, "wan")
    assert bench.driver("wan", NdisWan).inbound.expected == 77
    assert bench.driver("wan", NdisWan) is not new


def test_adapters_of_an_intermediate_driver_are_new_ones() -> None:
    bench = Bench({"top": Keeper, "mux": Mux, "nic": Floor}, ["top -> mux -> nic"], level=4).start()
    [before] = bench.driver("mux", Mux).adapters
    bounce(bench, "mux")
    [adapter] = bench.driver("mux", Mux).adapters
    assert isinstance(adapter, Adapter)
    assert (adapter is before, adapter.open, before.open) == (False, True, False)
    bench.driver("top", Keeper).send(3)
    bench.settle()
    assert [status for _, status in bench.driver("top", Keeper).back] == ["SUCCESS"] * 3
    assert bench.kinds() == []
