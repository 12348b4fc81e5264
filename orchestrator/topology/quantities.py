"""Give pydantic the units: a field that counts time, bytes or bits reads what a user writes and bounds it."""

from __future__ import annotations

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from nodes.options import Quantity
from orchestrator.topology.quoting import quoted
from orchestrator.topology.units import UnitError, format_quantity, parse_quantity, quantity_pattern

_EXAMPLES: dict[str, list[int | str]] = {
    "count": [1024],
    "bytes": [1500, "64KiB"],
    "duration": ["5us"],
    "rate": ["10Gbps"],
    "fraction": ["1%"],
}


class QuantityField:
    """Annotate a field with an option marker: text is converted by its unit, numbers are in base units."""

    def __init__(self, marker: Quantity) -> None:
        """Take the unit and the inclusive bounds from `marker`."""
        self._marker = marker

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Replace the field's own validation by the conversion."""
        return core_schema.no_info_plain_validator_function(self._convert)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe what a user may write: a number or a text with a unit."""
        unit, low, high = self._marker.unit, self._marker.minimum, self._marker.maximum
        described: JsonSchemaValue = {"x-unit": unit, "examples": _EXAMPLES[unit]}
        if unit == "count":
            return {
                "type": "integer",
                "minimum": low,
                **({} if high is None else {"maximum": high}),
                **described,
            }
        text = {"type": "string", "pattern": quantity_pattern(unit)}
        bare = {
            "bytes": {"type": "integer", "minimum": 0},
            "fraction": {"type": "number", "minimum": 0, "maximum": 1},
        }
        return {"anyOf": [bare.get(unit, {"const": 0}), text], **described}

    def _convert(self, value: object) -> int | float:
        if value is None:
            raise _refuse("a value is missing", f"write e.g. {_EXAMPLES[self._marker.unit][0]}")
        if isinstance(value, str):
            return self._bound(self._parse(value), value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refuse(f"a {self._marker.unit} is wanted here", "not a list or a mapping")
        return self._bound(value, format_quantity(self._marker.unit, value))

    def _parse(self, value: str) -> int | float:
        try:
            return parse_quantity(self._marker.unit, value)
        except UnitError as error:
            raise _refuse(error.message, error.hint) from None

    def _bound(self, number: float, written: str) -> int | float:
        unit, low, high = self._marker.unit, self._marker.minimum, self._marker.maximum
        if number < low:
            raise _refuse(f"{quoted(written)} is too small", f"at least {format_quantity(unit, low)}")
        if high is not None and number > high:
            raise _refuse(f"{quoted(written)} is too large", f"at most {format_quantity(unit, high)}")
        return number


def quantity(unit: str) -> QuantityField:
    """Make the annotation for a unit without bounds of its own."""
    return QuantityField(Quantity(unit))


def _refuse(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})
