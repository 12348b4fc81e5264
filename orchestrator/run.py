"""Launch a topology: `with launch(topology) as run:` owns its segments, sockets and processes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from nodes.metrics import Counter
from orchestrator.assembly import Parts, assemble
from orchestrator.clean import clean
from orchestrator.events import (
    Action,
    Arm,
    Began,
    Bury,
    Conclude,
    End,
    Event,
    Fail,
    Forced,
    Phase,
    Reason,
    Replied,
    Running,
    Send,
    Signal,
    SourcesDone,
    StopWanted,
    Timeout,
    Violated,
    Warn,
)
from orchestrator.failures import PauseOverdue, RunError
from orchestrator.fleet import Fleet
from orchestrator.history import with_history
from orchestrator.holdings import find_holdings, tell_holders
from orchestrator.inline import Scheduler, SeededScheduler
from orchestrator.operations import Stack
from orchestrator.plan import Plan, compile_plan
from orchestrator.processes import ForkServer
from orchestrator.processors import Processors
from orchestrator.query import QueryServer
from orchestrator.replays import prepare_captures
from orchestrator.rundir import RunDirectory, run_details
from orchestrator.script import Limits, Roster
from orchestrator.series import Sampler
from orchestrator.signals import Signals
from orchestrator.steering import Steering
from orchestrator.supervisor import Supervisor
from shm.arena import Arena
from shm.board import Board

if TYPE_CHECKING:
    from orchestrator.topology.model import Topology

Mode = Literal["processes", "inline"]
ViolationPolicy = Literal["stop", "report", "bug-check"]

STALL_AFTER_S = 10.0
KEPT_VIOLATIONS = 1000
"""Violations beyond these are counted on the boards only."""
_SECRET_BYTES = 32


def launch(
    topology: Topology,
    *,
    mode: Mode = "processes",
    output: Path | None = None,
    violation_policy: ViolationPolicy | None = None,
    warm: ForkServer | None = None,
    stall_after: float = STALL_AFTER_S,
    limits: Limits | None = None,
    scheduler: Scheduler | None = None,
) -> Run:
    """Return a run of `topology`, which begins when its block is entered.

    `output` is where drivers put files, made if need be, `violation_policy` what a broken rule ends (default: as
    the topology says). `warm` is a fork server begun earlier (it stays open), `stall_after` the seconds
    without progress that make a node a stalled one, `scheduler` decides the interleaving in mode inline (default:
    drawn by the topology's seed).
    """
    supervise = (violation_policy or topology.on_violation, stall_after, limits)
    return Run(topology, mode, output, supervise, warm, scheduler or SeededScheduler(topology.seed))


class Run(Steering):
    """A run of a topology: a context manager that starts it and, by whatever way it is left, ends all of it.

    Within the block Ctrl-C and SIGTERM are noted and end `wait`; an impatient third one raises KeyboardInterrupt.

    `violations` are as the nodes reported them (`at` on the run's clock), `forced` the single allocations that were
    made to fail, `error` is what ended the run early (a RunError) or None, `warnings` tell what went wrong while it
    stopped, `reason` why it came to its end. `started` and `ended` are ns on the run's clock (virtual in mode inline),
    0 before. `arena`, `boards` and `pids` stay readable after the end.
    """

    id: str
    directory: Path
    plan: Plan
    arena: Arena
    boards: dict[str, Board]
    sampler: Sampler

    def __init__(
        self,
        topology: Topology,
        mode: Mode,
        output: Path | None,
        supervise: tuple[ViolationPolicy, float, Limits | None],
        server: ForkServer | None,
        scheduler: Scheduler,
    ) -> None:
        self.topology = topology
        self.name = topology.name
        self.mode = mode
        self.output = output
        self.violations: list[dict[str, Any]] = []
        self.forced: list[Forced] = []
        self.warnings: list[str] = []
        self.error: RunError | None = None
        self.reason: Reason | None = None
        self.started = 0
        self.ended = 0
        self.violation_policy, self._stall_after, self._limits = supervise
        self._server = server
        self._scheduler = scheduler
        self._resources = ExitStack()
        self._signals = Signals()
        self._timers: dict[str, int] = {}
        self._sources_done = False
        self._conclusion: Reason | None = None
        self._fleet: Fleet
        self._queries: QueryServer
        self._supervisor: Supervisor

    def __enter__(self) -> Self:
        """Start the run; returns when every node is Running, or when the user interrupted the start.

        Raises the named error of whatever failed, with nothing left behind. Once packets flow a failure ends the run
        instead: there is something to report then.
        """
        try:
            self._build()
            self._apply(Began())
            self._turn_while(Phase.STARTING)
        except BaseException:
            self._resources.close()
            raise
        if self.error is not None and not any(board.counters[Counter.SENT] for board in self.boards.values()):
            error = self.error
            self.stop()
            raise error
        self.started = self.started or self.now()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the run in order, whatever is on its way out."""
        self.stop()

    @property
    def pids(self) -> dict[int, int]:
        """Return the process id of each node id, also of those that have ended."""
        return self._fleet.pids

    @property
    def phase(self) -> Phase:
        """Return where the run is between its start and its end."""
        return self._supervisor.phase

    @property
    def trace_sha256(self) -> str | None:
        """Return the hash of everything recorded so far, in mode inline; None with processes."""
        return self._fleet.trace_sha256()

    def now(self) -> int:
        """Return the time in ns on the run's clock."""
        return self._fleet.now()

    def wait(
        self,
        seconds: float | None = None,
        *,
        until_done: bool = True,
        on_tick: Callable[[Run], None] | None = None,
        tick: float = 0.25,
    ) -> Reason:
        """Let the run go on for `seconds` (virtual in mode inline; None: without limit); return why this
        ended.

        It ends early when the sources are done (with `until_done`), a node fails, the user interrupts, or a
        rule is broken under the policy ``stop``. `on_tick` is called every `tick` seconds of real time.
        """
        until = None if seconds is None else self.now() + round(seconds * 1e9)
        next_tick = time.monotonic() + tick
        while (reason := self._reason(until, until_done)) is None:
            self._turn(until, None if on_tick is None else next_tick)
            if on_tick is not None and time.monotonic() >= next_tick:
                next_tick = time.monotonic() + tick
                on_tick(self)
        self.reason = reason
        return reason

    def stop(self, *, drain: bool = True) -> None:
        """End the run: pause, drain, terminate, kill, reap, unlink. Every step is bounded; twice is once.

        Ctrl-C while it drains, or ``drain=False``, skips to the ending of the processes.
        """
        try:
            if self.phase is not Phase.ENDED:
                self._finish_steering()
                self._note_end()
                self._apply(StopWanted(drain))
                self._turn_while(Phase.DRAINING, Phase.STOPPING)
        finally:
            self._resources.close()

    def _build(self) -> None:
        """Make everything that the run owns; the resources close in the opposite order."""
        self._resources.callback(self._signals.close)
        self._resources.enter_context(self._signals)
        if self.mode == "processes":
            self._server = self._server or self._resources.enter_context(ForkServer())
            self._server.preload({node.reference for node in self.topology.nodes.values()})
        clean()
        directory = RunDirectory.create()
        self._resources.callback(directory.remove)
        self.id, self.directory = directory.token, directory.path
        self.plan = compile_plan(
            prepare_captures(self.topology, directory.path),
            token=directory.number,
            token_text=directory.token,
            directory=directory.path,
            output=self.output,
            secret=secrets.token_bytes(_SECRET_BYTES),
        )
        memory, self._fleet = assemble(self.plan, directory.number, self._parts(), self._resources)
        self.arena, self.boards = memory.arena, memory.boards
        self.sampler = Sampler(self.plan.nodes, self.boards, self.arena)
        stack = Stack(self.plan.nodes, self.topology.policy.removal_order)
        plan, resting = self.plan, (stack.paused, stack.halted)
        roster = Roster(plan.names, plan.levels, plan.sources, *resting, plan.neighbours)
        self._take_the_wheel(stack, self._fleet.send, self._limits or Limits())
        self._supervisor = Supervisor(roster, self.violation_policy, self._limits)
        if self.output is not None:
            self.output.mkdir(parents=True, exist_ok=True)
        self._queries = QueryServer(directory.path, plan.numbers, self._fleet.send, self._asked)
        self._resources.callback(self._queries.close)
        self._fleet.watch(self._queries.socket)
        self._fleet.start()
        details = run_details(directory.token, self.name, self.mode, self.plan.nodes, self.pids)
        directory.write(details, self.plan.nodes)
        self.processors = Processors(self.pids if self.mode == "processes" else {})

    def _parts(self) -> Parts:
        crashes = any(fault.kind == "crash" for fault in self.topology.faults)
        on_events = self._apply if crashes or self.violation_policy == "bug-check" else None
        server = self._server if self.mode == "processes" else None
        stall_ns = round(self._stall_after * 1e9)
        return Parts(server, self._scheduler, self._signals, stall_ns, on_events)

    def _turn_while(self, *phases: Phase) -> None:
        while self.phase in phases:
            self._turn(None, None)

    def _note_end(self) -> None:
        if self.started and not self.ended:
            self.ended = self.now()
            self.sampler.end(self.ended)
            self.processors.end()

    def _turn(self, until: int | None, real_time: float | None) -> None:
        """Act on the next events, waiting to `until` (ns on the run's clock) or `real_time` (s) at most."""
        times = [*self._timers.values(), *([] if until is None else [until])]
        if real_time is not None and self.mode == "processes":
            times.append(round(real_time * 1e9))
        if times and self.sampler.due is not None:  # alone it does not keep a clock going
            times.append(self.sampler.due)
        self._apply(*self._fleet.events(min(times, default=None)))
        self._queries.receive()
        now = self._fleet.now()
        self.sampler.look(now)
        for key in [key for key, due in self._timers.items() if due <= now]:
            del self._timers[key]
            if not self._steered(key):
                self._apply(Timeout(key))

    def _reason(self, until: int | None, until_done: bool) -> Reason | None:
        """Return why waiting is over, None while it is not."""
        if self.error is not None:
            return Reason.FAILED
        if self._conclusion is not None:
            return self._conclusion
        if until_done and self._sources_done:
            return Reason.DONE
        if until is not None and self.now() >= until:
            return Reason.TIME
        return None

    def _holders(self) -> str:
        """Say who holds whose packets, for an error that comes from that."""
        specs = self.plan.nodes
        return tell_holders(find_holdings(self.arena, specs, set(), self.now()), specs)

    def _apply(self, *events: Event) -> None:
        for event in events:
            if self._answered(event) or (isinstance(event, Replied) and self._queries.answer(event)):
                continue
            if isinstance(event, Violated) and len(self.violations) < KEPT_VIOLATIONS:
                noted = event.details | {"at": self.now()}
                self.violations.append(with_history(noted, self.plan.nodes, self.boards))
            if isinstance(event, Forced):
                self.forced.append(event)
            for action in self._supervisor.handle(event):
                self._act(action)

    def _act(self, action: Action) -> None:
        match action:
            case Send(node, request, command, arguments):
                self._fleet.send(node, request, command, arguments)
            case Signal(node, number):
                self._fleet.signal(node, number)
            case Bury(node):
                self._bury(node)
            case Arm(key, after):
                self._timers[key] = self.now() + after
            case Running():
                self.started = self.now()
                self.sampler.begin(self.started)
                self.processors.begin()
                self._plan_events()
            case SourcesDone():
                self._sources_done = True
            case Conclude(reason):
                self.reason = self._conclusion = reason
            case Fail(error, message):
                self._note_end()
                held = self._holders() if error is PauseOverdue else ""
                self.error = error(f"{message}; {held}" if held else message)
            case Warn(message):
                self.warnings.append(message)
            case End():
                self._timers.clear()
