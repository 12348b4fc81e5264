"""What the owner of a live run, or its topology's events, can do to the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.events import Broke, Event, Phase, Replied
from orchestrator.failures import OperationFailed
from orchestrator.operations import Stack, Verb
from orchestrator.procedure import TIMER, Operation, Procedure, Send
from orchestrator.script import Limits

if TYPE_CHECKING:
    from orchestrator.failures import RunError
    from orchestrator.plan import Plan
    from orchestrator.topology.model import Topology

_EVENT = "event "


class Steering:
    """The steering half of a `Run`.

    Each call below returns when it has been carried out; it raises OperationFailed when a node refuses or does not
    answer in time, and KeyError for a name that is none. One operation goes on at a time.
    """

    plan: Plan
    topology: Topology
    error: RunError | None
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

    def unbind(self, upper: str, lower: str) -> None:
        """Pause a binding and undo it (N6-UNB-02)."""
        self._carry_out("unbind", upper, lower)

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

    def _take_the_wheel(self, stack: Stack, send: Send, limits: Limits) -> None:
        def arm(after: int) -> None:
            self._timers[TIMER] = self.now() + after

        self._planned: list[Operation] = []
        self._procedure = Procedure(stack, self.plan.names, send, arm, limits.pause, self._ended)

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
        ids = {spec.name: spec.node for spec in self.plan.nodes}
        if not lower:
            return Operation(verb, ids[name], name)
        edge = self._procedure.stack.edge(ids[name], ids[lower])
        return Operation(verb, ids[name], f"{name} -> {lower}", edge)

    def _plan_events(self) -> None:
        """Set a timer for each of the topology's events; all nodes run now."""
        for number, event in enumerate(self.topology.events):
            self._timers[f"{_EVENT}{number}"] = self.now() + event.at

    def _steered(self, key: str) -> bool:
        """Act on a timer of the stack's; False when it is another's."""
        if key == TIMER:
            self._procedure.timed_out()
        elif key.startswith(_EVENT):
            event = self.topology.events[int(key.removeprefix(_EVENT))]
            operation = self._operation(event.verb, event.node, event.lower)
            self._planned.append(operation)
            self._procedure.begin(operation)
        else:
            return False
        return True

    def _answered(self, event: Event) -> bool:
        return isinstance(event, Replied) and self._procedure.answered(event)

    def _ended(self, operation: Operation) -> None:
        self._timers.pop(TIMER, None)
        if operation.error is not None and operation in self._planned:
            self._apply(Broke(OperationFailed, str(operation.error)))

    def _finish_steering(self) -> None:
        """Let what is being done to the stack end before the run does; what waits is not begun."""
        self._procedure.abandon()
        for key in [key for key in self._timers if key.startswith(_EVENT)]:
            del self._timers[key]
        while self._procedure.busy and self._steady:
            self._turn(None, None)
