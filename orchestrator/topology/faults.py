"""Read `faults:`: what goes wrong on wires, bindings and nodes while the run goes on, and when."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from nodes.faults.fault import MAX_FAULTS
from nodes.options import Quantity
from nodes.status import SEND_STATUSES, Status
from orchestrator.topology.document import Document, read_document
from orchestrator.topology.model import FaultModel, Frozen, Name, Topology
from orchestrator.topology.phases import NoSuchPhase, Plans, plans_of, sources_in
from orchestrator.topology.problems import Path
from orchestrator.topology.quantities import QuantityField, quantity
from orchestrator.topology.quoting import did_you_mean, quoted
from orchestrator.topology.shape import read
from orchestrator.topology.units import format_duration, format_fraction

_WIRE, _BINDING, _NODE = "wire", "binding", "node"
_PLACES = {
    "drop": (_WIRE,),
    "delay": (_WIRE, _BINDING, _NODE),
    "duplicate": (_WIRE,),
    "reorder": (_WIRE,),
    "corrupt": (_WIRE,),
    "hold": (_BINDING, _NODE),
    "status": (_BINDING, _NODE),
    "slow": (_NODE,),
    "stop": (_NODE,),
    "low_resources": (_NODE,),
    "crash": (_NODE,),
    "bounce": (_NODE,),
}
"""Where each kind may be."""
KINDS = tuple(_PLACES)
_EXTRAS = {"share": ("delay", "status"), "jitter": ("delay",), "gap": ("reorder",)}
_OWN_TIME = frozenset({"stop", "bounce"})
"""Kinds whose own value is how long they last."""
_ON_COMPLETIONS = frozenset({"delay", "hold", "status"})
_STATUSES = sorted(status.name for status in SEND_STATUSES - {Status.SUCCESS})
_GAP = 3
_EXAMPLES = {
    _WIRE: "nic0 -> nic1, or nic0 <-> nic1 for both ways",
    _BINDING: "mux -> nic0",
    _NODE: "nic0",
}

_Share = Annotated[float, QuantityField(Quantity("fraction", maximum=1))]
_Count = Annotated[int, QuantityField(Quantity("count", minimum=1))]
_Time = Annotated[int, quantity("duration")]
_Spell = Annotated[int, QuantityField(Quantity("duration", minimum=1))]


class FaultEntry(Frozen):
    """A fault as written: its name, where and when it is, and exactly one kind of it."""

    name: Annotated[Name, Field(description="name of the fault; every draw is made from it")]
    on: Annotated[str, Field(description="where: a wire or binding as upper -> lower, or a node")]
    at: Annotated[_Time | None, Field(description="time since every node runs")] = None
    during: Annotated[
        str | None, Field(description="instead: while this phase is on, PHASE or NODE/PHASE")
    ] = None
    lasts: Annotated[_Spell | None, Field(alias="for", description="how long; without, to the end")] = None
    drop: Annotated[_Share | None, Field(description="share of frames that vanish")] = None
    delay: Annotated[_Time | None, Field(description="frames or completions come later by this")] = None
    duplicate: Annotated[_Share | None, Field(description="share of frames that arrive twice")] = None
    reorder: Annotated[_Share | None, Field(description="share of frames that others overtake")] = None
    corrupt: Annotated[_Share | None, Field(description="share of frames with a wrong byte")] = None
    hold: Annotated[_Share | None, Field(description="share of completions kept until the end")] = None
    status: Annotated[str | None, Field(description="status that sends complete with")] = None
    slow: Annotated[_Count | None, Field(description="entries that the node takes in a second")] = None
    stop: Annotated[_Spell | None, Field(description="for so long the node takes nothing")] = None
    low_resources: Annotated[_Share | None, Field(description="share of allocations that fail")] = None
    crash: Annotated[bool | None, Field(description="true: the node is killed")] = None
    bounce: Annotated[_Time | None, Field(description="the node goes down and comes back after this")] = None
    share: Annotated[_Share | None, Field(description="of delay and status: share of packets")] = None
    jitter: Annotated[_Time | None, Field(description="of delay: drawn time on top of it")] = None
    gap: Annotated[_Count | None, Field(description="of reorder: how many frames overtake")] = None

    def kinds(self) -> list[str]:
        """Return the kinds that are written: one if the entry is well formed."""
        return [kind for kind in KINDS if getattr(self, kind) is not None]


class FaultRefused(ValueError):
    """A fault for a live run is not as it must be; the message says what is wrong and what to write instead."""


def read_faults(
    document: Document,
    entries: Sequence[Any],
    kinds: Mapping[str, str | None],
    bindings: Iterable[tuple[str, str]],
    wires: Iterable[tuple[str, str]],
    plans: Plans,
) -> list[FaultModel]:
    """Read ``{name: noisy, on: nic0 -> nic1, drop: 1%}`` entries.

    `kinds` gives the kind of each node, `bindings` and `wires` the pairs that they join, `plans` the phases of each
    source.
    """
    map_ = _Map(kinds, frozenset(bindings), frozenset(wires), plans)
    faults: list[FaultModel] = []
    if len(entries) > MAX_FAULTS:
        document.add(("faults",), f"{len(entries)} faults are too many", f"at most {MAX_FAULTS}")
    for index, value in enumerate(entries[:MAX_FAULTS]):
        path = ("faults", index)
        entry = read(document, FaultEntry, value, path)
        fault = None if entry is None else map_.place(document, entry, path)
        if fault is not None and any(other.name == fault.name for other in faults):
            document.add((*path, "name"), f"there is another fault {quoted(fault.name)}")
        elif fault is not None:
            faults.append(fault)
    return faults


def parse_fault(topology: Topology, written: Mapping[str, str]) -> FaultModel:
    """Return a fault for a run of `topology` from keys and values as a user writes them; raises FaultRefused."""
    document = read_document(json.dumps({"faults": [dict(written)]}), "fault")
    kinds = {name: node.kind for name, node in topology.nodes.items()}
    pairs = [(binding.upper, binding.lower) for binding in topology.bindings]
    wires = [(wire.a, wire.b) for wire in topology.wires]
    found = read_faults(document, document.data["faults"], kinds, pairs, wires, plans_of(topology.nodes))
    if document.problems:
        texts = [
            f"{problem.path.removeprefix('faults[0]').lstrip('.') or 'fault'}: {problem.message}"
            + (f" ({problem.hint})" if problem.hint else "")
            for problem in document.problems
        ]
        raise FaultRefused("; ".join(texts))
    return found[0]


def written_fault(fault: FaultModel) -> dict[str, Any]:
    """Return a fault as a user would write it: the inverse of reading it."""
    content: dict[str, Any] = {"name": fault.name, "on": fault.where}
    content |= {"at": format_duration(fault.at)} if fault.at else {}
    content |= {"during": fault.during} if fault.during else {}
    content |= {"for": format_duration(fault.lasts)} if fault.lasts and fault.kind not in _OWN_TIME else {}
    share = format_fraction(fault.share)
    match fault.kind:
        case "delay":
            content |= {"delay": format_duration(fault.delay), "share": share}
            content |= {"jitter": format_duration(fault.jitter)}
        case "status":
            content |= {"status": fault.status, "share": share}
        case "slow":
            content |= {"slow": fault.rate}
        case "stop":
            content |= {"stop": format_duration(fault.lasts)}
        case "crash":
            content |= {"crash": True}
        case "bounce":
            content |= {"bounce": format_duration(fault.lasts)}
        case _:
            content |= {fault.kind: share}
    return content | ({"gap": fault.gap} if fault.kind == "reorder" else {})


class _Map:
    """What there is for faults to be on."""

    def __init__(
        self,
        kinds: Mapping[str, str | None],
        bindings: frozenset[tuple[str, str]],
        wires: frozenset[tuple[str, str]],
        plans: Plans,
    ) -> None:
        self._kinds = kinds
        self._bindings = bindings
        self._wires = wires | {(b, a) for a, b in wires}
        self._plans = plans

    def place(self, document: Document, entry: FaultEntry, path: Path) -> FaultModel | None:
        """Return the fault that an entry describes; None, with a problem noted, when it makes no sense."""
        before = len(document.problems)
        kinds = entry.kinds()
        if len(kinds) != 1:
            text = f"a fault is of exactly one kind, not of {len(kinds)}"
            document.add(path, text, f"one of: {', '.join(KINDS)}")
            return None
        [kind] = kinds
        self._check_extras(document, entry, kind, path)
        self._check_time(document, entry, path)
        arrow = "<->" if "<->" in entry.on else "->"
        upper, joined, lower = (part.strip() for part in entry.on.partition(arrow))
        if not joined:
            upper, lower = "", upper
        self._check_place(document, (*path, "on"), kind, (upper, lower), both=joined == "<->")
        if len(document.problems) > before:
            return None
        return FaultModel(
            name=entry.name,
            kind=kind,  # type: ignore[arg-type]
            lower=lower,
            upper=upper,
            both=joined == "<->",
            at=entry.at or 0,
            during=entry.during or "",
            lasts=entry.stop or entry.bounce or entry.lasts or 0,
            share=_share(entry, kind),
            delay=entry.delay or 0,
            jitter=entry.jitter or 0,
            gap=(entry.gap or _GAP) if kind == "reorder" else 0,
            status=entry.status or "",
            rate=entry.slow or 0,
        )

    def _check_extras(self, document: Document, entry: FaultEntry, kind: str, path: Path) -> None:
        for extra, owners in _EXTRAS.items():
            if getattr(entry, extra) is not None and kind not in owners:
                document.add(
                    (*path, extra), f"{kind} has no {extra}", f"it belongs to {' and '.join(owners)}"
                )
        if kind in {"crash", *_OWN_TIME} and entry.lasts is not None:
            hint = "a node that was killed stays dead" if kind == "crash" else f"{kind}: 20ms says how long"
            document.add((*path, "for"), f"{kind} has no for", hint)
        if entry.status is not None and entry.status not in _STATUSES:
            text = f"no send completes with {quoted(entry.status)}"
            document.add((*path, "status"), text, did_you_mean(entry.status, _STATUSES))
        if entry.crash is False:
            document.add((*path, "crash"), "a fault that is none", "write crash: true")

    def _check_time(self, document: Document, entry: FaultEntry, path: Path) -> None:
        if entry.during is None:
            return
        if entry.at is not None:
            document.add((*path, "at"), "during says when it begins", "leave at out, or during")
        try:
            sources_in(self._plans, entry.during)
        except NoSuchPhase as wrong:
            document.add((*path, "during"), wrong.message, wrong.hint)

    def _check_place(
        self, document: Document, path: Path, kind: str, pair: tuple[str, str], *, both: bool
    ) -> None:
        upper, lower = pair
        unknown = [name for name in pair if name not in self._kinds and (name or name is lower)]
        for name in unknown:
            document.add(path, f"there is no node {quoted(name)}", did_you_mean(name, self._kinds))
        if unknown:
            return
        place = _NODE if not upper else _WIRE if pair in self._wires else _BINDING
        if place is _BINDING and (pair not in self._bindings or both):
            hint = f"write {lower} -> {upper}" if (lower, upper) in self._bindings else ""
            document.add(path, f"nothing joins {upper} {'<->' if both else '->'} {lower}", hint)
        elif place not in _PLACES[kind]:
            wanted = _PLACES[kind][0]
            document.add(path, f"{kind} is not for a {place}", f"name a {wanted}, e.g. {_EXAMPLES[wanted]}")
        elif place is _NODE and kind in _ON_COMPLETIONS and self._kinds[lower] == "protocol":
            text = f"{lower} is a protocol, nothing above it waits for completions"
            document.add(path, text, "name the driver that completes sends")


def _share(entry: FaultEntry, kind: str) -> float:
    written = entry.share if kind in _EXTRAS["share"] else getattr(entry, kind)
    return float(written) if isinstance(written, float | int) and kind not in {"slow", *_OWN_TIME} else 1.0
