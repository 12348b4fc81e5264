"""The report's part on how a run was carried out: what was checked, what was forced, and what was decided otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nodes.verifier.level import DEFAULT_LEVEL, Level
from orchestrator.report_part import Part
from orchestrator.topology.fields import changed
from orchestrator.topology.model import OnViolation, Topology

_QUIET: OnViolation = "stop"


class SetupPart(Part):
    """How a run was carried out.

    `command` is the command line with what it took from the environment, null where no command began the run. `level`
    says how much of the contract was checked, `levels` the same for nodes with a level of their own. `force` and
    `policy` hold what was not at its default, written as in a topology file.
    """

    command: str | None = None
    level: int
    levels: dict[str, int]
    on_violation: OnViolation
    force: dict[str, Any]
    policy: dict[str, Any]
    notify: str


@dataclass(frozen=True)
class Setting:
    """One setting in words; `usual` where it is the default."""

    name: str
    text: str
    usual: bool


def setup_of(topology: Topology, on_violation: OnViolation) -> SetupPart:
    """Return the setup of a run of `topology` that did `on_violation` when a rule was broken."""
    return SetupPart(
        level=topology.level,
        levels=dict(topology.levels),
        on_violation=on_violation,
        force=changed(topology.force),
        policy=changed(topology.policy),
        notify=topology.notify,
    )


def settings_of(setup: SetupPart) -> list[Setting]:
    """Return every setting in words, also those that are as usual."""
    levels = [f"level {setup.level} ({Level(setup.level).name.lower()})"]
    levels += [f"{name} {level}" for name, level in setup.levels.items()]
    force = {key: value for key, value in setup.force.items() if key != "nodes"}
    where = f" on {', '.join(setup.force['nodes'])}" if force and "nodes" in setup.force else ""
    return [
        Setting("verify", ", ".join(levels), setup.level == DEFAULT_LEVEL and not setup.levels),
        Setting("on violation", setup.on_violation, setup.on_violation == _QUIET),
        Setting("forced", f"{_told(force)}{where}" if force else "nothing", not force),
        Setting("policy", _told(setup.policy) or "as proposed", not setup.policy),
        Setting("notify", setup.notify, setup.notify == "armed"),
    ]


def _told(switches: Mapping[str, Any]) -> str:
    return ", ".join(name if value is True else f"{name} {value}" for name, value in switches.items())
