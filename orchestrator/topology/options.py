"""Turn a driver's `Options` dataclass into a pydantic model of what a user may write for such a node."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Optional, get_args, get_origin

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, WithJsonSchema, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticCustomError

from nodes.options import Choice, InputFile, OutputFile, Quantity
from orchestrator.drivers import DriverInfo, UnfitDriver
from orchestrator.topology.fields import OptionField, split_hint, written
from orchestrator.topology.model import Frozen
from orchestrator.topology.quantities import QuantityField
from orchestrator.topology.quoting import quoted

POOL = Quantity("count", minimum=1, maximum=2**24)
"""A handle has 28 bits for a slot; 2**24 of them are already 32 GiB of packets."""


@lru_cache(maxsize=256)
def node_model(driver: DriverInfo) -> type[BaseModel]:
    """Build the model of a node's keys: ``driver``, ``pool`` and the driver's options.

    Fields have a prefix and an alias, so an option may have any name, also one that pydantic uses itself.
    Give the directory that input files are relative to as validation context ``base``. `UnfitDriver` if an
    option has a type that cannot be validated.
    """
    keys: dict[str, Any] = {
        "key_driver": (Literal[driver.name], Field(alias="driver", description=driver.summary)),
        "key_pool": (
            Annotated[int, QuantityField(POOL)] | None,
            Field(None, alias="pool", description="packet slots of this node"),
        ),
    }
    for field in driver.fields:
        keys[f"option_{field.name}"] = option_key(field)
    try:
        return create_model(f"Node_{driver.name}", __base__=Frozen, **keys)
    except PydanticUserError as error:
        raise UnfitDriver(
            f"an option of {driver.reference} has a type that cannot be read: {error}"
        ) from error


def make_options(driver: DriverInfo, node: BaseModel) -> Any:
    """Build the driver's frozen `Options` from a validated node; what is not written takes its default.

    `ValueError` and `TypeError` come from the dataclass itself (``__post_init__``).
    """
    written_fields = node.model_fields_set
    return driver.options_type(
        **{
            field.name: getattr(node, f"option_{field.name}")
            for field in driver.fields
            if f"option_{field.name}" in written_fields
        }
    )


def option_key(field: OptionField) -> tuple[Any, Any]:
    """Return type and field of a model that reads an option as users write it; the key is its name."""
    return _read_as(field.hint), _field(field)


def _field(field: OptionField) -> Any:
    if field.required:
        return Field(alias=field.name, description=field.help or None)
    shown = {"default": written(field.hint, field.default)}
    return Field(field.default, alias=field.name, description=field.help or None, json_schema_extra=shown)


def _read_as(hint: Any) -> Any:
    """Return the type that pydantic shall read for an option: markers become validators, also in a tuple."""
    base, marker, optional = split_hint(hint)
    if marker is not None:
        read = _read_marker(base, marker)
    elif get_origin(base) is tuple:
        parts = tuple(part if part is Ellipsis else _read_as(part) for part in get_args(base))
        read = tuple.__class_getitem__(parts)
    elif base is str:
        # A size of 1500 is a number to YAML and its tools, and stays text here.
        read = Annotated[str, WithJsonSchema({"type": ["string", "number"]})]
    else:
        read = base
    return Optional[read] if optional else read  # noqa: UP045 - `read` may be an Annotated form


def _read_marker(base: Any, marker: Quantity | InputFile | OutputFile | Choice) -> Any:
    match marker:
        case Quantity():
            return Annotated[base, QuantityField(marker)]
        case Choice():
            schema = {"type": "string", "enum": list(marker.values)}
            return Annotated[str, AfterValidator(_choice(marker)), WithJsonSchema(schema)]
        case InputFile():
            schema = {"type": "string", "description": f"{marker.kind} file, relative to the topology file"}
            return Annotated[str, AfterValidator(_input_file), WithJsonSchema(schema)]
        case OutputFile():
            schema = {
                "type": "string",
                "description": f"{marker.kind} file to write, below the output directory",
            }
            return Annotated[str, AfterValidator(_output_file), WithJsonSchema(schema)]


def _choice(marker: Choice) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in marker.values:
            raise _refuse(f"{quoted(value)} is not one of {', '.join(marker.values)}", "")
        return value

    return check


def _input_file(value: str, info: ValidationInfo) -> str:
    """Return the absolute path of a file that can be read now."""
    base = (info.context or {}).get("base", Path())
    try:
        path = Path(os.path.normpath(base / value)).absolute()
        if path.is_file() and os.access(path, os.R_OK):
            return str(path)
        reason = (
            "cannot be read" if path.is_file() else "is not a file" if path.exists() else "does not exist"
        )
    except (OSError, ValueError):
        reason = "is not a usable file name"
    raise _refuse(f"{quoted(value)} {reason}", "the path is relative to the topology file")


def _output_file(value: str) -> str:
    """Return a file name that stays below the output directory."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.name or not value.isprintable():
        raise _refuse(
            f"{quoted(value)} is not a file below the output directory", "write e.g. received.pcapng"
        )
    return str(path)


def _refuse(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})
