"""Named jobs, as engineers know them from the Windows lab kit: a load, what happens meanwhile, what must hold.

The sweep `1c-perf-send` is a table of many runs and stands in `sweep.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from orchestrator.drivers import Catalogue
from orchestrator.report_model import Report, ThresholdPart
from orchestrator.stress.senders import Load, LoadMismatch, sources, with_load
from orchestrator.topology.model import BindingModel, EventModel, NodeModel, Topology

SECOND = 1_000_000_000
PACKETS = 200
"""Packets of each sender of `connectivity`, one at a time."""
_QUIET_START, _QUIET_END = 0.05, 0.75
"""Shares of a run between which `2c-stress` disturbs the stack; the removal comes after that."""
_REMOVAL, _RETURN = 0.8, 0.85
_SHORTEST, _LONGEST = 0.01, 0.04
"""How long things last and lie apart, as shares of the run."""


@dataclass(frozen=True)
class Wish:
    """What a job is to be played with: its load, for `planned_ns`, everything drawn from `seed`."""

    load: Load
    planned_ns: int
    seed: int


Prepare = Callable[[Topology, Wish, Catalogue], Topology]
Check = Callable[[Report], Iterator[ThresholdPart]]


@dataclass(frozen=True)
class Job:
    """One job: the shape it is played on where none is named, how long, what it makes of it, what it checks.

    Its run goes on for `settle_ns` when all senders are done, for what is on its way to receivers.
    """

    summary: str
    shape: str
    planned_ns: int
    prepare: Prepare
    check: Check
    settle_ns: int = 0


def judged(report: Report, check: Check) -> Report:
    """Return the report with what a job checks among its thresholds; one that failed takes a pass away."""
    found = list(check(report))
    failed = report.verdict == "pass" and not all(one.passed for one in found)
    return report.model_copy(
        update={
            "thresholds": [*report.thresholds, *found],
            "verdict": "thresholds" if failed else report.verdict,
        }
    )


def _send_recv(topology: Topology, wish: Wish, catalogue: Catalogue) -> Topology:
    _receivers(topology, "2c-send-recv")
    return with_load(topology, wish.load, catalogue)


def _connectivity(topology: Topology, wish: Wish, catalogue: Catalogue) -> Topology:
    _receivers(topology, "connectivity")
    load = wish.load
    load = replace(
        load, packets=load.packets or PACKETS, window=load.window or 1, size=load.size or "70..1500"
    )
    return with_load(topology, load, catalogue)


def _stress(topology: Topology, wish: Wish, catalogue: Catalogue) -> Topology:
    """Add a storm of OID requests above whatever has a sender above it, and disturb the stack while all this runs."""
    topology = with_load(topology, wish.load, catalogue)
    senders = set(sources(topology))
    storm = catalogue.find("oid-storm")
    asker = NodeModel(
        driver=storm.name, reference=storm.reference, kind=storm.kind, options=storm.options_type()
    )
    below = list(dict.fromkeys(b.lower for b in topology.bindings if b.upper in senders))
    free = (name for name in map("oids-{}".format, range(1, 5000)) if name not in topology.nodes)
    names = [next(free) for _ in below]
    bound = (BindingModel(upper=name, lower=lower) for name, lower in zip(names, below, strict=True))
    return topology.model_copy(
        update={
            "nodes": {**dict.fromkeys(names, asker), **topology.nodes},
            "bindings": (*bound, *topology.bindings),
            "events": (*topology.events, *disturbances(topology, wish.planned_ns, wish.seed)),
        }
    )


def disturbances(topology: Topology, planned_ns: int, seed: int) -> Iterator[EventModel]:
    """Draw what happens to miniports and filters from the seed: pauses, resets, each down and up, one removal."""
    draw = random.Random(seed)
    filters = [name for name, node in topology.nodes.items() if node.kind == "filter"]
    nics = [name for name, node in topology.nodes.items() if node.kind == "miniport"]
    kinds = [
        ("pause", "restart", nics + filters),
        ("detach", "attach", filters),
        ("disable", "enable", nics),
        ("reset", "", nics),
    ]
    kinds = [kind for kind in kinds if kind[2]]
    at = _QUIET_START
    while kinds and at < _QUIET_END:
        verb, undo, names = draw.choice(kinds)
        name = draw.choice(names)
        yield _event(at * planned_ns, verb, name)
        at += draw.uniform(_SHORTEST, _LONGEST)
        if undo:
            yield _event(at * planned_ns, undo, name)
            at += draw.uniform(_SHORTEST, _LONGEST)
    if nics:
        pulled = draw.choice(nics)
        yield _event(_REMOVAL * planned_ns, "remove", pulled)
        yield _event(_RETURN * planned_ns, "enable", pulled)


def _event(at: float, verb: str, node: str) -> EventModel:
    return EventModel.model_validate({"at": round(at), "verb": verb, "node": node})


def _receivers(topology: Topology, job: str) -> None:
    if not any(node.driver == "receiver" for node in topology.nodes.values()):
        raise LoadMismatch(f"{job}: no node of this topology is a receiver; shapes take receivers=1")


def _requests(report: Report) -> Iterator[ThresholdPart]:
    """Check that requests were made; that each ended once is the contract's, and a reset or removal may fail them."""
    for name, node in report.nodes.items():
        if node.driver == "oid-storm":
            yield _is(f"{name}.oids", node.counters["oids"], least=1)


def _arrivals(report: Report) -> Iterator[ThresholdPart]:
    """Check that every packet arrived, whole, in order, and everywhere."""
    got = report.received
    yield _is("received - accepted", got.frames - report.conservation.accepted, least=0)
    for name, found in {
        "corrupt": got.corrupt,
        "out_of_order": got.out_of_order,
        "missed": got.missed,
    }.items():
        yield _is(f"received.{name}", found, least=0, most=0)
    for name, node in report.nodes.items():
        if node.driver == "receiver":
            yield _is(f"{name}.received", node.counters["received"], least=1)


def _both_ways(report: Report) -> Iterator[ThresholdPart]:
    """Check that every sender got packets through, beside what arrived."""
    yield from _arrivals(report)
    for name, node in report.nodes.items():
        if node.counters["sent"]:
            yield _is(f"{name}.completed", node.counters["completed"], least=1)


def _is(what: str, found: int, *, least: int, most: int | None = None) -> ThresholdPart:
    condition = f"{what} == {least}" if most == least else f"{what} >= {least}"
    passed = found >= least and (most is None or found <= most)
    return ThresholdPart(condition=condition, passed=passed, measured=found, unit="count")


JOBS: Mapping[str, Job] = {
    "connectivity": Job(
        f"{PACKETS} packets of every sender, one at a time and of all sizes, arrive whole and in order",
        "mixed",
        30 * SECOND,
        _connectivity,
        _arrivals,
        SECOND // 5,
    ),
    "2c-send-recv": Job(
        "two cards send to each other as fast as they can; all of it arrives, both ways",
        "mesh:stacks=2",
        10 * SECOND,
        _send_recv,
        _both_ways,
    ),
    "2c-stress": Job(
        "two cards send to each other while pauses, resets, restarts, OID requests and at last a removal and return, "
        "drawn from the seed, disturb them",
        "mesh:stacks=2",
        10 * SECOND,
        _stress,
        _requests,
    ),
}
"""What ``--job`` can name, beside the sweep."""
