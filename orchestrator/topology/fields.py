"""Look at a driver's `Options` dataclass: what each option means, its default and how a user writes it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from nodes.options import Choice, InputFile, OutputFile, Quantity
from orchestrator.topology.units import format_quantity

Marker = Quantity | InputFile | OutputFile | Choice

_NOUNS = {str: "text", bool: "true or false", int: "whole number", float: "number"}


@dataclass(frozen=True)
class OptionField:
    """Describe one option: `hint` is its annotated type, `default` is None where `required`."""

    name: str
    hint: Any
    required: bool
    default: object
    help: str

    @property
    def unit(self) -> str:
        """Say in a word or two what is to be written, e.g. ``duration`` or ``original | fast``."""
        base, marker, _ = split_hint(self.hint)
        match marker:
            case Quantity():
                return marker.unit
            case InputFile() | OutputFile():
                return f"{marker.kind} file"
            case Choice():
                return " | ".join(marker.values)
            case _:
                return _NOUNS.get(base, "list" if get_origin(base) is tuple else "value")


def option_fields(options: type) -> tuple[OptionField, ...]:
    """Return the options of a dataclass in order; `TypeError` or `NameError` if its hints cannot be read."""
    hints = get_type_hints(options, include_extras=True)
    found = []
    for entry in fields(options):
        if not entry.init:
            continue
        factory = entry.default_factory
        default = entry.default if factory is MISSING else factory()
        required = default is MISSING
        description = str(entry.metadata.get("help", ""))
        found.append(
            OptionField(entry.name, hints[entry.name], required, None if required else default, description)
        )
    return tuple(found)


def changed(options: Any) -> dict[str, Any]:
    """Return what is not at its default in an options dataclass' instance, as a user would write it."""
    return {
        entry.name: written(entry.hint, value)
        for entry in option_fields(type(options))
        if (value := getattr(options, entry.name)) != entry.default
    }


def split_hint(hint: Any) -> tuple[Any, Marker | None, bool]:
    """Split a type into its base, its marker if any, and whether it may be None (``X | None``)."""
    optional = False
    if get_origin(hint) in (Union, UnionType):
        inner = [part for part in get_args(hint) if part is not NoneType]
        optional = len(inner) < len(get_args(hint))
        hint = inner[0] if len(inner) == 1 else hint
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        marker = next((extra for extra in extras if isinstance(extra, Marker)), None)
        return base, marker, optional
    return hint, None, optional


def written(hint: Any, value: Any) -> Any:
    """Return an option's value as a user would write it in YAML: the inverse of its conversion."""
    base, marker, _ = split_hint(hint)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(marker, Quantity):
        text = format_quantity(marker.unit, value)
        return int(text) if text.isdecimal() else text
    if isinstance(value, tuple | list):
        inner = [part for part in get_args(base) if part is not Ellipsis] or [Any]
        return [written(inner[min(index, len(inner) - 1)], entry) for index, entry in enumerate(value)]
    return value
