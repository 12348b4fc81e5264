"""Supervision as a pure function of events to actions: no clock, no socket, no process in here.

    starting -> running -> draining -> stopping -> ended

Each phase is a script of steps; a step asks nodes for something and ends when all of them have answered, or when its
time is over. Starting goes from the bottom of the stack to its top, so that nobody sends to a layer that is not there;
stopping goes the other way, after everything on its way has arrived. A node that dies unwanted, stalls or raises ends
the run with a named error; without one that was condemned (for a broken rule, or by a fault) the others go on.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable
from typing import Any

from orchestrator.events import (
    Action,
    Arm,
    Began,
    Broke,
    Bury,
    Conclude,
    Crashed,
    Done,
    End,
    Event,
    Exhausted,
    Exited,
    Fail,
    Failed,
    Hello,
    Interrupted,
    Phase,
    Reason,
    Replied,
    Running,
    Signal,
    SourcesDone,
    Stalled,
    StopWanted,
    Timeout,
    Violated,
    Warn,
)
from orchestrator.failures import (
    CommandRefused,
    NodeDied,
    NodeFailed,
    NodeSilent,
    NodeStalled,
    PauseOverdue,
    RunError,
    RunStuck,
    tell_raised,
)
from orchestrator.requests import Requests
from orchestrator.script import Limits, Roster, Settling, Step, drain_script, start_script, stop_script

_SIGNALS = {"terminate": signal.SIGTERM, "kill": signal.SIGKILL}
_ENDING = frozenset({"exit", "terminate", "kill"})


class Supervisor:
    """Turns what happens in a run into what is to be done about it.

    By `violation_policy` a violation concludes the run (``stop``), is only counted (``report``), or has who broke the
    rule killed and its neighbours told so once it is gone, while the others go on (``bug-check``).
    """

    def __init__(self, roster: Roster, violation_policy: str = "stop", limits: Limits | None = None) -> None:
        self.phase = Phase.NEW
        self._roster = roster
        self._policy = violation_policy
        self._condemned: set[int] = set()
        self._limits = limits or Limits()
        self._script: deque[Step] = deque()
        self._step: Step | None = None
        self._step_number = 0
        self._awaited: set[int] = set()
        self._requests = Requests()
        self._greeted: set[int] = set()
        self._living = set(roster.names)
        self._unpaused: set[int] = set()
        self._restless: set[int] = set()
        self._done: set[int] = set()
        self._settling = Settling()
        self._failed = False
        self._overdue, self._explained = "", False
        self._concluded: Reason | None = None
        self._hasty = False
        self._actions: list[Action] = []

    def handle(self, event: Event) -> list[Action]:
        """Return what to do about one event, in order; nothing once the run has ended."""
        self._actions = []
        if self.phase is Phase.ENDED:
            return self._actions
        match event:
            case Began():
                self._enter(Phase.STARTING, start_script(self._roster, self._limits))
            case Hello(node):
                self._greeted.add(node)
                if self._step is not None and self._step.verb == "hello":
                    self._settled_with(node)
            case Replied():
                self._on_reply(event)
            case Timeout(key):
                self._on_timeout(key)
            case StopWanted(drain):
                self._on_stop(drain)
            case Interrupted():
                self._on_interrupt()
            case _:
                self._on_news(event)
        return self._actions

    def _on_news(self, event: Event) -> None:
        """Take what nodes do on their own account."""
        match event:
            case Done(node):
                self._on_done(node)
            case Violated(_, details):
                self._on_violation(details.get("node", ""))
            case Crashed(node):
                self._condemn(node)
            case Failed(node, error, message, traceback):
                text = tell_raised(f"{error}: {message}", traceback)
                self._fail(NodeFailed, f"driver code of node {self._name(node)} raised {text}")
            case Exited():
                self._on_exit(event)
            case Stalled(node):
                self._say(Signal(node, signal.SIGKILL))
                self._fail(NodeStalled, f"node {self._name(node)} {event}")
            case Broke(error_type, message):
                self._fail(error_type, message)
            case Exhausted():
                self._on_exhausted()

    def _on_done(self, node: int) -> None:
        self._done.add(node)
        if self._roster.sources and self._done >= self._roster.sources:
            self._say(SourcesDone())

    def _on_violation(self, name: str) -> None:
        self._explained |= self.phase is Phase.DRAINING
        if self._policy == "stop":
            self._conclude(Reason.VIOLATION)
        if self._policy == "bug-check":
            self._condemn(self._roster.number(name))

    def _condemn(self, node: int | None) -> None:
        if node is not None and node in self._living - self._condemned:
            self._condemned.add(node)
            self._say(Signal(node, signal.SIGKILL))

    def _on_condemned_gone(self, node: int) -> None:
        self._say(Bury(node))
        for neighbour, edges in self._roster.beside(node, self._living):
            self._send_to([neighbour], "peer_died", edges=edges)
        if node in self._roster.sources and node not in self._done:
            self._on_done(node)

    def _on_reply(self, reply: Replied) -> None:
        node, verb = self._requests.answered(reply.request)
        if self._step is None or node != reply.node:
            return
        if not reply.ok:
            self._on_refusal(verb, reply)
        elif node in self._restless and verb == "pause":
            self._on_late_rest(node)
        elif verb != self._step.verb:
            return
        elif self._step.verb == "settle":
            self._on_wave_answer(reply)
        elif self._step.verb not in _ENDING:
            self._settled_with(reply.node)

    def _on_late_rest(self, node: int) -> None:
        """Take the answer to a pause that was overdue: the node can be halted after all."""
        self._restless.discard(node)
        self._unpaused.discard(node)
        if self._step is not None and self._step.verb == "rest":
            self._settled_with(node)

    def _on_refusal(self, verb: str, reply: Replied) -> None:
        text = f"node {self._name(reply.node)} refused to {verb}: {reply.error}"
        if self.phase is Phase.STARTING:
            self._fail(CommandRefused, text)
            return
        self._say(Warn(text))
        self._unpaused.add(reply.node)
        if verb not in _ENDING and self._step is not None and verb == self._step.verb:
            self._settled_with(reply.node)

    def _on_timeout(self, key: str) -> None:
        if self._step is None:
            return
        if key == f"wave {self._settling.wave}" and self._step.verb == "settle":
            self._begin_wave()
        elif key == f"step {self._step_number}":
            self._on_overdue(self._step)

    def _on_overdue(self, step: Step) -> None:
        late = ", ".join(self._name(node) for node in sorted(self._awaited))
        seconds = f"{step.limit / 1e9:g} s"
        if self.phase is Phase.STARTING:
            self._fail(NodeSilent, f"no answer to {step.verb} in {seconds} from {late}; see what it printed")
            return
        if step.verb == "rest" and self._concluded is not Reason.VIOLATION:
            self._overdue = f"{late} cannot pause: packets handed over are not back"
        elif step.verb == "settle":
            self._say(Warn(f"packets are still on their way {seconds} after the sources had paused"))
        elif step.verb not in {"rest", "exit"}:
            self._say(Warn(f"no answer to {step.verb} in {seconds} from {late}"))
        self._unpaused |= self._awaited
        if step.verb == "pause":
            self._restless |= self._awaited
        self._awaited.clear()
        self._advance()

    def _on_exit(self, exited: Exited) -> None:
        node = exited.node
        self._living.discard(node)
        verb = self._step.verb if self._step is not None else ""
        if node in self._condemned:
            self._on_condemned_gone(node)
        elif verb not in {"terminate", "kill"} and not (verb == "exit" and exited.code == 0):
            self._fail(NodeDied, f"node {self._name(node)} {exited}")
        self._settled_with(node)

    def _on_exhausted(self) -> None:
        names = ", ".join(self._name(node) for node in sorted(self._roster.sources - self._done))
        if not names:
            self._conclude(Reason.DONE)
            return
        self._fail(RunStuck, f"nothing can happen any more, yet {names} has not finished: who holds packets?")

    def _on_stop(self, drain: bool) -> None:
        if self.phase is Phase.RUNNING and drain and not self._failed and not self._hasty:
            self._enter(Phase.DRAINING, drain_script(self._roster, self._limits))
        elif self.phase in {Phase.NEW, Phase.STARTING, Phase.RUNNING} or (
            self.phase is Phase.DRAINING and not drain
        ):
            self._enter(Phase.STOPPING, stop_script(self._roster, self._limits))

    def _on_interrupt(self) -> None:
        self._hasty = self._concluded is not None
        self._conclude(Reason.INTERRUPTED)
        if self.phase in {Phase.STARTING, Phase.DRAINING}:
            self._enter(Phase.STOPPING, stop_script(self._roster, self._limits))
        elif self.phase is Phase.STOPPING:
            self._enter(Phase.STOPPING, stop_script(self._roster, self._limits)[-1:])

    def _fail(self, error: type[RunError], message: str) -> None:
        """Name the first failure; what was being started or drained is stopped at once."""
        if not self._failed:
            self._failed = True
            self._say(Fail(error, message))
            self._conclude(Reason.FAILED)
        if self.phase in {Phase.STARTING, Phase.DRAINING}:
            self._enter(Phase.STOPPING, stop_script(self._roster, self._limits))

    def _conclude(self, reason: Reason) -> None:
        if self._concluded is None:
            self._concluded = reason
            self._say(Conclude(reason))

    def _enter(self, phase: Phase, script: Iterable[Step]) -> None:
        self.phase = phase
        self._script = deque(script)
        self._step = None
        self._awaited.clear()
        self._requests.forget()
        self._advance()

    def _advance(self) -> None:
        """Begin steps until one has somebody to wait for; a script that is through begins the next phase."""
        while not self._awaited:
            if self._script:
                self._begin(self._script.popleft())
            elif self.phase is Phase.STARTING:
                self.phase, self._step = Phase.RUNNING, None
                self._say(Running())
                return
            elif self.phase is Phase.DRAINING and self._overdue and not self._explained:
                self._fail(PauseOverdue, self._overdue)
                return
            elif self.phase is Phase.DRAINING:
                self._enter(Phase.STOPPING, stop_script(self._roster, self._limits))
                return
            else:
                self.phase, self._step = Phase.ENDED, None
                self._say(End())
                return

    def _begin(self, step: Step) -> None:
        self._awaited = set(step.nodes) & self._living
        if step.verb == "rest":
            self._awaited &= self._restless
            if not self._awaited:
                return
        self._step = step
        self._step_number += 1
        if step.verb == "hello":
            self._awaited -= self._greeted
        elif step.verb == "halt":
            self._awaited -= self._unpaused
        if not self._awaited:
            return
        self._say(Arm(f"step {self._step_number}", step.limit))
        if step.verb == "settle":
            self._begin_wave()
        elif step.verb in _SIGNALS:
            self._actions += [Signal(node, _SIGNALS[step.verb]) for node in sorted(self._awaited)]
        elif step.verb not in {"hello", "rest"}:
            broken_off = step.verb == "pause" and self._concluded is Reason.VIOLATION
            self._send_to(self._awaited, step.verb, **({"check": False} if broken_off else {}))

    def _send_to(self, nodes: Iterable[int], command: str, **arguments: Any) -> None:
        self._actions += self._requests.ask(nodes, command, arguments)

    def _settled_with(self, node: int) -> None:
        """Note that the step waits no longer for this node."""
        if node in self._awaited:
            self._awaited.discard(node)
            self._advance()

    def _begin_wave(self) -> None:
        self._settling.begin()
        self._send_to(self._awaited, "settle")

    def _on_wave_answer(self, reply: Replied) -> None:
        if self._settling.note(reply.node, reply.value) < len(self._awaited):
            return
        verdict = self._settling.judge()
        if verdict == "settled":
            self._awaited.clear()
            self._advance()
        elif verdict == "quiet":
            self._begin_wave()
        else:
            self._say(Arm(f"wave {self._settling.wave}", self._limits.wave))

    def _name(self, node: int) -> str:
        return repr(self._roster.names[node])

    def _say(self, action: Action) -> None:
        self._actions.append(action)
