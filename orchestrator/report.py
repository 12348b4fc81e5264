"""Build the report of a run from its facts and the last snapshot of its nodes."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nodes.metrics import Counter
from nodes.status import status_name
from nodes.verifier.rules import Rule, load_rules
from orchestrator.chronicle import Deed, chronicle
from orchestrator.fairness import evenness_metrics, fairness_of
from orchestrator.faults import FaultRecord
from orchestrator.machine_model import FloorPart
from orchestrator.observe import U64, Conservation, NodeView, Snapshot
from orchestrator.percentiles import Durations, added, summarise
from orchestrator.phases import PhaseFigures
from orchestrator.report_model import (
    ConservationPart,
    EdgePart,
    FaultPart,
    HeldPart,
    LatencyPart,
    NodePart,
    PhasePart,
    ReceivedPart,
    Report,
    RunPart,
    SlowPart,
    StayPart,
    ThresholdPart,
    ViolationPart,
    WirePart,
    decide,
    report_schema,
)
from orchestrator.report_part import microseconds
from orchestrator.report_series import SeriesRow
from orchestrator.setup_model import SetupPart
from orchestrator.slowest import SlowPacket, slowest_packets
from orchestrator.thresholds import STATUS_PREFIX, Outcome, evaluate
from orchestrator.topology.threshold import Threshold

__all__ = ["Report", "RunFacts", "build_report", "report_schema"]

NOTHING_HELD = HeldPart(p50=None, p99=None, max=None)
HistoryOf = Callable[[int], list[str]]


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run beside its boards.

    `drivers` and `pids` are by node name, `violations` as the nodes reported them (`at` in ns after every node ran),
    `ended` says why the run stopped (``duration``, ``done``, ``interrupted``, ...). `error` is set when it broke off,
    `void` says why its figures are those of the load generator. `started` is ns on the run's clock, `phase_metrics` are
    what `thresholds` ask of phases.
    """

    id: str
    name: str
    seed: int
    mode: Literal["processes", "inline"]
    duration_s: float
    ended: str
    drivers: Mapping[str, str]
    pids: Mapping[str, int] = field(default_factory=dict)
    thresholds: Sequence[Threshold] = ()
    violations: Sequence[Mapping[str, Any]] = ()
    error: str | None = None
    void: str | None = None
    trace_sha256: str | None = None
    series: Sequence[SeriesRow] = ()
    faults: Sequence[FaultRecord] = ()
    deeds: Sequence[Deed] = ()
    phases: Sequence[PhaseFigures] = ()
    phase_metrics: Mapping[str, float] = field(default_factory=dict)
    started: int = 0
    setup: SetupPart | None = None


def build_report(facts: RunFacts, snapshot: Snapshot, history_of: HistoryOf = lambda handle: []) -> Report:
    """Return the report; `history_of` gives the life of a packet whose violation came without one."""
    nodes = snapshot.nodes.values()
    latency = summarise(added(node.latency for node in nodes))
    planned = summarise(added(node.planned for node in nodes))
    fairness = fairness_of(snapshot)
    throughput = snapshot.conservation.completed / facts.duration_s if facts.duration_s > 0 else 0.0
    statuses = _statuses(nodes)
    violation_count = max(snapshot.total(Counter.VIOLATIONS), len(facts.violations))
    metrics = dict(facts.phase_metrics) | _metrics(snapshot, throughput, statuses, violation_count)
    metrics |= latency.metrics("latency") | planned.metrics("planned") | evenness_metrics(fairness)
    outcomes = evaluate(facts.thresholds, metrics)
    violations = _violations(facts, history_of)
    faults = [_fault(record) for record in facts.faults]
    return Report(
        run=_run(facts),
        verdict=decide(
            error=facts.error,
            violations=violation_count,
            conserved=snapshot.conservation.holds,
            void=facts.void is not None,
            thresholds_passed=all(outcome.passed for outcome in outcomes),
        ),
        conservation=_conservation(snapshot.conservation),
        throughput_pps=round(throughput, 3),
        latency_us=_latency(latency),
        statuses=statuses,
        nodes={node.name: _node(node, facts) for node in nodes},
        violations=violations,
        trace_sha256=facts.trace_sha256,
        ended=facts.ended,
        error=facts.error or facts.void,
        thresholds=[_threshold(outcome) for outcome in outcomes],
        violation_count=violation_count,
        received=_received(snapshot),
        one_way_us=_latency(summarise(added(node.one_way for node in nodes))),
        wires=[_wire(node) for node in nodes if any(port.kind == "wire" for port in node.ports)],
        edges=_edges(nodes),
        series=list(facts.series),
        planned_us=_latency(planned),
        fairness=fairness,
        floor_us=_floor(nodes),
        faults=faults,
        events=chronicle(faults, facts.deeds, violations),
        phases=[_phase(of) for of in facts.phases],
        slowest=[_slow(packet, facts.started) for packet in slowest_packets(snapshot)],
        setup=facts.setup,
    )


def _run(of: RunFacts) -> RunPart:
    return RunPart(id=of.id, name=of.name, seed=of.seed, mode=of.mode, duration_s=round(of.duration_s, 6))


def _metrics(
    snapshot: Snapshot, throughput: float, statuses: Mapping[str, int], violations: int
) -> dict[str, float]:
    of = snapshot.conservation
    return {
        "accepted": of.accepted,
        "completed": of.completed,
        "in_flight": of.in_flight,
        "lost": of.lost,
        "duplicated": of.duplicated,
        "leaked": snapshot.total(Counter.LEAKED),
        "received": snapshot.total(Counter.RECEIVED),
        "throughput_pps": throughput,
        "violations": violations,
    } | {f"{STATUS_PREFIX}{name}": count for name, count in statuses.items()}


def _statuses(nodes: Iterable[NodeView]) -> dict[str, int]:
    tally: Tally[int] = Tally()
    for node in nodes:
        tally.update(node.statuses)
    return {status_name(status): tally[status] for status in sorted(tally)}


def _conservation(of: Conservation) -> ConservationPart:
    return ConservationPart(**asdict(of), lost=of.lost)


def _latency(of: Durations) -> LatencyPart:
    return LatencyPart(
        p50=microseconds(of.p50),
        p90=microseconds(of.p90),
        p99=microseconds(of.p99),
        p999=microseconds(of.p999),
        max=microseconds(of.maximum),
        count=of.count,
    )


def _node(node: NodeView, facts: RunFacts) -> NodePart:
    return NodePart(
        driver=facts.drivers.get(node.name, ""),
        kind=node.kind,
        pid=facts.pids.get(node.name),
        state=node.state.name.capitalize(),
        counters=node.counters,
        held_us=_held(node.held),
    )


def _violations(facts: RunFacts, history_of: HistoryOf) -> list[ViolationPart]:
    rules = load_rules() if facts.violations else {}
    return [_violation(violation, history_of, rules) for violation in facts.violations]


def _violation(
    violation: Mapping[str, Any], history_of: HistoryOf, rules: Mapping[str, Rule]
) -> ViolationPart:
    handle = int(violation.get("handle", 0))
    rule = rules.get(str(violation["rule"]))
    return ViolationPart(
        rule=str(violation["rule"]),
        node=str(violation["node"]),
        handle=f"{handle:#018x}",
        message=str(violation["message"]),
        history=[str(line) for line in violation.get("history") or history_of(handle)],
        source=str(violation.get("where") or ""),
        severity=str(rule.severity) if rule else "error",
        microsoft=list(rule.microsoft) if rule else [],
        expected=(rule.meaning or rule.text) if rule else "",
        document=rule.document if rule else "",
        look=rule.look if rule else "",
        peer=str(violation.get("peer", "")),
        packet_id=int(violation.get("packet_id", 0)),
        allocated=[str(line) for line in violation.get("allocated", ())],
        given=[str(line) for line in violation.get("given", ())],
        stack=[str(line) for line in violation.get("stack", ())],
        at=microseconds(violation.get("at")),
    )


def _threshold(outcome: Outcome) -> ThresholdPart:
    return ThresholdPart.model_validate(asdict(outcome))


def _received(snapshot: Snapshot) -> ReceivedPart:
    return ReceivedPart(
        frames=snapshot.total(Counter.RECEIVED),
        bytes=snapshot.total(Counter.RECEIVED_BYTES),
        corrupt=snapshot.total(Counter.CORRUPT),
        out_of_order=snapshot.total(Counter.OUT_OF_ORDER),
        missed=snapshot.total(Counter.RX_MISSED),
    )


def _wire(node: NodeView) -> WirePart:
    return WirePart(node=node.name, frames=node.counters["wire_sent"], lost=node.counters["wire_lost"])


def _fault(of: FaultRecord) -> FaultPart:
    return FaultPart(
        name=of.name,
        kind=of.kind,
        where=of.where,
        began=microseconds(of.began),
        ended=microseconds(of.ended),
        hit=of.hit,
    )


def _phase(of: PhaseFigures) -> PhasePart:
    return PhasePart(
        phase=of.name,
        sources=list(of.sources),
        began=microseconds(of.began),
        ended=microseconds(of.ended),
        rate_pps=None if of.rate is None else round(of.rate, 3),
        sent=of.sent,
        completed=of.completed,
        throughput_pps=None if of.throughput is None else round(of.throughput, 3),
        latency_us=_latency(of.latency),
        planned_us=_latency(of.planned),
    )


def _slow(of: SlowPacket, started: int) -> SlowPart:
    return SlowPart(
        node=of.sender,
        handle=f"{of.handle:#018x}",
        packet_id=of.packet_id,
        took=microseconds(of.took),
        at=microseconds(max(of.completed - started, 0)),
        held=[StayPart(node=name, held=microseconds(took)) for name, took in of.held],
    )


def _held(buckets: U64) -> HeldPart:
    of = summarise(buckets)
    return HeldPart(p50=microseconds(of.p50), p99=microseconds(of.p99), max=microseconds(of.maximum))


def _floor(nodes: Iterable[NodeView]) -> FloorPart:
    """Return the worst that any node found, null for what none measured."""
    clock, p50, p90 = (
        microseconds(max((node.counters[name] for node in nodes), default=0) or None)
        for name in ("clock_step_ns", "wake_p50_ns", "wake_p90_ns")
    )
    return FloorPart(clock=clock, wake_p50=p50, wake_p90=p90)


def _edges(nodes: Collection[NodeView]) -> list[EdgePart]:
    lower = {port.edge: port for node in nodes for port in node.ports if port.side == "lower"}
    return [
        EdgePart(
            upper=node.name,
            lower=port.peer,
            kind=port.kind,
            sent=port.counters["requests_out"],
            completed=port.counters["replies_in"],
            indicated=port.counters["requests_in"],
            returned=port.counters["replies_out"],
            down_us=_held(lower[port.edge].held) if port.edge in lower else NOTHING_HELD,
            up_us=_held(port.held),
        )
        for node in nodes
        for port in node.ports
        if port.side == "upper"
    ]
