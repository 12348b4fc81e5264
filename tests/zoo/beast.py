"""The zoo's fence: how a driver that is wrong on purpose is kept, and in which stack it is let out.

A beast is a driver that breaks one rule of the contract and no other. The rooms of the zoo (`sends.py`, `oids.py`, ...)
hold them, written from the contract's text and not from the checks; `test_zoo.py` lets each out in both modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nodes.driver import Driver
from nodes.registry import STOCK_DRIVERS
from orchestrator import Catalogue, Run, Topology, parse_topology
from orchestrator.script import Limits

D = TypeVar("D", bound=type[Driver])
Act = Callable[[Run], None]
SECONDS = 5.0
"""How long a beast may run free, at most."""
LIMITS = Limits(pause=500_000_000, settle=200_000_000)
"""How long the run that it broke may take to come to rest: what a beast has lost never comes back."""


@dataclass(frozen=True)
class Beast:
    """One wrong driver: the rule it breaks, its class, its stack, which node of that it is.

    `act` does something to the live run (pauses it, asks an OID); `extra` names further drivers of the stack.
    """

    rule: str
    driver: type[Driver]
    stack: str
    culprit: str
    act: Act | None
    extra: dict[str, type[Driver]]

    @property
    def name(self) -> str:
        """Return what the test is called by."""
        return f"{self.rule}-{self.driver.__name__}"

    def topology(self) -> Topology:
        """Return the stack with the beast in it."""
        drivers = {"beast": self.driver, **self.extra}
        own = {name: f"{driver.__module__}:{driver.__name__}" for name, driver in drivers.items()}
        catalogue = Catalogue((), {**STOCK_DRIVERS, **own})
        return parse_topology(f"name: zoo\n{self.stack}", self.name, catalogue, Path.cwd())


BEASTS: list[Beast] = []
"""All of them, in the order in which the rooms are read."""


def beast(
    rule: str,
    stack: str,
    *,
    culprit: str = "beast",
    act: Act | None = None,
    extra: dict[str, type[Driver]] | None = None,
) -> Callable[[D], D]:
    """Keep the class below as one that breaks `rule`.

    `stack` is the text of a topology without its name, in which the driver ``beast`` is the class and `culprit` the
    name of its node.
    """

    def keep(driver: D) -> D:
        BEASTS.append(Beast(rule, driver, stack, culprit, act, extra or {}))
        return driver

    return keep


ABOVE_NIC = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256, window: 8, burst: 4}
  beast: {driver: beast}
bindings: [bulk -> beast]
"""
"""The beast is the miniport under a source."""

BETWEEN = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256}
  beast: {driver: beast}
  nic:   {driver: miniport}
bindings: [bulk -> beast -> nic]
"""
"""The beast is a filter or an intermediate driver between a source and a miniport."""

ON_TOP = """
nodes:
  beast: {driver: beast}
  nic:   {driver: miniport}
bindings: [beast -> nic]
"""
"""The beast is the protocol above a miniport."""

WIRED = """
nodes:
  bulk:  {driver: traffic, packets: 40, size: 256}
  nic0:  {driver: miniport}
  beast: {driver: beast}
  sink:  {driver: receiver}
bindings: [bulk -> nic0, sink -> beast]
wires: [{between: [nic0, beast]}]
"""
"""The beast is the miniport at which frames arrive, under a receiver."""
