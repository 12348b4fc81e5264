"""The drivers that a topology may name: the stock ones, installed packages' and the user's own files.

Only names in the catalogue can be used, and files enter it by the command line alone: a topology file by
itself never makes code run. Stock and installed drivers are imported when a topology (or a listing) first
names them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args

from nodes.hosting.loader import DriverLoadError, DriverNotFound, load_driver, load_file
from nodes.registry import STOCK_DRIVERS
from orchestrator.topology.fields import OptionField, option_fields, written
from orchestrator.topology.quoting import did_you_mean

ENTRY_POINT_GROUP = "ndisim.drivers"
Kind = Literal["protocol", "filter", "intermediate", "miniport"]
KINDS: tuple[Kind, ...] = get_args(Kind)
RESERVED_OPTIONS = frozenset({"driver", "pool"})

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


class UnknownDriver(LookupError):
    """Say that no driver has the name; `hint` suggests the closest one."""

    def __init__(self, name: str, hint: str) -> None:
        """Keep the name and the suggestion for a problem report."""
        super().__init__(f"there is no driver {name!r} ({hint})")
        self.name = name
        self.hint = hint


class DriverNameClash(DriverLoadError):
    """Say that two drivers have one name, and where both live."""


class UnfitDriver(DriverLoadError):
    """Say that a class is named as a driver but has no usable `kind` or `Options`."""


@dataclass(frozen=True)
class OptionInfo:
    """Describe one option for people: `default` is what they would write, None where it is required."""

    name: str
    unit: str
    default: str | None
    help: str


@dataclass(frozen=True, eq=False)
class DriverInfo:
    """Describe one driver: `reference` is what a node loads it by, `options_type` its `Options` dataclass.

    `upper_edge` and `lower_edge` are what it speaks there, as `Driver` has it: only drivers that speak alike are bound.
    One exists per driver and catalogue, so it is compared by identity.
    """

    name: str
    reference: str
    kind: Kind
    summary: str
    options_type: type
    fields: tuple[OptionField, ...]
    upper_edge: str
    lower_edge: str

    @property
    def options(self) -> tuple[OptionInfo, ...]:
        """List the options in the order of the dataclass."""
        return tuple(
            OptionInfo(field.name, field.unit, _default_text(field), field.help) for field in self.fields
        )


class Catalogue:
    """Know every driver by name, and load one only when it is asked for."""

    def __init__(self, files: Iterable[Path] = (), stock: Mapping[str, str] = STOCK_DRIVERS) -> None:
        """Take the stock drivers, the installed ones and those of the user's files and directories.

        The user's files are imported now, so that their classes can be listed. `DriverNameClash` if two
        drivers want one name, `DriverNotFound` if a path does not exist or has no driver, `DriverFileError`
        if one fails.
        """
        self._references = dict(stock)
        self._known: dict[str, DriverInfo] = {}
        for entry in entry_points(group=ENTRY_POINT_GROUP):
            self._add(entry.name, entry.value)
        for path in files:
            for name, reference in _drivers_below(path):
                self._add(name, reference)

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted, without importing anything."""
        return tuple(sorted(self._references))

    def find(self, name: str) -> DriverInfo:
        """Return the driver of that name, importing it once.

        `UnknownDriver` with the closest name if there is none, `DriverLoadError` if it cannot be used.
        """
        if name not in self._references:
            raise UnknownDriver(name, did_you_mean(name, self._references))
        if name not in self._known:
            self._known[name] = _describe(name, self._references[name])
        return self._known[name]

    def __iter__(self) -> Iterator[DriverInfo]:
        """Describe every driver in the order of the names; this imports them all."""
        return (self.find(name) for name in self.names())

    def _add(self, name: str, reference: str) -> None:
        if not _NAME.fullmatch(name):
            raise UnfitDriver(
                f"the driver name {name!r} ({reference}) is not of the form [a-z0-9][a-z0-9_-]*"
            )
        taken = self._references.setdefault(name, reference)
        if taken != reference:
            raise DriverNameClash(f"two drivers are named {name!r}: {taken} and {reference}; rename one")


def _describe(name: str, reference: str) -> DriverInfo:
    driver = load_driver(reference)
    kind = next((known for known in KINDS if known == getattr(driver, "kind", None)), None)
    options = getattr(driver, "Options", None)
    if kind is None:
        raise UnfitDriver(f"{reference} has no kind; it must be one of {', '.join(KINDS)}")
    if not isinstance(options, type) or not is_dataclass(options):
        raise UnfitDriver(f"{reference} has no dataclass named Options")
    try:
        found = option_fields(options)
    except (NameError, TypeError) as error:
        raise UnfitDriver(f"the types of {reference}'s Options cannot be read: {error}") from error
    reserved = RESERVED_OPTIONS.intersection(field.name for field in found)
    if reserved:
        raise UnfitDriver(f"{reference} has an option named {min(reserved)!r}, which every node has already")
    summary = (inspect.getdoc(driver) or "").strip().partition("\n")[0]
    edges = (getattr(driver, "upper_edge", "ndis"), getattr(driver, "lower_edge", "ndis"))
    return DriverInfo(name, reference, kind, summary, options, found, *edges)


def _drivers_below(path: Path) -> Iterator[tuple[str, str]]:
    """Yield name and reference of every driver in a file, or in the public files of a directory.

    A driver is a class of the file itself that has a `kind`; it is called by its `driver_name`, else by the
    name of the class, ``SlowFilter`` as ``slow-filter``.
    """
    path = path.resolve()
    if not path.exists():
        raise DriverNotFound(f"there is no driver file or directory {path}")
    files = sorted(path.glob("[!_.]*.py")) if path.is_dir() else [path]
    found = [entry for file in files for entry in _drivers_in(load_file(file), file)]
    if not found:
        raise DriverNotFound(f"{path} defines no driver (a concrete subclass of nodes.driver.Driver)")
    yield from found


def _drivers_in(module: ModuleType, file: Path) -> Iterator[tuple[str, str]]:
    from nodes.driver import Driver  # only a user's own files need it; a plain listing does not

    for name, value in vars(module).items():
        is_own = isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
        if is_own and issubclass(value, Driver) and value.kind and not inspect.isabstract(value):
            yield getattr(value, "driver_name", None) or _kebab(name), f"{file}:{name}"


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def _default_text(field: OptionField) -> str | None:
    if field.required:
        return None
    value = written(field.hint, field.default)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
