"""From a `Run` to its snapshot and report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.metrics import NodeState
from orchestrator.bottleneck import generator_bottleneck
from orchestrator.history import packet_history
from orchestrator.observe import NodeView, Snapshot, observe
from orchestrator.pace import with_pace
from orchestrator.phases import RunPhases
from orchestrator.report import Report, RunFacts, build_report
from orchestrator.setup_model import setup_of
from orchestrator.topology.phases import plans_of

if TYPE_CHECKING:
    from orchestrator.run import Run


def look(run: Run) -> Snapshot:
    """Return how a run stands now, while it goes on."""
    return observe(run.plan.nodes, run.boards, run.arena, run.now())


def report_of(run: Run) -> Report:
    """Return the report of a run that has been stopped.

    Where every node was halted in order the counts are final, also where one was bug-checked that sent nothing itself;
    after any other death, packets on their last hop home count as in flight.
    """
    specs = run.plan.nodes
    snapshot = look(run)
    if all(_at_rest(node) for node in snapshot.nodes.values()):
        snapshot = observe(specs, run.boards, run.arena, snapshot.time, settled=True)
    topology = run.topology
    ended = run.ended or snapshot.time
    phases = RunPhases(plans_of(topology.nodes), run.boards, run.started, ended)
    facts = RunFacts(
        id=run.id,
        name=run.name,
        seed=topology.seed,
        mode=run.mode,
        duration_s=max(0, ended - run.started) / 1e9,
        ended=str(run.reason or "stopped"),
        drivers={name: node.driver for name, node in topology.nodes.items()},
        pids={spec.name: run.pids[spec.node] for spec in specs} if run.mode == "processes" else {},
        thresholds=topology.thresholds,
        violations=[violation | {"at": run.since_start(violation["at"])} for violation in run.violations],
        error=f"{type(run.error).__name__}: {run.error}".rstrip() if run.error else None,
        void=generator_bottleneck(snapshot, topology.thresholds),
        trace_sha256=run.trace_sha256,
        series=run.sampler.rows(),
        faults=run.faults,
        deeds=run.deeds,
        phases=phases.rows(),
        phase_metrics=phases.metrics(topology.thresholds),
        started=run.started,
        setup=setup_of(topology, run.violation_policy),
    )
    report = build_report(facts, snapshot, lambda handle: packet_history(specs, run.boards, handle))
    return with_pace(report, run.processors.use(), run.plan.names, topology.thresholds)


def _at_rest(node: NodeView) -> bool:
    killed = node.state in (NodeState.BUGCHECKED, NodeState.CRASHED)
    silent = killed and not node.counters["sent"]
    return silent or node.state is NodeState.HALTED
