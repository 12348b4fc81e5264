from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nodes.policy import Policy
from nodes.verifier.force import Force
from orchestrator.topology import (
    BindingModel,
    EventModel,
    NodeModel,
    Threshold,
    Topology,
    WireModel,
    dump_topology,
    parse_topology,
)
from orchestrator.topology.model import FaultModel
from orchestrator.topology.threshold import COUNTS, DURATIONS
from tests.orchestrator.topology.samples import GOOD_CATALOGUE

_NUMBERS = st.integers(0, 2**40)
_FRACTIONS = st.floats(0, 1)
_OPERATORS = st.sampled_from(["<", "<=", "==", "!=", ">=", ">"])
_NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
_OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "traffic": {
        "senders": st.integers(1, 4096),
        "size": st.integers(0, 10**6).map(str),
        "rate": _NUMBERS,
        "copy": st.booleans(),
        "bursts": st.lists(_NUMBERS, max_size=3).map(tuple),
        "limit": st.none() | _NUMBERS,
        "skew": st.floats(-1e9, 1e9),
    },
    "replay": {
        "file": st.just(str(Path(__file__))),
        "timing": st.sampled_from(["original", "fast"]),
        "loop": st.integers(0, 12),
        "loss": _FRACTIONS,
    },
    "receiver": {"write": st.sampled_from(["a.pcapng", "sub/b.pcapng"])},
    "nic": {"link": _NUMBERS, "ring": st.integers(1, 2**30), "delay": st.integers(10, 10**9)},
    "mux": {},
    "filter": {},
}


@st.composite
def nodes(draw: st.DrawFn, driver: str) -> NodeModel:
    """Draw a node with random options."""
    info = GOOD_CATALOGUE.find(driver)
    required = {key: value for key, value in _OPTIONS[driver].items() if key == "file"}
    optional = {key: value for key, value in _OPTIONS[driver].items() if key != "file"}
    options = draw(st.fixed_dictionaries(required, optional=optional))
    return NodeModel(
        driver=driver,
        reference=info.reference,
        kind=info.kind,
        options=info.options_type(**options),
        pool=draw(st.none() | st.integers(1, 2**24)),
    )


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Draw stacks of a protocol, up to three layers and a miniport each; neighbours are wired."""
    names = iter(draw(st.lists(_NAMES, unique=True, min_size=20, max_size=20)))
    found: dict[str, NodeModel] = {}
    bindings, bottoms = [], []
    for _ in range(draw(st.integers(1, 4))):
        protocol = draw(st.sampled_from(["traffic", "replay", "receiver"]))
        middle = draw(st.lists(st.sampled_from(["mux", "filter"]), max_size=3))
        stack = {next(names): draw(nodes(driver)) for driver in (protocol, *middle, "nic")}
        found |= stack
        order = list(stack)
        bindings += [draw(_binding(upper, lower)) for upper, lower in pairwise(order)]
        bottoms.append(order[-1])
    return Topology(
        name=draw(_NAMES),
        seed=draw(st.integers(0, 2**64 - 1)),
        nodes=found,
        bindings=tuple(bindings),
        wires=tuple(draw(_wire(*bottoms[at : at + 2])) for at in range(0, len(bottoms) - 1, 2)),
        thresholds=tuple(draw(st.lists(_thresholds(), max_size=4))),
        level=draw(st.integers(0, 4)),
        levels=draw(st.dictionaries(st.sampled_from(list(found)), st.integers(0, 4), max_size=2)),
        on_violation=draw(st.sampled_from(["stop", "report", "bug-check"])),
        force=draw(_forces(list(found))),
        notify=draw(st.sampled_from(["armed", "every"])),
        policy=draw(st.sampled_from([Policy(), Policy(delivery_irql="random", removal_order="vista")])),
        events=tuple(draw(st.lists(_events(bindings), max_size=4))),
        faults=tuple(draw(st.lists(_faults(bindings), max_size=4, unique_by=lambda fault: fault.name))),
    )


def _events(bindings: list[BindingModel]) -> st.SearchStrategy[EventModel]:
    bottoms = sorted({b.lower for b in bindings} - {b.upper for b in bindings})
    on_nodes = st.builds(
        EventModel,
        at=_NUMBERS,
        verb=st.sampled_from(["pause", "restart", "remove", "reset"]),
        node=st.sampled_from(bottoms),
    )
    undone = st.sampled_from(bindings)
    return on_nodes | st.builds(
        lambda at, binding: EventModel(at=at, verb="unbind", node=binding.upper, lower=binding.lower),
        _NUMBERS,
        undone,
    )


def _faults(bindings: list[BindingModel]) -> st.SearchStrategy[FaultModel]:
    joined = st.sampled_from(bindings)
    own = {"name": _NAMES, "at": _NUMBERS, "lasts": _NUMBERS}
    nodes = {"lower": st.sampled_from(sorted({binding.lower for binding in bindings}))}
    late = {"share": _FRACTIONS, "delay": _NUMBERS, "jitter": _NUMBERS}
    kinds = [
        st.fixed_dictionaries({**own, "kind": st.just("hold"), "share": _FRACTIONS}),
        st.fixed_dictionaries({**own, **late, "kind": st.just("delay")}),
        st.fixed_dictionaries(
            {**own, "kind": st.just("status"), "share": _FRACTIONS, "status": st.just("RESOURCES")}
        ),
    ]
    on_bindings = st.builds(
        lambda of, at: FaultModel(**of, upper=at.upper, lower=at.lower), st.one_of(kinds), joined
    )
    slow = {**own, **nodes, "kind": st.just("slow"), "rate": st.integers(1, 2**30)}
    stop = {**own, **nodes, "kind": st.just("stop"), "lasts": st.integers(1, 2**40)}
    crash = {"name": _NAMES, "at": _NUMBERS, **nodes, "kind": st.just("crash")}
    on_nodes = st.one_of([st.fixed_dictionaries(of) for of in (slow, stop, crash)])
    return on_bindings | on_nodes.map(lambda of: FaultModel(**of))


def _forces(nodes: list[str]) -> st.SearchStrategy[Force]:
    return st.builds(
        Force,
        low_resources=_FRACTIONS,
        fail_allocation=_NUMBERS,
        pending=st.booleans(),
        completion_order=st.sampled_from(["as-made", "random"]),
        delay=_NUMBERS,
        nodes=st.lists(st.sampled_from(nodes), max_size=2).map(tuple),
    )


def _binding(upper: str, lower: str) -> st.SearchStrategy[BindingModel]:
    return st.builds(
        BindingModel,
        upper=st.just(upper),
        lower=st.just(lower),
        coalesce=st.booleans(),
        depth=st.integers(4, 16).map(lambda power: 2**power),
        weight=st.integers(1, 1024),
    )


def _wire(a: str, b: str) -> st.SearchStrategy[WireModel]:
    return st.builds(
        WireModel, a=st.just(a), b=st.just(b), latency=_NUMBERS, bandwidth=_NUMBERS, loss=_FRACTIONS
    )


def _thresholds() -> st.SearchStrategy[Threshold]:
    counts = st.sampled_from([*COUNTS, *DURATIONS, "statuses.SUCCESS"])
    rates = st.floats(0, 1e9).map(lambda value: round(value, 3))
    return st.builds(Threshold, counts, _OPERATORS, _NUMBERS) | st.builds(
        Threshold, st.just("throughput_pps"), _OPERATORS, rates
    )


@given(topologies())
def test_a_topology_reads_back_from_its_yaml_the_same(topology: Topology) -> None:
    text = dump_topology(topology)
    assert parse_topology(text, "dumped.yml", GOOD_CATALOGUE, Path("/")) == topology
