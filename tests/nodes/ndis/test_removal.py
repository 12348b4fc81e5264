"""Surprise removal: what is told to whom in which order, and what becomes of sends."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.metrics import NodeState
from nodes.ndis import (
    Adapter,
    Binding,
    BindingState,
    DevicePnpEvent,
    FilterModule,
    HaltAction,
    Intermediate,
    NetEvent,
)
from nodes.ndis.adapter import ALL_ONES
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.policy import Policy
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from nodes.stock.traffic import Traffic
from orchestrator.operations import Stack
from orchestrator.outcome import report_of
from orchestrator.run import launch
from orchestrator.topology import BindingModel, EventModel, NodeModel, Topology
from orchestrator.topology.threshold import parse_threshold
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.nodes.ndis.steer import steer

TOLD: list[str] = []
"""What the layers below were told, in order."""


class Top(Teller):
    """A top that notes what it hears."""

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        TOLD.append(f"top {event.name}")
        return Status.SUCCESS

    def unbind_adapter(self, binding: Binding) -> Status | None:
        TOLD.append("top unbind")
        return None


class Middle(PassThrough):
    """A filter that notes what it hears."""

    def net_pnp_event(self, event: NetEvent) -> Status:
        TOLD.append(f"middle {event.name}")
        return Status.SUCCESS

    def pause(self) -> Status:
        TOLD.append("middle pause")
        return Status.SUCCESS

    def attach(self, module: FilterModule) -> None:
        TOLD.clear()

    def detach(self) -> None:
        TOLD.append("middle detach")


class Nic(Floor):
    """A bottom that notes what it hears; gone, it completes what it has with `last`."""

    last = Status.FAILURE

    def device_pnp_event_notify(self, adapter: Adapter, event: DevicePnpEvent) -> None:
        TOLD.append(f"nic {event.name}")
        self.complete(status=self.last)

    def pause(self) -> Status:
        TOLD.append("nic pause")
        return super().pause()

    def halt(self) -> None:
        TOLD.append(f"nic halt {self.adapter.halt_action.name}")

    def oid_request(self, adapter: Adapter, request: OidRequest) -> Status:
        return Status.SUCCESS


class Aborting(Nic):
    last = Status.REQUEST_ABORTED


class Failing(Nic):
    last = Status.DEVICE_FAILED


class Bridge(Mux):
    """An intermediate driver that takes its virtual miniport away when it is unbound."""

    def unbind_adapter(self, binding: Binding) -> Status | None:
        super().unbind_adapter(binding)
        for adapter in list(self.adapters):
            self.deinitialize_device_instance(adapter)
        return None

    def halt_device_instance(self, adapter: Adapter, action: HaltAction) -> None:
        TOLD.append(f"virtual miniport {action.name}")


DOWNWARDS = [
    "top PAUSE",
    "middle pause",
    "nic pause",
    "top unbind",
    "middle detach",
    "nic halt SURPRISE_REMOVED",
]


def removed(order: str, nic: type[Nic] = Nic, policy: Policy | None = None) -> tuple[Bench, Top, list[str]]:
    """Remove a NIC that holds three sends; return what was told to whom."""
    layers: dict[str, Any] = {"top": Top, "middle": Middle, "nic": (nic, {"hold": True})}
    bench = Bench(layers, ["top -> middle -> nic"], policy=policy).start()
    top = bench.driver("top", Top)
    top.send(3)
    bench.settle()
    TOLD.clear()
    stack = Stack([node.spec for node in bench.nodes.values()], order)
    assert steer(bench, "remove", "nic", stack=stack) == []
    return bench, top, list(TOLD)


@pytest.mark.rule("N6-UNB-04")
def test_windows_8_asks_the_stack_tells_the_miniport_and_takes_it_down_from_the_top() -> None:
    bench, top, told = removed("windows-8")
    asked = ["middle QUERY_REMOVE_DEVICE", "top QUERY_REMOVE_DEVICE"]
    assert told == [*asked, "nic SURPRISE_REMOVED", *DOWNWARDS]
    assert bench.nodes["nic"].lifecycle.state is NodeState.HALTED
    assert top.bindings[0].state is BindingState.UNBOUND
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-04")
def test_vista_tells_the_miniport_first() -> None:
    _, _, told = removed("vista")
    assert told == ["nic SURPRISE_REMOVED", *DOWNWARDS]


@pytest.mark.rule("N6-UNB-05")
@pytest.mark.parametrize(
    ("nic", "status"), [(Nic, "FAILURE"), (Aborting, "REQUEST_ABORTED"), (Failing, "DEVICE_FAILED")]
)
def test_sends_are_completed_with_what_the_sources_allow_between_them(nic: type[Nic], status: str) -> None:
    bench, top, _ = removed("windows-8", nic)
    assert [name for _, name in top.back] == [status] * 3
    assert bench.kinds() == []
    assert bench.held() == {}


@pytest.mark.rule("N6-UNB-05")
def test_the_closed_set_alone_counts_if_the_policy_says_so() -> None:
    bench, _, _ = removed("windows-8", Failing, Policy(removal_status="closed-set"))
    assert bench.kinds() == [("nic", "N6-UNB-05")]


@pytest.mark.rule("N6-UNB-05", "N6-OID-16")
def test_oids_are_not_accepted_after_the_removal() -> None:
    bench = Bench({"top": Teller, "nic": Nic}, ["top -> nic"]).start()
    bench.command("nic", "device_pnp_event", event="surprise-removed")
    top = bench.driver("top", Teller)
    top.bindings[0].oid_request(OidRequest(Oid.GEN_LINK_STATE, RequestType.QUERY, output_length=64))
    bench.settle()
    assert bench.kinds() == [("nic", "N6-OID-16")]


@pytest.mark.rule("N6-UNB-06")
def test_a_device_that_is_gone_reads_all_ones_before_anybody_is_told() -> None:
    bench = Bench({"top": Teller, "nic": StockMiniport}, ["top -> nic"]).start()
    nic, top = bench.driver("nic", StockMiniport), bench.driver("top", Teller)
    assert nic.adapter.read_register() != ALL_ONES
    bench.command("nic", "unplug")
    assert nic.adapter.read_register() == ALL_ONES
    top.send(4)
    bench.settle()
    assert [status for _, status in top.back] == ["FAILURE"] * 4
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-05")
def test_the_stock_miniport_fails_what_has_not_left_and_lets_the_line_run_empty() -> None:
    layers: dict[str, Any] = {"top": Teller, "nic": (StockMiniport, {"link": 1_000_000, "ring": 2})}
    bench = Bench(layers, ["top -> nic"]).start()
    top = bench.driver("top", Teller)
    top.send(5)
    bench.settle()
    assert steer(bench, "remove", "nic") == []
    assert sorted(status for _, status in top.back) == ["FAILURE"] * 3 + ["SUCCESS"] * 2
    assert (bench.held(), bench.kinds()) == ({}, [])


def failover(order: str = "windows-8") -> Bench:
    """Return what is left of a mux over two NICs when the one that holds seven sends is removed."""
    layers: dict[str, Any] = {
        "top": Teller,
        "mux": (Mux, {"balance": "failover"}),
        "a": (Floor, {"hold": True}),
        "b": Floor,
    }
    bench = Bench(layers, ["top -> mux -> a", "mux -> b"]).start()
    bench.driver("top", Teller).send(7)
    bench.settle()
    assert len(bench.driver("a", Floor).handles) == 7
    bench.driver("a", Floor).complete(3)
    stack = Stack([node.spec for node in bench.nodes.values()], order)
    a = bench.driver("a", Floor)
    a.device_pnp_event_notify = lambda adapter, event: a.complete(status=Status.FAILURE)  # type: ignore[method-assign]
    assert steer(bench, "remove", "a", stack=stack) == []
    return bench


@pytest.mark.rule("N6-UNB-04", "N6-UNB-05")
@pytest.mark.parametrize("order", ["windows-8", "vista"])
def test_a_mux_sends_again_what_a_lost_nic_gave_back(order: str) -> None:
    bench = failover(order)
    top = bench.driver("top", Teller)
    top.send(2)
    bench.settle()
    assert sorted(handle for handle, _ in top.back) == sorted(top.sent)
    assert {status for _, status in top.back} == {"SUCCESS"}
    assert len(bench.driver("b", Floor).handles) == 6
    assert set(top.sources) == {top.bindings[0].handle}
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-05")
def test_a_mux_with_no_way_left_gives_back_what_it_has() -> None:
    bench = failover()
    assert steer(bench, "remove", "b", stack=Stack([node.spec for node in bench.nodes.values()])) == []
    top = bench.driver("top", Teller)
    top.send(2)
    bench.settle()
    bench.pause("mux")
    bench.settle()
    assert [status for _, status in top.back][-2:] == ["PAUSED"] * 2
    assert bench.held() == {}


@pytest.mark.rule("N6-IM-07")
def test_an_unbound_intermediate_driver_takes_its_virtual_miniport_away() -> None:
    bench = Bench({"top": Teller, "bridge": Bridge, "nic": Floor}, ["top -> bridge -> nic"]).start()
    TOLD.clear()
    assert steer(bench, "remove", "nic") == []
    assert TOLD == ["virtual miniport INSTANCE_DEINITIALIZED"]
    assert isinstance(bench.nodes["bridge"].driver, Intermediate)


def model(driver: type[Any], kind: Any, **options: Any) -> NodeModel:
    return NodeModel(
        driver=driver.__name__.lower(),
        reference=f"{driver.__module__}:{driver.__qualname__}",
        kind=kind,
        options=driver.Options(**options),
    )


def topology(events: tuple[EventModel, ...] = ()) -> Topology:
    nodes = {
        "bulk": model(Traffic, "protocol", rate=20_000, packets=2000),
        "watch": model(PassThrough, "filter"),
        "mux": model(Mux, "intermediate", balance="failover"),
        "nic0": model(StockMiniport, "miniport"),
        "nic1": model(StockMiniport, "miniport"),
    }
    pairs = [("bulk", "watch"), ("watch", "mux"), ("mux", "nic0"), ("mux", "nic1")]
    bindings = tuple(BindingModel(upper=upper, lower=lower) for upper, lower in pairs)
    counted = (parse_threshold("lost == 0"),)  # only counts are judged, so a busy machine voids nothing
    return Topology(name="live", nodes=nodes, bindings=bindings, events=events, thresholds=counted)


@pytest.mark.rule("N6-UNB-04", "N6-PNP-08", "N6-RST-01")
@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_a_live_stack_is_paused_reset_spliced_and_loses_a_nic_and_no_packet(mode: Any) -> None:
    with launch(topology(), mode=mode) as run:
        run.wait(0.01)
        run.pause("watch")
        run.restart("watch")
        assert run.reset("nic0") == "SUCCESS"
        run.detach("watch")
        run.attach("watch")
        run.remove("nic0")
        run.wait(30)
    report = report_of(run)
    assert (report.verdict, report.error, run.warnings) == ("pass", None, [])
    of = report.conservation
    assert (of.accepted, of.completed, of.in_flight, of.lost) == (2000, 2000, 0, 0)
    assert {node.state for node in report.nodes.values()} == {"Halted"}


@pytest.mark.rule("N6-UNB-04")
def test_an_event_that_cannot_happen_ends_the_run_with_its_reason() -> None:
    events = (
        EventModel(at=1_000_000, verb="remove", node="nic0"),
        EventModel(at=9_000_000, verb="reset", node="nic0"),
    )
    with launch(topology(events), mode="inline") as run:
        run.wait(30)
    assert "reset of nic0: node nic0 refused to reset: reset is not allowed in state HALTED" in str(run.error)
