"""The validated description of a run: what nodes there are, how they are bound and wired, when it passes.

Everything is immutable and in base units (int nanoseconds, bits per second, bytes; fractions as floats), so
the parts that execute a topology never see text that a user wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nodes.policy import Policy
from nodes.verifier.force import Force
from orchestrator.drivers import Kind
from orchestrator.topology.quantities import quantity
from orchestrator.topology.threshold import Threshold

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
MAX_NODES = 4095
"""A packet handle has 12 bits for the pool of a node, and one value of them is kept free."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
OnViolation = Literal["stop", "report", "bug-check"]
FaultKind = Literal[
    "drop",
    "delay",
    "duplicate",
    "reorder",
    "corrupt",
    "hold",
    "status",
    "slow",
    "stop",
    "low_resources",
    "crash",
    "bounce",
]


class Frozen(BaseModel):
    """Base of the models: unknown keys are errors, values do not change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"{value} is not a power of two")
    return value


class NodeModel(Frozen):
    """Describe one node: its driver's name, loader reference and kind, and its converted options.

    `options` is an instance of the driver's own frozen `Options` dataclass. `pool` is the number of packet
    slots of the node, or None for what the driver and its options ask for.
    """

    driver: str
    reference: str
    kind: Kind
    options: Any
    pool: int | None = None


class BindingModel(Frozen):
    """Bind `upper` above `lower`.

    `depth` is the number of packets that may be in flight on the binding (credits, a power of two),
    `weight` the share of a batch that the lower node takes from this neighbour, `coalesce` allows merged
    sends, which the contract otherwise forbids (N6-SEND-06).
    """

    upper: Name
    lower: Name
    coalesce: bool = False
    depth: Annotated[int, Field(ge=16, le=65536), AfterValidator(_power_of_two)] = 1024
    weight: Annotated[int, Field(ge=1, le=1024)] = 1


class WireModel(Frozen):
    """Join two miniports both ways: `latency` ns, `bandwidth` bit/s (0: link speed), `loss` from 0 to 1."""

    a: Name
    b: Name
    latency: Annotated[int, quantity("duration")] = 0
    bandwidth: Annotated[int, quantity("rate")] = 0
    loss: Annotated[float, quantity("fraction")] = 0.0


class EventModel(Frozen):
    """Say what happens to `node` (with bind and unbind: to its binding above `lower`) `at` ns after every node runs."""

    at: Annotated[int, quantity("duration")]
    verb: Literal[
        "pause", "restart", "remove", "reset", "detach", "attach", "unbind", "bind", "disable", "enable"
    ]
    node: Name
    lower: str = ""


class FaultModel(Frozen):
    """Describe a fault: `at` ns after every node runs it begins, `lasts` ns later it ends (0: with the run).

    With `during` it begins and ends with that phase of the run's sources instead, or after `lasts` if that is sooner.
    It is on the wire or binding from `upper` to `lower` (with `both`, on the wire the other way as well), or on the
    node `lower` with `upper` empty. A bounce `lasts` as long as its node is to stay down. What a kind has no use for
    stays at its default: `share` of packets, `delay` and `jitter` in ns, `gap` packets, `status` by name, `rate` per
    second.
    """

    name: Name
    kind: FaultKind
    lower: Name
    upper: str = ""
    both: bool = False
    at: Annotated[int, quantity("duration")] = 0
    lasts: Annotated[int, quantity("duration")] = 0
    share: Annotated[float, quantity("fraction")] = 1.0
    delay: Annotated[int, quantity("duration")] = 0
    jitter: Annotated[int, quantity("duration")] = 0
    gap: int = 0
    status: str = ""
    rate: int = 0
    during: str = ""

    @property
    def where(self) -> str:
        """Return where it is, as a user writes it."""
        return f"{self.upper} {'<->' if self.both else '->'} {self.lower}" if self.upper else self.lower


class Topology(Frozen):
    """Describe a whole run.

    `nodes` keeps the order of the file. `thresholds` (key ``pass``) decide exit code 99. From the section
    ``verify``: `level` is how much of the contract is checked, 0 to 4, `levels` the same for single nodes,
    `on_violation` what a broken rule ends (the run, nothing, or the node that broke it), `force` what is made to
    happen. `notify` is ``armed`` (ring only a sleeping
    consumer) or ``every`` (one notification per call); `delivery` is ``post``: a send returns before its
    result is known. `policy` holds the contract's switches, `events` what happens to the stack, at given times,
    `faults` what goes wrong in it.
    """

    name: str
    nodes: Annotated[Mapping[str, NodeModel], AfterValidator(MappingProxyType)]
    seed: int = 0
    bindings: tuple[BindingModel, ...] = ()
    wires: tuple[WireModel, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    level: int = 2
    levels: Annotated[Mapping[str, int], AfterValidator(MappingProxyType)] = Field(
        default_factory=lambda: MappingProxyType({})
    )
    on_violation: OnViolation = "stop"
    force: Force = Force()
    notify: Literal["armed", "every"] = "armed"
    delivery: Literal["post"] = "post"
    policy: Policy = Policy()
    events: tuple[EventModel, ...] = ()
    faults: tuple[FaultModel, ...] = ()
