"""What the owner of a live run, or its topology's events, can do to the stack."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from nodes.metrics import NodeState, PhaseWord
from orchestrator.chronicle import Deed
from orchestrator.events import Broke, Crashed, Event, Exhausted, Phase, Reached, Replied
from orchestrator.failures import OperationFailed
from orchestrator.faults import FaultRecord, Reach, RunFaults, Then
from orchestrator.operations import Stack, Verb
from orchestrator.phase_clock import PhaseClock
from orchestrator.procedure import TIMER, Operation, Procedure, Send
from orchestrator.script import Limits
from orchestrator.topology.quoting import did_you_mean
from shm.board import Word

if TYPE_CHECKING:
    from orchestrator.failures import RunError
    from orchestrator.plan import Plan
    from orchestrator.topology.model import Topology
    from shm.board import Board

_EVENT = "event "


class Steering:
    """The steering half of a `Run`.

    Each call below returns when it has been carried out; it raises OperationFailed when a node refuses or does not
    answer in time, and KeyError for a name that is none. One operation goes on at a time.
    """

    plan: Plan
    topology: Topology
    boards: dict[str, Board]
    error: RunError | None
    started: int
    _timers: dict[str, int]
    _procedure: Procedure

    def pause(self, node: str) -> None:
        """Pause everything on top of a node, from the top down, then the node (N6-PNP-08)."""
        self._carry_out("pause", node)

    def restart(self, node: str) -> None:
        """Restart a paused node, then what is on top of it, from the bottom up; what fails stays paused (N6-PNP-07)."""
        self._carry_out("restart", node)

    def reset(self, node: str) -> str:
        """Reset a miniport's adapter; return the name of the status it ended with (N6-RST-01)."""
        return str(self._carry_out("reset", node))

    def remove(self, node: str) -> None:
        """Pull a miniport's device out: surprise removal up to the halt (N6-UNB-04)."""
        self._carry_out("remove", node)

    def disable(self, node: str) -> None:
        """Take a node down: a protocol's bindings, a filter by detaching it, an adapter with all bindings above it.

        What is paused, unbound and detached for it is what comes back with `enable`; a node that is down stays so.
        """
        self._carry_out("disable", node)

    def enable(self, node: str) -> None:
        """Bring a node up again that was disabled or removed, with a new driver, and what went down with it."""
        self._carry_out("enable", node)

    def unbind(self, upper: str, lower: str) -> None:
        """Pause a binding and undo it (N6-UNB-02)."""
        self._carry_out("unbind", upper, lower)

    def bind(self, upper: str, lower: str) -> None:
        """Open a binding anew that was undone, and restart it; where its adapter is down, it comes with that."""
        self._carry_out("bind", upper, lower)

    def detach(self, node: str) -> None:
        """Take a filter out of the stack, which is paused meanwhile; packets then pass where it was."""
        self._carry_out("detach", node)

    def attach(self, node: str) -> None:
        """Put a detached filter back in its place; the stack is paused meanwhile."""
        self._carry_out("attach", node)

    @property
    def phase(self) -> Phase:
        """Return where the run is between its start and its end."""
        raise NotImplementedError

    def now(self) -> int:
        """Return the time in ns on the run's clock."""
        raise NotImplementedError

    def _turn(self, until: int | None, real_time: float | None) -> None:
        raise NotImplementedError

    def _apply(self, *events: Event) -> None:
        raise NotImplementedError

    def add_fault(self, **written: str) -> None:
        """Add a fault, keys and values as under ``faults:``, `for` written as ``for_``; raises FaultRefused."""
        from orchestrator.topology.faults import FaultRefused, parse_fault

        fault = parse_fault(self.topology, {key.rstrip("_"): value for key, value in written.items()})
        try:
            self._faults.add(fault, self.now())
        except ValueError as error:
            raise FaultRefused(str(error)) from None

    def remove_fault(self, name: str) -> None:
        """End a fault before its time; raises FaultRefused for a name that is none and for what cannot end."""
        from orchestrator.topology.faults import FaultRefused

        try:
            self._faults.remove(name, self.now())
        except KeyError:
            text = f"there is no fault {name!r}"
            hint = did_you_mean(name, self._faults.names())
            raise FaultRefused(f"{text}; {hint}" if hint else text) from None
        except ValueError as error:
            raise FaultRefused(str(error)) from None

    @property
    def faults(self) -> list[FaultRecord]:
        """Return what has become of each fault of the run so far."""
        return self._faults.records(self.boards)

    @property
    def deeds(self) -> list[Deed]:
        """Return what has been done to the stack so far, and who was killed for a broken rule."""
        return list(self._deeds)

    def since_start(self, time: int) -> int:
        """Return how long after every node ran something was, ns; 0 for what came before."""
        return max(time - self.started, 0)

    def _asked(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out what another process of the user asks of the run itself; raises ValueError when it cannot be."""
        match command, arguments:
            case "fault add", {**written}:
                self.add_fault(**{str(key): str(value) for key, value in written.items()})
            case "fault rm", {"name": str(name)}:
                self.remove_fault(name)
            case "fault ls", _:
                return [asdict(record) for record in self.faults]
            case _:
                raise ValueError(f"{command!r} cannot be asked of a run")
        return None

    def _crash(self, name: str) -> None:
        self._crashed.add(name)
        self._apply(Crashed(self.plan.numbers[name]))

    def _bury(self, node: int) -> None:
        """Note on the board of a killed node what it died of, and when: nobody else writes there any more."""
        name = self.plan.names[node]
        state = NodeState.CRASHED if name in self._crashed else NodeState.BUGCHECKED
        self.boards[name].words[Word.STATE] = state
        if state is NodeState.BUGCHECKED:
            now = self.since_start(self.now())
            self._deeds.append(Deed("death", "bug-check", name, now, now))
        for phase in self.boards[name].phases:
            if phase[PhaseWord.BEGAN] and not phase[PhaseWord.ENDED]:
                phase[PhaseWord.ENDED] = self.now()
        self._procedure.died(node)
        self._faults.died(name, self.now())

    def _take_the_wheel(self, stack: Stack, send: Send, limits: Limits) -> None:
        def arm(after: int) -> None:
            self._timers[TIMER] = self.now() + after

        self._planned: dict[Operation, Then] = {}
        self._crashed: set[str] = set()
        self._deeds: list[Deed] = []
        self._under_way = 0
        reach = Reach(self.plan.numbers, send, self._crash, self._disturb)
        self._faults = RunFaults(self.topology.faults, reach, self._timers, PhaseClock(self.topology))
        self._procedure = Procedure(stack, self.plan.names, send, arm, limits.pause, self._told)

    @property
    def _steady(self) -> bool:
        return self.phase is Phase.RUNNING and self.error is None

    def _carry_out(self, verb: Verb, name: str, lower: str = "") -> Any:
        operation = self._operation(verb, name, lower)
        if self.phase is not Phase.RUNNING:
            raise OperationFailed(f"{operation}: the run is {self.phase}, not running")
        self._procedure.begin(operation)
        while not operation.ended and self._steady:
            self._turn(None, None)
        if operation.error is not None:
            raise operation.error
        if self.error is not None:
            raise self.error
        return operation.value

    def _operation(self, verb: Verb, name: str, lower: str) -> Operation:
        ids = self.plan.numbers
        if not lower:
            return Operation(verb, ids[name], name)
        edge = self._procedure.stack.edge(ids[name], ids[lower])
        return Operation(verb, ids[name], f"{name} -> {lower}", edge)

    def _plan_events(self) -> None:
        """Set a timer for each of the topology's events and faults; all nodes run now."""
        self._faults.start(self.started)
        for number, event in enumerate(self.topology.events):
            self._timers[f"{_EVENT}{number}"] = self.started + event.at

    def _steered(self, key: str) -> bool:
        """Act on a timer of the stack's; False when it is another's."""
        if key == TIMER:
            self._procedure.timed_out()
        elif key.startswith(_EVENT):
            event = self.topology.events[int(key.removeprefix(_EVENT))]
            self._plan_operation(
                self._operation(event.verb, event.node, event.lower), lambda was_down, now: None
            )
        else:
            return self._faults.timed_out(key, self.now())
        return True

    def _disturb(self, verb: Verb, name: str, then: Then) -> None:
        """Carry out an operation of a fault; `then` hears of its end."""
        self._plan_operation(self._operation(verb, name, ""), then)

    def _plan_operation(self, operation: Operation, then: Then) -> None:
        self._planned[operation] = then
        self._procedure.begin(operation)

    def _answered(self, event: Event) -> bool:
        """Take what operations and faults wait for; False for everything else."""
        if isinstance(event, Exhausted):
            return self._faults.unblock(self.now())
        if isinstance(event, Reached):
            self._faults.reached(self.plan.names[event.node], event.number, self.now())
            return True
        return isinstance(event, Replied) and (
            self._procedure.answered(event) or self._faults.answered(event)
        )

    def _told(self, operation: Operation) -> None:
        """Note an operation's begin, or its end."""
        now = self.since_start(self.now())
        if not operation.ended:
            self._under_way = len(self._deeds)
            self._deeds.append(Deed("operation", operation.verb, operation.name, now, None))
            return
        result = operation.error or (operation.value if operation.verb == "reset" else "")
        self._deeds[self._under_way] = replace(self._deeds[self._under_way], ended=now, result=str(result))
        self._timers.pop(TIMER, None)
        then = self._planned.pop(operation, None)
        if then is None:
            return
        if operation.error is not None:
            self._apply(Broke(OperationFailed, str(operation.error)))
        else:
            then(operation.was_down, self.now())

    def _finish_steering(self) -> None:
        """Let what is being done to the stack end before the run does; what waits is not begun."""
        self._procedure.abandon()
        for key in [key for key in self._timers if key.startswith(_EVENT)]:
            del self._timers[key]
        self._faults.end_all(self.now())
        while self._procedure.busy and self._steady:
            self._turn(None, None)
