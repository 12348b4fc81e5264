"""Read `verify:`: how much of the contract is checked where, what a violation ends, and what is forced to happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from nodes.verifier.force import Force
from orchestrator.topology.document import Document
from orchestrator.topology.fields import changed, option_fields
from orchestrator.topology.model import Frozen, OnViolation, Topology
from orchestrator.topology.options import option_key
from orchestrator.topology.problems import Path
from orchestrator.topology.quoting import did_you_mean, quoted
from orchestrator.topology.shape import read

_DEFAULT = 2

Level = Annotated[int, Field(ge=0, le=4)]

_forced: dict[str, Any] = {entry.name: option_key(entry) for entry in option_fields(Force)}
ForceEntry: type[BaseModel] = create_model("ForceEntry", __base__=Frozen, **_forced)
"""What may be written under ``force:``, made from the dataclass itself."""


class LevelEntry(Frozen):
    """The short form of the section: one level for all nodes."""

    level: Annotated[Level, Field(alias="verify", description="how much of the contract is checked")] = (
        _DEFAULT
    )


class VerifyEntry(Frozen):
    """The section as a mapping."""

    level: Annotated[Level, Field(description="how much of the contract is checked")] = _DEFAULT
    nodes: Annotated[dict[str, Level], Field(description="levels of single nodes", default_factory=dict)]
    on_violation: Annotated[OnViolation, Field(description="what a broken rule ends")] = "stop"
    force: Annotated[dict[str, Any], Field(description="what is forced to happen", default_factory=dict)]


@dataclass(frozen=True)
class Verification:
    """The section as it was read; fields as in `Topology`."""

    level: int = _DEFAULT
    levels: Mapping[str, int] = field(default_factory=dict)
    on_violation: OnViolation = "stop"
    force: Force = field(default_factory=Force)


def read_verify(document: Document, nodes: Mapping[str, Any]) -> Verification:
    """Read the section, a level or a mapping; every node that it names must be among `nodes`."""
    section = document.data.get("verify", _DEFAULT)
    if not isinstance(section, dict):
        short = read(document, LevelEntry, {"verify": section}, ())
        return Verification() if short is None else Verification(short.level)
    entry = read(document, VerifyEntry, section, ("verify",))
    if entry is None:
        return Verification()
    for name in entry.nodes:
        _check_node(document, ("verify", "nodes", name), name, nodes, at_key=True)
    forced = read(document, ForceEntry, entry.force, ("verify", "force"))
    force = Force() if forced is None else Force(**forced.model_dump())
    for index, name in enumerate(force.nodes):
        _check_node(document, ("verify", "force", "nodes", index), name, nodes)
    return Verification(entry.level, entry.nodes, entry.on_violation, force)


def written_verify(topology: Topology) -> Any:
    """Return the section as a user would write it: the level alone if there is nothing else to say."""
    force = changed(topology.force)
    section: dict[str, Any] = {"level": topology.level}
    section |= {"nodes": dict(topology.levels)} if topology.levels else {}
    section |= {"on_violation": topology.on_violation} if topology.on_violation != "stop" else {}
    section |= {"force": force} if force else {}
    return topology.level if len(section) == 1 else section


def _check_node(
    document: Document, path: Path, name: str, nodes: Mapping[str, Any], *, at_key: bool = False
) -> None:
    if name not in nodes:
        document.add(path, f"there is no node {quoted(name)}", did_you_mean(name, nodes), at_key=at_key)
