"""The faults of a run: which nodes carry each out, when it begins and ends, how many packets it has hit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nodes.faults import Fault
from nodes.faults.fault import MAX_FAULTS
from nodes.metrics import FIRST_FAULT
from nodes.status import Status
from orchestrator.events import Replied

if TYPE_CHECKING:
    from orchestrator.operations import Verb
    from orchestrator.phase_clock import PhaseClock
    from orchestrator.topology.model import FaultModel
    from shm.board import Board

FIRST_REQUEST = 1 << 48
"""Requests from here on begin and end faults; the supervisor numbers its own from 1."""
_TIMER = "fault "
_ON_PACKETS = frozenset(
    {"drop", "delay", "duplicate", "reorder", "corrupt", "hold", "status", "low_resources"}
)
"""Kinds whose draws must not depend on when the first packet comes."""
_ON_STACK = frozenset({"crash", "bounce"})
"""Kinds that no node is told of as a fault."""

Send = Callable[[int, int, str, dict[str, Any]], None]
"""Gives a command to a node: node, request, command, arguments."""
Then = Callable[[bool, int], None]
"""Hears that an operation has ended: whether its node was down as it began, and the time (ns)."""


@dataclass(frozen=True)
class Reach:
    """What faults reach a run by.

    `nodes` are ids by name, `send` gives commands to nodes, `crash` kills a node so that the others go on, `operate`
    does something to a node in its stack.
    """

    nodes: Mapping[str, int]
    send: Send
    crash: Callable[[str], None]
    operate: Callable[[Verb, str, Then], None]


@dataclass(frozen=True)
class FaultRecord:
    """What became of one fault: it began and ended so many ns after every node ran (None: not yet), and hit `hit`.

    What a bounce hits is its node, once it has come back.
    """

    name: str
    kind: str
    where: str
    began: int | None
    ended: int | None
    hit: int


class _Running:
    """One fault on its way: `row` is its number in the run.

    Of a bounce, `returning` says that its node is about to come back, `bounces` how often it has.
    """

    def __init__(self, row: int, model: FaultModel) -> None:
        self.row = row
        self.model = model
        self.began: int | None = None
        self.ended: int | None = None
        self.returning = False
        self.bounces = 0

    @property
    def in_force(self) -> bool:
        """Return whether it has begun and not ended."""
        return self.began is not None and self.ended is None


class RunFaults:
    """The faults of one run, from its topology and from whoever adds more while it goes on.

    `timers` are the run's, by key; `phases` knows where sources are, for faults that go with a phase.
    """

    def __init__(
        self, models: Iterable[FaultModel], reach: Reach, timers: dict[str, int], phases: PhaseClock
    ) -> None:
        self._faults = [_Running(row, model) for row, model in enumerate(models)]
        self._reach = reach
        self._timers = timers
        self._phases = phases
        self._requests = 0
        self._started = 0
        self._over = False

    def start(self, now: int) -> None:
        """Begin what is to be there from the beginning, and set timers for the rest; every node runs now (ns)."""
        self._started = now
        for fault in self._faults:
            self._plan(fault, now, told=_from_the_start(fault.model, self._phases))

    def add(self, model: FaultModel, now: int) -> None:
        """Add a fault to a run that goes on; raises ValueError when it cannot have it."""
        if not self._started or self._over:
            raise ValueError("the run is starting or ending; a fault needs nodes that run")
        if any(fault.model.name == model.name for fault in self._faults):
            raise ValueError(f"the run has or had a fault {model.name!r}; give this one another name")
        if len(self._faults) >= MAX_FAULTS:
            raise ValueError(f"a run has at most {MAX_FAULTS} faults, and this one had them")
        if model.during and self._phases.over(model.during):
            raise ValueError(f"the phase {model.during} of this run is over; name one that is to come")
        fault = _Running(len(self._faults), model)
        self._faults.append(fault)
        self._plan(fault, now)

    def remove(self, name: str, now: int) -> None:
        """End a fault before its time, or keep it from beginning; raises KeyError for a name that is none.

        Raises ValueError for a crash that has happened.
        """
        fault = next((fault for fault in self._faults if fault.model.name == name), None)
        if fault is None:
            raise KeyError(name)
        if fault.model.kind == "crash" and fault.began is not None:
            raise ValueError(f"{fault.model.lower} was killed by {name} and cannot be started again")
        self._end(fault, now)

    def reached(self, node: str, number: int, now: int) -> None:
        """Begin and end what goes with the phases of a source, which has come to the one of this number."""
        self._phases.reached(node, number)
        self._keep_step(now)

    def died(self, node: str, now: int) -> None:
        """End what goes with a phase that no source is in any more, as this node is dead."""
        self._phases.gone(node)
        self._keep_step(now)

    def names(self) -> list[str]:
        """Return the names of all faults of the run, also of those that have ended."""
        return [fault.model.name for fault in self._faults]

    def timed_out(self, key: str, now: int) -> bool:
        """Begin or end the fault whose timer this was; False when it is another's."""
        if not key.startswith(_TIMER):
            return False
        fault = self._faults[int(key.removeprefix(_TIMER))]
        if fault.began is None:
            self._begin(fault, now)
        else:
            self._end(fault, now)
        return True

    def end_all(self, now: int) -> None:
        """End whatever is in force, and begin nothing more: the run ends."""
        self._over = True
        for fault in self._faults:
            self._end(fault, now)

    def unblock(self, now: int) -> bool:
        """End what keeps packets for good, as nothing else can happen; return whether there was anything."""
        holds = [fault for fault in self._faults if fault.model.kind == "hold" and fault.in_force]
        for fault in holds:
            self._end(fault, now)
        return bool(holds)

    def answered(self, event: Replied) -> bool:
        """Take a node's reply to a fault's command; False when it is to something else."""
        return event.request >= FIRST_REQUEST

    def records(self, boards: Mapping[str, Board]) -> list[FaultRecord]:
        """Return what has become of each fault so far, counts read from the boards of the nodes."""
        return [
            FaultRecord(
                fault.model.name,
                fault.model.kind,
                fault.model.where,
                self._since_start(fault.began),
                self._since_start(fault.ended),
                self._hits(fault, boards),
            )
            for fault in self._faults
        ]

    def _keep_step(self, now: int) -> None:
        for fault in self._faults if self._started and not self._over else ():
            if fault.model.during:
                self._step(fault, now)

    def _step(self, fault: _Running, now: int) -> None:
        """Begin or end a fault that goes with a phase, where that is or was."""
        if fault.began is None and fault.ended is None and self._phases.on(fault.model.during):
            self._begin(fault, now)
        elif fault.in_force and fault.model.kind != "crash" and self._phases.left(fault.model.during):
            self._end(fault, now)

    def _plan(self, fault: _Running, now: int, *, told: bool = False) -> None:
        if fault.model.during:
            if told:
                self._begin(fault, now, told=True)
            self._step(fault, now)
            return
        due = self._started + fault.model.at
        if due <= now:
            self._begin(fault, now, told=told)
        else:
            self._timers[f"{_TIMER}{fault.row}"] = due

    def _begin(self, fault: _Running, now: int, *, told: bool = False) -> None:
        """Begin a fault, of which the nodes have been `told` if they know of it since they were made."""
        fault.began = now
        if fault.model.kind == "crash":
            self._reach.crash(fault.model.lower)
            return
        if fault.model.kind == "bounce":
            self._reach.operate("disable", fault.model.lower, partial(self._gone, fault))
            return
        for node, part in parts_of(fault.model, fault.row).items() if not told else ():
            self._ask(node, {"begin": part.pack()})
        if fault.model.lasts:
            self._timers[f"{_TIMER}{fault.row}"] = now + fault.model.lasts

    def _end(self, fault: _Running, now: int) -> None:
        self._timers.pop(f"{_TIMER}{fault.row}", None)
        if fault.model.kind == "bounce" and fault.in_force and not self._over:
            self._bring_back(fault)
            return
        told = fault.in_force and fault.model.kind not in _ON_STACK
        for node in parts_of(fault.model, fault.row) if told else ():
            self._ask(node, {"end": fault.row})
        fault.ended = fault.ended or now

    def _gone(self, fault: _Running, was_down: bool, now: int) -> None:
        """Let a node that is down now stay so for its time; one that was down before is left alone."""
        if was_down:
            fault.ended = now
        elif not self._over and not fault.returning:
            self._timers[f"{_TIMER}{fault.row}"] = now + fault.model.lasts

    def _bring_back(self, fault: _Running) -> None:
        if not fault.returning:
            fault.returning = True
            self._reach.operate("enable", fault.model.lower, partial(self._back, fault))

    def _back(self, fault: _Running, was_down: bool, now: int) -> None:
        fault.bounces += was_down
        fault.ended = now

    def _ask(self, node: str, arguments: dict[str, Any]) -> None:
        node_id, request = self._reach.nodes[node], FIRST_REQUEST + self._requests
        self._reach.send(node_id, request, "fault", arguments)
        self._requests += 1

    def _since_start(self, time: int | None) -> int | None:
        return None if time is None else max(time - self._started, 0)

    def _hits(self, fault: _Running, boards: Mapping[str, Board]) -> int:
        if fault.model.kind == "crash":
            return int(fault.began is not None)
        if fault.model.kind == "bounce":
            return fault.bounces
        return sum(
            int(boards[node].counters[FIRST_FAULT + fault.row]) for node in parts_of(fault.model, fault.row)
        )


def parts_of(model: FaultModel, row: int) -> dict[str, Fault]:
    """Return what a fault is to the nodes that carry it out: those that receive frames, or that complete sends."""
    ways = {model.lower: model.upper} | ({model.upper: model.lower} if model.both else {})
    return {
        node: Fault(
            model.name,
            row,
            model.kind,
            peer=peer,
            share=model.share,
            delay=model.delay,
            jitter=model.jitter,
            gap=model.gap,
            status=int(Status[model.status]) if model.status else 0,
            rate=model.rate,
        )
        for node, peer in ways.items()
    }


def faults_from_the_start(
    models: Iterable[FaultModel], node: str, phases: PhaseClock
) -> tuple[dict[str, Any], ...]:
    """Return what a node is told of faults with its spec: those that must be there before the first packet."""
    parts = [
        parts_of(model, row).get(node) for row, model in enumerate(models) if _from_the_start(model, phases)
    ]
    return tuple(part.pack() for part in parts if part is not None)


def _from_the_start(model: FaultModel, phases: PhaseClock) -> bool:
    at_once = phases.first(model.during) if model.during else not model.at
    return at_once and model.kind in _ON_PACKETS
