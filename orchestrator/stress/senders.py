"""Put senders above a topology: as many as wanted, in place of its own, sending what and as fast as wanted."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any

from nodes.hosting.loader import load_driver
from nodes.stock.phases import parse_phases
from orchestrator.drivers import Catalogue
from orchestrator.topology.model import BindingModel, NodeModel, Topology
from orchestrator.topology.net_buffers import one_frame_layers
from orchestrator.topology.threshold import COUNTS, PHASE_COUNTS, Threshold

MOST_IN_FLIGHT = 16384
"""Frames that senders may have in flight together where nobody says how many."""
_FEWEST, _MOST = 32, 1024
_ASKERS = frozenset({"oid-storm"})
"""Sources that send no packets."""
_ALWAYS_MEANT = frozenset({"lost", "duplicated", "leaked", "violations", "in_flight"})
_COUNT_PACKETS = frozenset((*COUNTS, *PHASE_COUNTS)) - _ALWAYS_MEANT


class LoadMismatch(ValueError):
    """What the senders are asked to do does not go with the topology or with their driver."""


@dataclass(frozen=True)
class Load:
    """What senders do; None leaves a thing as the topology has it.

    `senders` are processes in place of the topology's own, `rate` packets/s of all together, `window` packets in
    flight of each, `burst` packets of a call at most, `buffers` NBs of each packet, `packets` the number after which
    each is done, `phases` the plan of all together (as the option of traffic), `arrivals` how its packets are spaced.
    """

    senders: int | None = None
    rate: int | None = None
    window: int | None = None
    size: str | None = None
    burst: int | None = None
    packets: int | None = None
    phases: str | None = None
    arrivals: str | None = None
    buffers: int | None = None

    @property
    def duration_ns(self) -> int | None:
        """Return how long the phases last together, None without phases; raises LoadMismatch for a wrong one."""
        try:
            return None if self.phases is None else sum(of.duration for of in parse_phases(self.phases))
        except ValueError as error:
            raise LoadMismatch(f"--phases: {error}") from None

    @property
    def settings(self) -> dict[str, Any]:
        """Return the options that are the same for every sender."""
        names = ("window", "size", "burst", "packets", "buffers")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def shared_window(senders: int, buffers: int = 1) -> int:
    """Return the window of each of so many senders, whose packets have `buffers` NBs, where nobody says what it is."""
    return max(_FEWEST, min(_MOST, MOST_IN_FLIGHT // (senders * buffers)))


def with_load(topology: Topology, load: Load, catalogue: Catalogue) -> Topology:
    """Return the topology with this load; raises LoadMismatch, which says what does not go and what would."""
    if load.senders is not None:
        topology = _with_senders(
            topology, load.senders, shared_window(load.senders, load.buffers or 1), catalogue
        )
    nodes = dict(topology.nodes)
    names = sources(topology)
    for option, value in load.settings.items():
        _set(nodes, names, option, dict.fromkeys(names, value))
    _plan(nodes, names, load)
    for _, message in one_frame_layers(nodes, topology.bindings):
        raise LoadMismatch(f"--buffers: {message}; leave it out")
    return topology.model_copy(update={"nodes": nodes})


def _plan(nodes: dict[str, NodeModel], names: list[str], load: Load) -> None:
    """Share out when to send: a rate takes the place of phases, phases that of a rate."""
    if load.rate is not None and load.phases is not None:
        raise LoadMismatch("--rate and --phases both say when to send; leave one of them out")
    if load.rate is not None:
        if load.rate < len(names):
            raise LoadMismatch(f"--rate {load.rate} is less than a packet/s for each of {len(names)} senders")
        rates = [_share(load.rate, len(names), place) for place in range(len(names))]
        _set(nodes, names, "rate", dict(zip(names, rates, strict=True)), {"phases": ""})
    if load.duration_ns is not None:
        parts = [_phases_of(load.phases or "", len(names), place) for place in range(len(names))]
        _set(nodes, names, "phases", dict(zip(names, parts, strict=True)), {"rate": 0})
    if load.arrivals is not None:
        _set(nodes, names, "arrivals", dict.fromkeys(names, load.arrivals))


def _share(whole: int, of: int, place: int) -> int:
    """Return the part of the one at `place` among `of`; all parts together are the whole."""
    return whole // of + (place < whole % of)


def _phases_of(text: str, of: int, place: int) -> str:
    """Return the phases of one sender: its part of each rate and of each burst, at the same times."""

    def part(match: re.Match[str]) -> str:
        burst, number = match[2], _share(int(match[1]), of, place)
        return "@0" if burst and not number else f"@{number}{burst or ''}"

    text = re.sub(r"\.\.([0-9]+)", lambda match: f"..{_share(int(match[1]), of, place)}", text)
    return re.sub(r"@([0-9]+)(x[0-9.]+[a-z]+)?", part, text)


def sources(topology: Topology) -> list[str]:
    """Return the nodes that send packets of their own accord."""
    return [
        name
        for name, node in topology.nodes.items()
        if getattr(load_driver(node.reference), "source", False) and node.driver not in _ASKERS
    ]


def forgotten(topology: Topology, load: Load) -> list[Threshold]:
    """Return the conditions that count what the replaced senders would have sent: they cannot hold any more."""
    if load.senders is None:
        return []
    return [
        condition
        for condition in topology.thresholds
        if (condition.phase and load.phases is None)
        or (
            condition.operator in ("==", ">=", ">")
            and (condition.metric.startswith("statuses.") or condition.metric in _COUNT_PACKETS)
        )
    ]


def _with_senders(topology: Topology, wanted: int, window: int, catalogue: Catalogue) -> Topology:
    """Replace the sources by `wanted` traffic nodes with this window, spread evenly over what was below them."""
    old = set(sources(topology))
    tops = [b for b in topology.bindings if b.upper in old] or [
        b for b in topology.bindings if topology.nodes[b.upper].kind == "protocol"
    ]
    below = list({binding.lower: binding for binding in reversed(tops)}.values())[::-1]
    if not below:
        raise LoadMismatch(
            "--senders: no protocol is bound in this topology, so there is no place for senders"
        )
    for event in topology.events:
        if event.node in old:
            raise LoadMismatch(
                f"--senders: {event.node} is replaced, but an event of the topology is to {event.verb} it; "
                "remove the event"
            )
    driver = catalogue.find("traffic")
    options = driver.options_type(window=window)
    sender = NodeModel(
        driver=driver.name, reference=driver.reference, kind=driver.kind, options=options, pool=None
    )
    kept = {name: node for name, node in topology.nodes.items() if name not in old}
    free = (name for name in (f"sender-{number}" for number in count(1)) if name not in kept)
    names = [next(free) for _ in range(wanted)]
    bindings = [_under(name, below[place % len(below)]) for place, name in enumerate(names)]
    force = topology.force
    return topology.model_copy(
        update={
            "nodes": dict.fromkeys(names, sender) | kept,
            "bindings": (*bindings, *(b for b in topology.bindings if b.upper not in old)),
            "levels": {name: level for name, level in topology.levels.items() if name in kept},
            "force": dataclasses.replace(force, nodes=_renamed(force.nodes, kept, names)),
        }
    )


def _under(name: str, like: BindingModel) -> BindingModel:
    return like.model_copy(update={"upper": name})


def _renamed(named: tuple[str, ...], kept: Mapping[str, NodeModel], new: list[str]) -> tuple[str, ...]:
    """Return the nodes that are meant: the new senders stand where one of the old ones was named."""
    still = tuple(name for name in named if name in kept)
    return still if len(still) == len(named) else (*still, *new)


def _set(
    nodes: dict[str, NodeModel],
    names: list[str],
    option: str,
    values: Mapping[str, Any],
    instead_of: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Set an option of every source that has it, and those it takes the place of.

    LoadMismatch when no source has it or the driver refuses a value.
    """
    having = [
        name for name in names if option in {field.name for field in dataclasses.fields(nodes[name].options)}
    ]
    if not having:
        raise LoadMismatch(
            f"--{option}: no sender of this topology has an option {option!r}; give --senders to replace them"
        )
    for name in having:
        old = nodes[name].options
        others = {key: value for key, value in instead_of.items() if hasattr(old, key)}
        options = dataclasses.replace(old, **others, **{option: values[name]})
        for field, message in options.problems() if hasattr(options, "problems") else []:
            raise LoadMismatch(f"--{field}: {message}")
        nodes[name] = nodes[name].model_copy(update={"options": options})
