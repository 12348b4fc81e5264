"""The report of a run, ``ndisim.report/1``: what a finished run amounts to, as data.

Verdicts and exit codes are decided here. Counts are exact after an orderly stop and compared in tests; times
are reported and never asserted.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.machine_model import BottleneckPart, FloorPart, MachinePart, ProcessorPart
from orchestrator.report_part import Microseconds, Part
from orchestrator.report_series import SeriesRow
from orchestrator.setup_model import SetupPart

SCHEMA: Literal["ndisim.report/1"] = "ndisim.report/1"

Verdict = Literal["pass", "thresholds", "violations", "void", "failed"]

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "failed": 1, "void": 97, "violations": 98, "thresholds": 99}
"""What the command returns; 2 is kept for input that never became a run."""


class RunPart(Part):
    """Which run it was; `duration_s` is the time its nodes were running, virtual in inline mode."""

    id: str
    name: str
    seed: int
    mode: Literal["processes", "inline"]
    duration_s: float


class ConservationPart(Part):
    """The equation ``accepted = completed + in_flight + lost``; a whole run has lost and duplicated 0."""

    accepted: int
    completed: int
    in_flight: int
    lost: int
    duplicated: int


class LatencyPart(Part):
    """Percentiles of a duration, from buckets with a relative error below 1/32."""

    p50: Microseconds
    p90: Microseconds
    p99: Microseconds
    p999: Annotated[Microseconds, Field(alias="p99.9")]
    max: Microseconds
    count: int


class HeldPart(Part):
    """How long packets stayed in a node, from the request's arrival to its reply."""

    p50: Microseconds
    p99: Microseconds
    max: Microseconds


class NodePart(Part):
    """One node: `counters` by name, `pid` null where all nodes shared one process.

    `processor` is null there too, for a node that died, and where the kernel does not tell.
    """

    driver: str
    kind: str
    pid: int | None
    state: str
    counters: dict[str, int]
    held_us: HeldPart
    processor: ProcessorPart | None = None


class ViolationPart(Part):
    """One broken rule: who broke it with which packet, the packet's last events and the driver's line.

    `message` is what happened, `expected` what the rule wants, `document` where it is written, `look` what to look at
    next. `source` is the driver's file and line, `stack` the way there. `peer` is the neighbour that the packet was or
    is at, `packet_id` what names the packet in captures; `allocated` and `given` are where the node allocated it and
    last handed it over. What was not noted, at the level of that node, is empty. `at` is when the run heard of it,
    after all nodes ran.
    """

    rule: str
    node: str
    handle: str
    message: str
    history: list[str]
    source: str
    severity: str
    microsoft: list[str]
    expected: str
    document: str
    look: str
    peer: str
    packet_id: int
    allocated: list[str]
    given: list[str]
    stack: list[str]
    at: Annotated[Microseconds, Field(alias="at_us")]


class ReceivedPart(Part):
    """What receivers got, all of them together; `missed` frames found no receive buffer."""

    frames: int
    bytes: int
    corrupt: int
    out_of_order: int
    missed: int


class WirePart(Part):
    """What one miniport put on its wires and how many of these frames the wires' loss took."""

    node: str
    frames: int
    lost: int


class EdgePart(Part):
    """One edge: requests handed over and replies given back, downwards (sends) and upwards (indications).

    `down_us` is how long the lower node took to complete a send, from its arrival there, `up_us` the upper one to
    return what was indicated.
    """

    upper: str
    lower: str
    kind: str
    sent: int
    completed: int
    indicated: int
    returned: int
    down_us: HeldPart
    up_us: HeldPart


class FaultPart(Part):
    """A fault that the run was given: from when to when after every node ran, and how many packets it hit.

    Null in `from_us`: its time did not come.
    """

    name: str
    kind: str
    where: str
    began: Annotated[Microseconds, Field(alias="from_us")]
    ended: Annotated[Microseconds, Field(alias="to_us")]
    hit: int


class EventPart(Part):
    """Something that happened to the run, from when to when after every node ran.

    `what` is a fault's kind, an operation's verb, ``bug-check``, or a broken rule; `name` is a fault's. `count` says
    how many packets a fault hit, or how often the rule was broken; `result` is what an operation came to, or what
    happened when the rule was broken first. Null in `to_us`: it had not ended when the run did.
    """

    kind: Literal["fault", "operation", "death", "violation"]
    what: str
    where: str
    name: str
    began: Annotated[Microseconds, Field(alias="from_us")]
    ended: Annotated[Microseconds, Field(alias="to_us")]
    count: int
    result: str


class PhasePart(Part):
    """One phase of the `sources` that plan it for the same time, all of them together.

    It was on from `from_us` to `to_us` after every node ran (null: it did not begin); `rate_pps` was planned, on
    average, null in the closed model. `sent` are its packets, `completed` those of them that came back, and durations
    are theirs; `throughput_pps` counts what came back while it was on.
    """

    phase: str
    sources: list[str]
    began: Annotated[Microseconds, Field(alias="from_us")]
    ended: Annotated[Microseconds, Field(alias="to_us")]
    rate_pps: float | None
    sent: int
    completed: int
    throughput_pps: float | None
    latency_us: LatencyPart
    planned_us: LatencyPart


class ThresholdPart(Part):
    """How one condition of `pass:` fared; `measured` is in `unit`."""

    condition: str
    passed: bool
    measured: float | None
    unit: Literal["us", "pps", "ratio", "count"]


class StayPart(Part):
    """How long one layer held a packet, with those below it that it waited for."""

    node: str
    held: Annotated[Microseconds, Field(alias="held_us")]


class SlowPart(Part):
    """One of the slowest packets: who sent it, how long it took, when it was back after all nodes ran, who held it.

    `held` names the layers that still know of it, in the order in which it came to them.
    """

    node: str
    handle: str
    packet_id: int
    took: Annotated[Microseconds, Field(alias="latency_us")]
    at: Annotated[Microseconds, Field(alias="at_us")]
    held: list[StayPart]


class SharePart(Part):
    """How many packets one sender, or one flow (``node/place``), got through."""

    name: str
    packets: int


class EvennessPart(Part):
    """How evenly `count` senders got on: Jain's index, 1 when all are equal, 1/count when one has it all.

    All but `count` are null where nobody sent anything. `starved` is who went without a completion (a flow: without a
    turn) for the longest time while it wanted to send or had packets out, `starved_s` that time; null where no sender
    measures it.
    """

    jain: float | None
    slowest: SharePart | None
    fastest: SharePart | None
    count: int
    starved_s: float | None = None
    starved: str | None = None


class FairnessPart(EvennessPart):
    """Fairness over the nodes that send, by completed packets; `flows` over their flows, null with one flow each."""

    flows: EvennessPart | None


class Report(Part):
    """A finished run, ``ndisim.report/1``."""

    schema_: Annotated[Literal["ndisim.report/1"], Field(alias="schema")] = SCHEMA
    run: RunPart
    verdict: Verdict
    conservation: ConservationPart
    throughput_pps: float
    latency_us: LatencyPart
    statuses: dict[str, int]
    nodes: dict[str, NodePart]
    violations: list[ViolationPart]
    trace_sha256: str | None
    ended: str
    error: str | None
    thresholds: list[ThresholdPart]
    violation_count: int
    received: ReceivedPart
    one_way_us: LatencyPart
    wires: list[WirePart]
    edges: list[EdgePart]
    series: list[SeriesRow]
    planned_us: LatencyPart
    fairness: FairnessPart
    floor_us: FloorPart
    faults: list[FaultPart]
    events: list[EventPart]
    phases: list[PhasePart]
    slowest: list[SlowPart]
    machine: MachinePart | None = None
    bottleneck: BottleneckPart | None = None
    setup: SetupPart | None = None

    @property
    def exit_code(self) -> int:
        """Return what the command ends with for this verdict."""
        return EXIT_CODES[self.verdict]

    def to_json(self) -> str:
        """Return the report as indented JSON, its keys always in the same order."""
        return self.model_dump_json(indent=2)


def report_schema() -> dict[str, Any]:
    """Return the JSON schema of the report."""
    return Report.model_json_schema(by_alias=True, mode="serialization")


def decide(
    *, error: str | None, violations: int, conserved: bool, void: bool, thresholds_passed: bool
) -> Verdict:
    """Return the verdict: the first of failed, violations, void, thresholds that applies, else pass.

    A run that broke off proves nothing, a broken contract makes its figures meaningless, and figures limited
    by the load generator say nothing about thresholds: each hides what comes after it.
    """
    if error is not None:
        return "failed"
    if violations or not conserved:
        return "violations"
    if void:
        return "void"
    return "pass" if thresholds_passed else "thresholds"
