from __future__ import annotations

import pytest

from nodes.faults.fault import MAX_FAULTS
from orchestrator.topology import dump_topology
from orchestrator.topology.faults import FaultRefused, parse_fault
from orchestrator.topology.model import FaultModel
from tests.orchestrator.topology.samples import STACK, parse, problems

WIRED = """\
name: stack
nodes:
  bulk: {driver: traffic}
  mux: {driver: mux}
  nic0: {driver: nic}
  nic1: {driver: nic}
  sink: {driver: receiver}
bindings: [bulk -> mux -> nic0, sink -> nic1]
wires: [{between: [nic0, nic1]}]
"""


def test_faults_are_read_in_order_in_base_units() -> None:
    text = WIRED + (
        "faults:\n  - {name: a, on: nic0 -> nic1, drop: 1%}\n  - {name: b, on: nic0 <-> nic1, reorder: 0.5, gap: 2}\n"
        "  - {name: c, on: mux -> nic0, delay: 2ms, jitter: 1ms, share: 10%, at: 1s, for: 2s}\n"
        "  - {name: d, on: nic0, hold: 100%}\n  - {name: e, on: bulk -> mux, status: RESOURCES}\n"
        "  - {name: f, on: sink, slow: 1000}\n  - {name: g, on: sink, stop: 20ms}\n"
        "  - {name: h, on: nic1, low_resources: 6%}\n  - {name: i, on: nic1, crash: true, at: 3s}\n"
        "  - {name: j, on: mux, bounce: 20ms, at: 1s}\n  - {name: k, on: nic0, bounce: 0}\n"
    )
    faults = parse(text).faults
    assert faults == (
        FaultModel(name="a", kind="drop", upper="nic0", lower="nic1", share=0.01),
        FaultModel(name="b", kind="reorder", upper="nic0", lower="nic1", both=True, share=0.5, gap=2),
        FaultModel(
            name="c",
            kind="delay",
            upper="mux",
            lower="nic0",
            at=10**9,
            lasts=2 * 10**9,
            share=0.1,
            delay=2_000_000,
            jitter=1_000_000,
        ),
        FaultModel(name="d", kind="hold", lower="nic0"),
        FaultModel(name="e", kind="status", upper="bulk", lower="mux", status="RESOURCES"),
        FaultModel(name="f", kind="slow", lower="sink", rate=1000),
        FaultModel(name="g", kind="stop", lower="sink", lasts=20_000_000),
        FaultModel(name="h", kind="low_resources", lower="nic1", share=0.06),
        FaultModel(name="i", kind="crash", lower="nic1", at=3 * 10**9),
        FaultModel(name="j", kind="bounce", lower="mux", at=10**9, lasts=20_000_000),
        FaultModel(name="k", kind="bounce", lower="nic0"),
    )
    assert parse(dump_topology(parse(text))).faults == faults


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{on: nic0 -> nic1, drop: 1%}", "the key 'name' is missing"),
        ("{name: A, on: nic0 -> nic1, drop: 1%}", "'A' is not a name"),
        ("{name: a, on: nic0 -> nic1}", "a fault is of exactly one kind, not of 0 (one of: drop, delay,"),
        ("{name: a, on: nic0 -> nic1, drop: 1%, corrupt: 1%}", "exactly one kind, not of 2"),
        ("{name: a, on: nic0 -> nic1, dorp: 1%}", "unknown key (did you mean drop?)"),
        ("{name: a, on: nic0 -> nix1, drop: 1%}", "there is no node 'nix1' (did you mean nic1?)"),
        ("{name: a, on: nic0 -> sink, hold: 1%}", "nothing joins nic0 -> sink"),
        ("{name: a, on: nic0 -> mux, hold: 1%}", "nothing joins nic0 -> mux (write mux -> nic0)"),
        ("{name: a, on: mux <-> nic0, hold: 1%}", "nothing joins mux <-> nic0"),
        (
            "{name: a, on: mux -> nic0, drop: 1%}",
            "drop is not for a binding (name a wire, e.g. nic0 -> nic1,",
        ),
        ("{name: a, on: nic0, corrupt: 1%}", "corrupt is not for a node"),
        (
            "{name: a, on: nic0 -> nic1, hold: 1%}",
            "hold is not for a wire (name a binding, e.g. mux -> nic0)",
        ),
        ("{name: a, on: mux -> nic0, slow: 5}", "slow is not for a binding (name a node, e.g. nic0)"),
        ("{name: a, on: sink, hold: 1%}", "sink is a protocol, nothing above it waits for completions"),
        ("{name: a, on: mux -> nic0, status: SUCCESS}", "no send completes with 'SUCCESS'"),
        (
            "{name: a, on: mux -> nic0, status: FALURE}",
            "no send completes with 'FALURE' (did you mean FAILURE?)",
        ),
        (
            "{name: a, on: nic0 -> nic1, drop: 1%, share: 5%}",
            "drop has no share (it belongs to delay and status)",
        ),
        ("{name: a, on: nic0 -> nic1, drop: 1%, gap: 5}", "drop has no gap (it belongs to reorder)"),
        ("{name: a, on: nic0, stop: 1s, for: 1s}", "stop has no for (stop: 20ms says how long)"),
        ("{name: a, on: nic0, crash: true, for: 1s}", "crash has no for (a node that was killed stays dead)"),
        ("{name: a, on: nic0, crash: false}", "a fault that is none (write crash: true)"),
        ("{name: a, on: nic0, bounce: true}", "'true' is not a duration"),
        ("{name: a, on: nic0, bounce: 5ms, for: 1s}", "bounce has no for (bounce: 20ms says how long)"),
        ("{name: a, on: nic0 -> nic1, bounce: 5ms}", "bounce is not for a wire (name a node, e.g. nic0)"),
        ("{name: a, on: nic0, slow: 0}", "is too small"),
        ("{name: a, on: nic0 -> nic1, drop: 200%}", "is more than the whole"),
        ("drop", "a mapping is wanted here"),
    ],
)
def test_a_fault_that_makes_no_sense_is_told_with_place_and_cure(entry: str, told: str) -> None:
    [found] = problems(WIRED + f"faults: [{entry}]\n")
    assert "faults[0]" in found
    assert told in found


def test_no_two_faults_have_one_name_for_all_draws_come_from_it() -> None:
    text = WIRED + "faults: [{name: a, on: nic0, hold: 1%}, {name: a, on: nic1, hold: 1%}]\n"
    assert "there is another fault 'a'" in problems(text)[0]


def test_a_run_has_a_limited_number_of_faults() -> None:
    many = "".join(f"  - {{name: f{number}, on: nic0, hold: 1%}}\n" for number in range(MAX_FAULTS + 1))
    assert f"{MAX_FAULTS + 1} faults are too many" in problems(f"{WIRED}faults:\n{many}")[0]


def test_a_fault_for_a_live_run_is_read_as_in_a_file() -> None:
    written = {"name": "late", "on": "bulk -> mux", "delay": "2ms", "share": "5%", "for": "1s"}
    fault = FaultModel(
        name="late", kind="delay", upper="bulk", lower="mux", delay=2_000_000, share=0.05, lasts=10**9
    )
    assert parse_fault(parse(STACK), written) == fault


def test_what_is_wrong_with_a_fault_for_a_live_run_is_told_without_places_in_a_file() -> None:
    with pytest.raises(FaultRefused) as caught:
        parse_fault(parse(STACK), {"name": "late", "on": "bulk -> mix", "dealy": "2ms"})
    assert str(caught.value) == "dealy: unknown key (did you mean delay?)"
    with pytest.raises(FaultRefused) as caught:
        parse_fault(parse(STACK), {"name": "late", "on": "bulk -> mix", "delay": "2ms"})
    assert str(caught.value) == "on: there is no node 'mix' (did you mean mux?)"
