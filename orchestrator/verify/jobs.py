"""The jobs of a verification: what each makes happen, for which drivers, and how it is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.events import Reason
from orchestrator.verify.exercised import Operation
from orchestrator.verify.stacks import DRIVER, Stack, stack_for
from orchestrator.verify.subject import Subject

if TYPE_CHECKING:
    from orchestrator.run import Run
    from orchestrator.topology import Topology

Act = Callable[["Run", Stack], None]

PACKETS = 4000
LOAD = 30_000
"""Packets that a source has in store where things happen to the stack: more than it gets to send."""
WAN_PACKETS = 200
"""What a source sends over WAN links at most: every frame is cut up, framed and put together again."""
CALM = 0.002
"""Seconds, of the run's own time, between two things that happen."""
ROUNDS = 5


def _any(subject: Subject) -> bool:
    return True


@dataclass(frozen=True)
class Job:
    """One job: `what` it is about, for whom (`fits`), what is forced and how the neighbours differ.

    `act` does something to the live run, to which `acts` gives the names; without it the run ends when its sources are
    done. `packets` is what each source sends, 0 for no end. With `sweep` it is run again and again, each time with the
    next allocation of the driver failing, until there is none left to fail.
    """

    name: str
    what: str
    fits: Callable[[Subject], bool] = _any
    mode: Literal["inline", "processes"] = "inline"
    packets: int = PACKETS
    source: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, str] = field(default_factory=dict)
    force: Mapping[str, Any] = field(default_factory=dict)
    nic: str = "verify-nic"
    asker: Mapping[str, Any] | None = None
    act: Act | None = None
    acts: frozenset[Operation] = frozenset()
    sweep: bool = False

    def stack(self, subject: Subject) -> Stack:
        """Return the stack that the job is played in."""
        packets, source = self.packets, dict(self.source)
        if subject.wan:
            packets, source = min(packets // 10, WAN_PACKETS), {**source, "gap": "500us"}
        asker = {"driver": "verify-asker", **self.asker} if self.asker is not None else None
        return stack_for(
            subject.sending(packets),
            {"driver": "verify-source", "packets": packets, **source},
            nic=self.nic,
            asker=asker if answers_oids(subject) else None,
        )

    def topology(self, subject: Subject, stack: Stack, level: int, seed: int) -> Topology:
        """Return the topology of the job; what is forced is forced on the driver only."""
        force = {"force": {**self.force, "nodes": [DRIVER]}} if self.force else {}
        sections = {"seed": seed, "verify": {"level": level, **force}, "policy": dict(self.policy)}
        return stack.topology(subject, self.name, **sections)


def jobs_for(subject: Subject) -> list[Job]:
    """Return the jobs that make sense for a driver, in the order in which they are played."""
    return [job for job in JOBS if job.fits(subject)]


def _takes_sends(subject: Subject) -> bool:
    return subject.kind != "protocol"


def _sends_down(subject: Subject) -> bool:
    return subject.kind in ("protocol", "intermediate") and not subject.wan


def answers_oids(subject: Subject) -> bool:
    """Return whether protocols that ask for OIDs can stand above a driver."""
    return subject.kind != "protocol" and not (subject.wan and subject.kind == "miniport")


def _is_spliced(subject: Subject) -> bool:
    return subject.kind in ("filter", "protocol", "intermediate")


def _calm(run: Run) -> bool:
    """Let the run go on for a while; return whether it still does."""
    return run.wait(CALM, until_done=False) is Reason.TIME


def _pause_and_restart(run: Run, stack: Stack) -> None:
    for node in (DRIVER, stack.adapter) * ROUNDS:
        if not _calm(run):
            return
        run.pause(node)
        if not _calm(run):
            return
        run.restart(node)
    _calm(run)


def _reset(run: Run, stack: Stack) -> None:
    for _ in range(ROUNDS):
        if not _calm(run):
            return
        run.reset(stack.adapter)
    _calm(run)


def _remove(run: Run, stack: Stack) -> None:
    if _calm(run):
        run.remove(stack.adapter)
        _calm(run)


def _splice(run: Run, stack: Stack) -> None:
    """Take the driver out and put it back, or undo its binding, as far as that can be done to one of its kind."""
    if not _calm(run):
        return
    if run.topology.nodes[DRIVER].kind != "filter":
        run.unbind(DRIVER, stack.lower)
        _calm(run)
        return
    for _ in range(ROUNDS):
        run.detach(DRIVER)
        if not _calm(run):
            return
        run.attach(DRIVER)
        if not _calm(run):
            return


def _stop_soon(run: Run, stack: Stack) -> None:
    _calm(run)


JOBS: tuple[Job, ...] = (
    Job(
        "connectivity",
        "calls of 1 to 512 packets of all shapes go both ways, delivered at PASSIVE and at DISPATCH",
        policy={"delivery_irql": "random"},
        acts=frozenset({Operation.IRQL}),
    ),
    Job("connectivity-processes", "the same with a process for every layer", mode="processes"),
    Job(
        "out-of-order",
        "completions and returns come, and are made to leave, in drawn order across calls",
        force={"completion_order": "random"},
    ),
    Job(
        "early-completion",
        "completions come before the call that made the request has returned",
        fits=_sends_down,
        packets=400,
        policy={"early_completion": "yes"},
        acts=frozenset({Operation.EARLY}),
    ),
    Job(
        "cancel-storm",
        "half of all calls are cancelled, at once or a little later",
        fits=_takes_sends,
        source={"cancel": 0.5},
    ),
    Job(
        "pause-restart-under-load",
        "the driver, and what lies below it, is paused and restarted while packets are under way",
        packets=LOAD,
        source={"gap": "200us"},
        act=_pause_and_restart,
        acts=frozenset({Operation.PAUSE}),
    ),
    Job(
        "reset-under-load",
        "the adapter at the bottom is reset while packets are under way",
        packets=LOAD,
        source={"gap": "20us"},
        act=_reset,
        acts=frozenset({Operation.RESET}),
    ),
    Job(
        "removal-under-load",
        "the adapter at the bottom is pulled out while packets are under way",
        packets=LOAD,
        source={"gap": "200us"},
        asker={"rounds": 1000},
        act=_remove,
        acts=frozenset({Operation.REMOVAL, Operation.PAUSE}),
    ),
    Job(
        "pnp",
        "the driver is taken out of the stack and put back, or unbound, while packets are under way",
        fits=_is_spliced,
        packets=LOAD,
        source={"gap": "200us"},
        act=_splice,
        acts=frozenset({Operation.UNBIND, Operation.PAUSE}),
    ),
    Job(
        "low-resources",
        "six of a hundred allocations of the driver fail",
        force={"low_resources": 0.06},
    ),
    Job(
        "low-resources-sweep",
        "the driver's first allocation fails, in the next run its second one, until none is left to fail",
        packets=200,
        sweep=True,
    ),
    Job(
        "force-pending",
        "whatever could be answered at once is answered PENDING first",
        force={"pending": True},
    ),
    Job("delay", "completions and returns are held back for up to a millisecond", force={"delay": "1ms"}),
    Job(
        "oid-set",
        "the mandatory OIDs are queried and set, with room and without, regular and direct",
        fits=answers_oids,
        packets=400,
        nic="miniport",
        asker={},
    ),
    Job(
        "oid-cancel",
        "every OID request is cancelled as soon as it is out",
        fits=answers_oids,
        packets=400,
        nic="miniport",
        asker={"cancel": True},
    ),
    Job(
        "halt-leaks",
        "the run ends in the middle of things: all comes back, nothing is left in a pool",
        packets=LOAD,
        source={"gap": "200us"},
        act=_stop_soon,
    ),
)
"""All jobs, in the order in which they are played."""
