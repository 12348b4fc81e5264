"""Reports of stacks of any shape, made up but of the published form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from nodes.metrics import NodeState
from orchestrator.report import Report, RunFacts, build_report
from orchestrator.report_model import (
    EdgePart,
    EventPart,
    LatencyPart,
    NodePart,
    PhasePart,
    SlowPart,
    StayPart,
    ViolationPart,
    WirePart,
)
from orchestrator.report_series import EdgeSecond, NodeSecond, SeriesRow
from tests.orchestrator.synthetic import FakeRun

FACTS = RunFacts(
    id="0123abcd",
    name="demo",
    seed=7,
    mode="processes",
    duration_s=2.0,
    ended="done",
    drivers={"top": "traffic", "nic": "miniport"},
)
KINDS = {
    "traffic": "protocol",
    "receiver": "protocol",
    "pass-through": "filter",
    "mux": "intermediate",
    "miniport": "miniport",
}
EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@cache
def healthy() -> Report:
    """Return the report of a run of two nodes, all well; what others are made from."""
    run = FakeRun()
    run.send_and_complete(1000)
    for name in ("top", "nic"):
        run.state(name, NodeState.HALTED)
    return build_report(FACTS, run.observe())


def small(**changes: Any) -> Report:
    """Return the healthy report with other values for some keys."""
    return healthy().model_copy(update=changes)


def stack(
    drivers: Mapping[str, str], bindings: Sequence[str], wires: Sequence[str] = (), **more: Any
) -> Report:
    """Return the report of a stack; bindings are written ``a -> b``, wires ``a - b``."""
    nodes = {name: node(driver, index + 1) for index, (name, driver) in enumerate(drivers.items())}
    pairs = [tuple(binding.split(" -> ")) for binding in bindings]
    edges = [edge(upper, lower, sent=20_000, indicated=4_000) for upper, lower in pairs]
    for wire in wires:
        one, other = wire.split(" - ")
        edges += [edge(one, other, "wire", sent=20_000), edge(other, one, "wire", sent=4_000)]
    ends = [name for wire in wires for name in wire.split(" - ")]
    parts = [WirePart(node=name, frames=20_000, lost=3) for name in ends]
    return small(nodes=nodes, edges=edges, wires=parts, **more)


def node(driver: str, times: int) -> NodePart:
    """Return a node that held packets `times` 10 us or, where nothing comes to it to be held, completed them."""
    like = small().nodes["nic"]
    held: dict[str, float | None] = dict.fromkeys(("p50", "p99", "max"))
    if KINDS[driver] != "protocol":
        held = {"p50": 10.0 * times, "p99": 50.0 * times, "max": 90.0 * times}
    changes = {
        "driver": driver,
        "kind": KINDS[driver],
        "counters": like.counters
        | {"completed": 1000 * times, "sent": 1000 * times if driver == "traffic" else 0},
        "held_us": like.held_us.model_copy(update=held),
    }
    return like.model_copy(update=changes)


def edge(upper: str, lower: str, kind: str = "binding", *, sent: int, indicated: int = 0) -> EdgePart:
    counts = {"sent": sent, "completed": sent, "indicated": indicated, "returned": indicated}
    return small().edges[0].model_copy(update={"upper": upper, "lower": lower, "kind": kind, **counts})


def latency(*, count: int = 1000, times: float = 1.0) -> LatencyPart:
    """Return percentiles from 10 us to 40 ms, all `times` as long."""
    return LatencyPart(
        p50=10.0 * times,
        p90=90.0 * times,
        p99=900.0 * times,
        p999=9_000.0 * times,
        max=40_000.0 * times,
        count=count,
    )


def phase(name: str, sources: list[str], **changes: Any) -> PhasePart:
    """Return a phase of 30 ms in which nearly all came back."""
    part = PhasePart(
        phase=name,
        sources=sources,
        began=20_000.0,
        ended=50_000.0,
        rate_pps=12_000.0,
        sent=1300,
        completed=1299,
        throughput_pps=11_300.0,
        latency_us=latency(),
        planned_us=latency(),
    )
    return part.model_copy(update=changes)


def series(nodes: Sequence[str], edges: Sequence[str], rows: int = 12) -> list[SeriesRow]:
    """Return rows of a run that goes up and down."""
    return [
        SeriesRow(
            t_s=float(row + 1),
            completed=1000 + 100 * (row % 5),
            throughput_pps=1000.0 + 100 * (row % 5),
            p50_us=100.0 + row,
            p99_us=1000.0 * (1 + row % 3),
            max_us=20_000.0,
            in_flight=row * 3,
            nodes={name: NodeSecond(completed=row, received=row, held=row + 1) for name in nodes},
            edges={name: EdgeSecond(occupancy=row, down_pps=1000.0 + row, up_pps=10.0) for name in edges},
        )
        for row in range(rows)
    ]


def violation(number: int = 0, *, source: str = "driver.py:7", **changes: Any) -> ViolationPart:
    """Return the violation with this number of those that one line of a driver made."""
    return ViolationPart(
        rule="N6-SEND-10",
        node="nic",
        handle=f"{number:#018x}",
        message=f"packet {number} was completed twice",
        history=["+0.0us top handed over send on top -> nic", "+9.0us nic completed it"],
        source=source,
        severity="fatal",
        microsoft=["NdisMSendNetBufferListsComplete"],
        expected="Every send that came in is completed exactly once.",
        document="https://learn.microsoft.com/windows-hardware/drivers/",
        look="Find the second completion.",
        peer="top",
        packet_id=number + 1,
        allocated=["driver.py:3"],
        given=["driver.py:5"],
        stack=["driver.py:7", "driver.py:2"],
        at=1_500_000.0 + number,
    ).model_copy(update=changes)


def event(kind: str, what: str, where: str, start: float, end: float | None, **more: Any) -> EventPart:
    """Return an event from `start` to `end`, in seconds."""
    given = {"name": "", "count": 0, "result": "", **more}
    to = None if end is None else end * 1e6
    return EventPart.model_validate(
        {"kind": kind, "what": what, "where": where, "from_us": start * 1e6, "to_us": to, **given}
    )


def slowest(sender: str, layers: Sequence[str]) -> list[SlowPart]:
    """Return three slow packets of a sender, of which the last is in no layer's memory."""
    stays = [StayPart(node=name, held=9_000.0 - 1_000 * row) for row, name in enumerate(layers)]
    return [
        SlowPart(
            node=sender,
            handle=f"{number:#018x}",
            packet_id=0x2000000000000 + number,
            took=10_000.0 - number,
            at=1_000_000.0 + number,
            held=stays if number < 2 else [],
        )
        for number in range(3)
    ]


def eventful() -> Report:
    """Return two stacks joined by a wire, to which a lot happened in their twelve seconds."""
    events = [
        event("fault", "drop", "nic0 -> nic1", 0.4, 5.0, name="lossy", count=1234),
        event("violation", "N6-SEND-10", "nic0", 4.1, 4.3, count=3, result="packet 0 was completed twice"),
        event("operation", "pause", "nic0", 7.0, 7.02),
        event("operation", "reset", "nic1", 9.0, None),
        event("death", "bug-check", "mux", 9.05, 9.05),
    ]
    report = quickstart()
    run = report.run.model_copy(update={"duration_s": report.series[-1].t_s})
    return report.model_copy(update={"events": events, "run": run})


def quickstart() -> Report:
    """Return two stacks joined by a wire."""
    drivers = {
        "replay": "traffic",
        "bulk": "traffic",
        "mux": "mux",
        "nic0": "miniport",
        "nic1": "miniport",
        "sink": "receiver",
    }
    bindings = ["replay -> mux", "bulk -> mux", "mux -> nic0", "sink -> nic1"]
    parts = {"series": series(list(drivers), bindings), "one_way_us": latency()}
    return stack(drivers, bindings, ["nic0 - nic1"], slowest=slowest("bulk", ["mux", "nic0"]), **parts)


def fan_in(senders: int) -> Report:
    """Return many senders over one mux with two NICs."""
    names = [f"sender-{number}" for number in range(senders)]
    drivers = dict.fromkeys(names, "traffic") | {"mux": "mux", "nic0": "miniport", "nic1": "miniport"}
    bindings = [*(f"{name} -> mux" for name in names), "mux -> nic0", "mux -> nic1"]
    report = stack(drivers, bindings, series=series(list(drivers), bindings))
    fairness = report.fairness.model_copy(
        update={"jain": 0.876543, "count": senders, "starved": names[0], "starved_s": 0.25}
    )
    return report.model_copy(update={"fairness": fairness, "planned_us": latency(times=3.0)})


def pairs(count: int) -> Report:
    """Return `count` pairs of stacks of three nodes, each pair joined by a wire."""
    drivers: dict[str, str] = {}
    bindings, wires = [], []
    for number in range(count):
        for side in ("a", "b"):
            top, middle, bottom = (f"{part}{number}{side}" for part in ("top", "filter", "nic"))
            drivers |= {
                top: "traffic" if side == "a" else "receiver",
                middle: "pass-through",
                bottom: "miniport",
            }
            bindings += [f"{top} -> {middle}", f"{middle} -> {bottom}"]
        wires.append(f"nic{number}a - nic{number}b")
    return stack(drivers, bindings, wires, series=series(list(drivers), bindings))


def tangle() -> Report:
    """Return a stack with long names, bindings that skip layers, and two muxes over three NICs each."""
    tail = "with-a-name-as-long-as-t"
    tops = [f"top{number}-{tail}" for number in range(3)]
    muxes = [f"mux{number}-{tail}" for number in range(2)]
    nics = [f"nic{number}-{tail}" for number in range(3)]
    drivers = (
        dict.fromkeys(tops, "traffic")
        | dict.fromkeys(muxes, "mux")
        | dict.fromkeys(nics, "miniport")
        | {"probe": "pass-through", "far0": "miniport", "far1": "miniport", "far2": "miniport"}
        | {"sink": "receiver"}
    )
    bindings = [f"{top} -> {mux}" for top in tops for mux in muxes]
    bindings += [f"{mux} -> {nic}" for mux in muxes for nic in nics[1:]]
    bindings += [
        f"{tops[0]} -> probe",
        f"probe -> {nics[0]}",
        *(f"sink -> far{number}" for number in range(3)),
    ]
    wires = [f"{nic} - far{number}" for number, nic in enumerate(nics)]
    return stack(drivers, bindings, wires, series=series(list(drivers), bindings))


def crossing() -> Report:
    """Return two protocols that are both bound to the same two NICs."""
    drivers = {
        "one-sender": "traffic",
        "one-sink": "receiver",
        "nic-left": "miniport",
        "nic-right": "miniport",
    }
    bindings = [f"{top} -> {nic}" for top in ("one-sender", "one-sink") for nic in ("nic-left", "nic-right")]
    return stack(drivers, bindings)


def mesh(count: int) -> Report:
    """Return stacks of one sender and one NIC, each two of them joined by a wire."""
    drivers = {}
    for number in range(count):
        drivers |= {f"top{number}": "traffic", f"nic{number}": "miniport"}
    bindings = [f"top{number} -> nic{number}" for number in range(count)]
    return stack(drivers, bindings, [f"nic{number} - nic{number + 1}" for number in range(0, count, 2)])
