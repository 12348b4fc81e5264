"""Make what a run consists of: its memory, and its nodes as processes or inline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from orchestrator.fleet import Fleet, ProcessFleet
from orchestrator.inline import InlineFleet, Scheduler
from orchestrator.memory import RunMemory
from orchestrator.plan import Plan
from orchestrator.processes import ForkServer
from orchestrator.signals import Signals


@dataclass(frozen=True)
class Parts:
    """What nodes are made with.

    `server` is None where they live in this process, in the order of `scheduler`; `on_events` then takes what happens
    while a driver waits, if set. `stall_after_ns` without progress make a process a stalled one.
    """

    server: ForkServer | None
    scheduler: Scheduler
    signals: Signals
    stall_after_ns: int
    on_events: Callable[..., None] | None


def assemble(plan: Plan, token: int, parts: Parts, resources: ExitStack) -> tuple[RunMemory, Fleet]:
    """Return the memory and the nodes of a run, none of which has begun; `resources` unlinks and closes them.

    Raises SharedMemoryFull before anything is made.
    """
    fleet: Fleet
    if parts.server is None:
        memory = RunMemory.local(plan)
        fleet = inline = InlineFleet(plan, memory, parts.scheduler, parts.signals)
        inline.on_events = parts.on_events
    else:
        memory = RunMemory.create(plan, token)
        resources.callback(memory.unlink)
        fleet = ProcessFleet(plan, memory.boards, parts.server, parts.signals, parts.stall_after_ns)
    resources.callback(fleet.close)
    return memory, fleet
