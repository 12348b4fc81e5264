"""The driver that is to be verified: found by name, by file or by class, with the options it needs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nodes.driver import Driver
from nodes.hosting.loader import load_driver
from nodes.ndis import Miniport
from nodes.registry import STOCK_DRIVERS
from orchestrator.drivers import Catalogue, DriverInfo

NEIGHBOURS: dict[str, str] = {
    "verify-source": "nodes.verifier.neighbours:ShapedSource",
    "verify-keeper": "nodes.verifier.neighbours:Keeper",
    "verify-nic": "nodes.verifier.neighbours:RoughNic",
    "verify-asker": "nodes.verifier.asker:Asker",
    "verify-source5": "nodes.verifier.neighbours5:Source5",
    "verify-nic5": "nodes.verifier.neighbours5:Nic5",
}
"""Drivers that stand around the one that is verified, beside the stock drivers."""


_AMOUNTS = ("packets", "requests")


class NotVerifiable(ValueError):
    """A driver, or what is said about it, cannot be used for a verification; the message says why."""


@dataclass(frozen=True)
class Subject:
    """One driver: its entry in a catalogue that has the neighbours too, and its options as a user writes them."""

    info: DriverInfo
    catalogue: Catalogue
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name that a topology calls it by."""
        return self.info.name

    @property
    def kind(self) -> str:
        """Return its place in the stack."""
        return self.info.kind

    @cached_property
    def driver(self) -> type[Driver]:
        """Return its class; raises NotVerifiable for one that is no driver."""
        found = load_driver(self.info.reference)
        if not issubclass(found, Driver):
            raise NotVerifiable(f"{self.info.reference} is not a driver: it does not derive from Driver")
        return found

    @property
    def generation(self) -> int:
        """Return the major version of NDIS that it is written for."""
        return self.driver.generation

    @property
    def wan(self) -> bool:
        """Return whether its links are WAN links."""
        return "wan" in (self.driver.upper_edge, self.driver.lower_edge)

    @property
    def medium(self) -> str:
        """Return what its links are: ``ethernet`` or ``wan``."""
        return "wan" if self.wan else "ethernet"

    @property
    def wired(self) -> bool:
        """Return whether it is a miniport with a NIC that can be wired to another."""
        return issubclass(self.driver, Miniport) and self.driver.frames_arrived is not Miniport.frames_arrived

    def sending(self, count: int) -> Subject:
        """Return the driver with `count` for an option that says how much a source makes, unless that was given."""
        amounts = [name for name in _AMOUNTS if name in {field.name for field in self.info.fields}]
        if not self.driver.source or not amounts:
            return self
        return replace(self, options={**dict.fromkeys(amounts, count), **self.options})

    def node(self) -> dict[str, Any]:
        """Return its node as a topology file would have it."""
        return {"driver": self.name, **self.options}


def find_subjects(text: str, options: Sequence[str] = ()) -> list[Subject]:
    """Return the drivers that `text` means: a name, ``FILE.py`` with all in it, or ``FILE.py:Class``.

    `options` are ``key=value`` pairs. NotVerifiable for an option that is none, and for required ones that are
    missing; otherwise errors as for `Catalogue`.
    """
    place, colon, name = text.rpartition(":")
    stock = {**STOCK_DRIVERS, **NEIGHBOURS}
    if colon:
        reference = f"{Path(place).absolute()}:{name}" if place.endswith(".py") else text
        found = getattr(load_driver(reference), "driver_name", None) or name.lower()
        names, catalogue = [found], Catalogue((), {**stock, found: reference})
    elif text.endswith(".py"):
        catalogue = Catalogue([Path(text)], stock)
        names = [each for each in catalogue.names() if each not in Catalogue((), stock).names()]
    else:
        names, catalogue = [text], Catalogue((), stock)
    given = read_options(options)
    return [_subject(catalogue, each, given) for each in names]


def read_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Return ``key=value`` pairs as a topology file would have them; raises NotVerifiable for what is no pair."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise NotVerifiable(f"{pair!r} is no option; write key=value, e.g. packets=100")
        try:
            options[key] = YAML(typ="safe").load(io.StringIO(value))
        except YAMLError:
            options[key] = value
    return options


def _subject(catalogue: Catalogue, name: str, options: dict[str, Any]) -> Subject:
    info = catalogue.find(name)
    known = {option.name for option in info.fields} | {"pool"}
    if unknown := sorted(set(options) - known):
        raise NotVerifiable(f"{name} has no option {', '.join(unknown)}; `ndisim drivers {name}` lists them")
    missing = [option.name for option in info.fields if option.required and option.name not in options]
    if missing:
        needed = " ".join(f"--options {each}=..." for each in missing)
        raise NotVerifiable(f"{name} cannot run without {', '.join(missing)}; give {needed}")
    return Subject(info, catalogue, options)
