"""Read `policy:` and `events:`: how the contract's choices are made, and what happens to the stack at which time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from nodes.policy import Policy
from orchestrator.topology.document import Document
from orchestrator.topology.fields import option_fields
from orchestrator.topology.model import BindingModel, EventModel, Frozen, Name
from orchestrator.topology.options import option_key
from orchestrator.topology.quantities import quantity
from orchestrator.topology.quoting import did_you_mean, quoted
from orchestrator.topology.shape import read

_KINDS = {
    "remove": ("miniport",),
    "reset": ("miniport",),
    "detach": ("filter",),
    "attach": ("filter",),
    "disable": ("miniport", "intermediate", "protocol"),
    "enable": ("miniport", "intermediate", "protocol"),
}
_PAIR = r"^\s*[a-z0-9_-]+\s*->\s*[a-z0-9_-]+\s*$"
_OptionalName = Annotated[Name | None, Field(json_schema_extra={"type": "string"})]

_switches: dict[str, Any] = {field.name: option_key(field) for field in option_fields(Policy)}
PolicyEntry: type[BaseModel] = create_model("PolicyEntry", __base__=Frozen, **_switches)
"""What may be written under ``policy:``, made from the switches themselves."""


class EventEntry(Frozen):
    """An event as written: a time and exactly one thing that happens."""

    at: Annotated[int, quantity("duration"), Field(description="time since every node runs")]
    pause: Annotated[_OptionalName, Field(description="pause what is above this node, then the node")] = None
    restart: Annotated[_OptionalName, Field(description="restart a paused node and what is above it")] = None
    remove: Annotated[_OptionalName, Field(description="pull this miniport out: surprise removal")] = None
    reset: Annotated[_OptionalName, Field(description="reset this miniport's adapter")] = None
    detach: Annotated[_OptionalName, Field(description="take this filter out of the stack")] = None
    attach: Annotated[_OptionalName, Field(description="put a detached filter back")] = None
    disable: Annotated[_OptionalName, Field(description="take this node down, with what stands on it")] = None
    enable: Annotated[_OptionalName, Field(description="bring a disabled or removed node up again")] = None
    unbind: Annotated[
        str | None, Field(pattern=_PAIR, description="undo this binding, e.g. sink -> nic1")
    ] = None
    bind: Annotated[
        str | None, Field(pattern=_PAIR, description="open an undone binding again, e.g. sink -> nic1")
    ] = None

    def happenings(self) -> dict[str, str]:
        """Return what is to happen, by verb: one entry if the event is well formed."""
        return {verb: value for verb, value in self if verb != "at" and value is not None}


def read_policy(document: Document) -> Policy:
    """Read the switches of a run; those not written keep their defaults."""
    section = document.data.get("policy")
    if not isinstance(section, dict):
        return Policy()
    entry = read(document, PolicyEntry, section, ("policy",))
    return Policy() if entry is None else Policy(**entry.model_dump())


def read_events(
    document: Document,
    entries: list[Any],
    nodes: Mapping[str, str | None],
    bindings: list[BindingModel],
) -> list[EventModel]:
    """Read ``{at: 500ms, remove: nic0}`` entries; nodes must exist and be of a kind that this can happen to."""
    events = []
    for index, value in enumerate(entries):
        path = ("events", index)
        entry = read(document, EventEntry, value, path)
        if entry is None:
            continue
        happenings = entry.happenings()
        if len(happenings) != 1:
            verbs = ", ".join(verb for verb in EventEntry.model_fields if verb != "at")
            document.add(
                path, f"exactly one thing happens at a time, not {len(happenings)}", f"one of: {verbs}"
            )
            continue
        [(verb, target)] = happenings.items()
        name, _, lower = (part.strip() for part in target.partition("->"))
        _check(document, (*path, verb), verb, name, nodes)
        if lower and not any((b.upper, b.lower) == (name, lower) for b in bindings):
            document.add((*path, verb), f"there is no binding {name} -> {lower}")
        events.append(EventModel.model_validate({"at": entry.at, "verb": verb, "node": name, "lower": lower}))
    return events


def _check(
    document: Document, path: tuple[str, int, str], verb: str, name: str, nodes: Mapping[str, str | None]
) -> None:
    if name not in nodes:
        document.add(path, f"there is no node {quoted(name)}", did_you_mean(name, nodes))
    elif verb in _KINDS and nodes[name] not in (None, *_KINDS[verb]):
        document.add(path, f"{name} is of kind {nodes[name]}", f"{verb} is for a {_KINDS[verb][0]}")
