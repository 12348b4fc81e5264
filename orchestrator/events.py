"""What the supervisor is told (events) and asks for (actions): plain values, so that histories compare."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.failures import RunError


class Phase(StrEnum):
    """Where a run is between its start and its end."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPING = "stopping"
    ENDED = "ended"


class Reason(StrEnum):
    """Why a run came to its end."""

    DONE = "done"
    TIME = "time"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    VIOLATION = "violation"


@dataclass(frozen=True)
class Began:
    """All nodes have been started; their hellos are due."""


@dataclass(frozen=True)
class Hello:
    """A node has connected and shown the run's secret."""

    node: int


@dataclass(frozen=True)
class Replied:
    """A node answered a command, with a value or with an error."""

    node: int
    request: int
    ok: bool = True
    value: Any = None
    error: str = ""


@dataclass(frozen=True)
class Done:
    """A source has sent all it wanted, and all of it came back."""

    node: int


@dataclass(frozen=True)
class Reached:
    """A source's schedule has come to the phase of this number, from 0; one more than the last: it is over."""

    node: int
    number: int


@dataclass(frozen=True)
class Violated:
    """A driver broke a rule of the contract; `details` is the violation as the report shows it."""

    node: int
    details: dict[str, Any]


@dataclass(frozen=True)
class Forced:
    """The allocation of a driver that was to fail has failed, at `where` in its code (``file:line``, or empty)."""

    node: int
    allocation: int
    where: str


@dataclass(frozen=True)
class Crashed:
    """A fault of the run kills this node, and the others are to go on."""

    node: int


@dataclass(frozen=True)
class Failed:
    """Driver code raised."""

    node: int
    error: str
    message: str
    traceback: str = ""


@dataclass(frozen=True)
class Exited:
    """A node's process ended by `code`, by `signal`, or unknown how (both None), in its last state."""

    node: int
    code: int | None = None
    signal: int | None = None
    state: str = ""
    progress: int = 0

    def __str__(self) -> str:
        how = "ended, nobody knows how"
        if self.signal is not None:
            how = f"was killed by {signal.Signals(self.signal).name}"
        elif self.code is not None:
            how = f"ended with exit status {self.code}"
        return f"{how} in state {self.state} after {self.progress} rounds"


@dataclass(frozen=True)
class Stalled:
    """A node's progress word has not moved for `seconds`."""

    node: int
    seconds: float
    state: str = ""
    progress: int = 0

    def __str__(self) -> str:
        stood = f"stands still: no progress for {self.seconds:g} s in state {self.state}"
        return f"{stood} after {self.progress} rounds; its driver loops or blocks"


@dataclass(frozen=True)
class Broke:
    """The run's own machinery failed."""

    error: type[RunError]
    message: str


@dataclass(frozen=True)
class Interrupted:
    """The user asked for the end by SIGINT or SIGTERM."""


@dataclass(frozen=True)
class Exhausted:
    """Nothing is runnable and no timer is set: in a run of one process nothing can ever happen again."""


@dataclass(frozen=True)
class StopWanted:
    """The owner of the run wants it to end; without `drain` at once."""

    drain: bool = True


@dataclass(frozen=True)
class Timeout:
    """The time set by an `Arm` of this key is over."""

    key: str


Event = (
    Began
    | Hello
    | Replied
    | Done
    | Reached
    | Violated
    | Forced
    | Crashed
    | Failed
    | Exited
    | Stalled
    | Broke
    | Interrupted
    | Exhausted
    | StopWanted
    | Timeout
)


@dataclass(frozen=True)
class Send:
    """Send a command to a node; its reply carries the same `request`."""

    node: int
    request: int
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Signal:
    """Send a signal to a node's process."""

    node: int
    number: signal.Signals


@dataclass(frozen=True)
class Bury:
    """Note on the board of a node that it was killed, on purpose: nobody else writes there any more."""

    node: int


@dataclass(frozen=True)
class Arm:
    """Bring `Timeout(key)` after `after` ns; a key armed again starts anew."""

    key: str
    after: int


@dataclass(frozen=True)
class Running:
    """Every node is Running."""


@dataclass(frozen=True)
class SourcesDone:
    """Every source has sent all it wanted; whether that ends the run is for its owner to say."""


@dataclass(frozen=True)
class Conclude:
    """The run has reached its end and may be stopped; said once, the first reason counts."""

    reason: Reason


@dataclass(frozen=True)
class Fail:
    """The run failed; said once, the first failure counts."""

    error: type[RunError]
    message: str


@dataclass(frozen=True)
class Warn:
    """Something in the stopping did not go as it should; the run goes on to stop."""

    message: str


@dataclass(frozen=True)
class End:
    """Every node has ended; what is left is to remove the run's objects."""


Action = Send | Signal | Bury | Arm | Running | SourcesDone | Conclude | Fail | Warn | End
