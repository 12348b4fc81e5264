"""What may be written in a topology file, section by section, and how a mistake in it is told to the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.topology.document import Document
from orchestrator.topology.model import Frozen, Name
from orchestrator.topology.problems import Path
from orchestrator.topology.quantities import quantity
from orchestrator.topology.quoting import did_you_mean, quoted

Model = TypeVar("Model", bound=BaseModel)


class Header(Frozen):
    """The keys of the file itself; the entries of its sections are read one by one, each by its own model."""

    name: Annotated[Name, Field(description="name of the run")]
    seed: Annotated[int, Field(ge=0, le=2**64 - 1, description="seed of everything drawn by chance")] = 0
    nodes: Annotated[dict[str, Any], Field(min_length=1, description="nodes by name")]
    bindings: list[Any] = Field(default=[], description="which node is bound above which")
    wires: list[Any] = Field(default=[], description="links between miniports")
    thresholds: list[Any] = Field(default=[], alias="pass", description="conditions of a passing run")
    policy: dict[str, Any] = Field(default={}, description="the contract's switches")
    events: list[Any] = Field(default=[], description="what happens to the stack, at which time")
    faults: list[Any] = Field(default=[], description="what goes wrong, where and when")
    verify: Annotated[Any, Field(description="how much of the contract is checked, and what is forced")] = 2
    notify: Annotated[
        Literal["armed", "every"], Field(description="wake sleeping consumers only, or on every call")
    ] = "armed"
    delivery: Annotated[Literal["post"], Field(description="a send returns before its result is known")] = (
        "post"
    )


class WireEntry(Frozen):
    """A wire as written: its two ends under one key."""

    between: Annotated[list[Name], Field(min_length=2, max_length=2, description="two miniports")]
    latency: Annotated[int, quantity("duration"), Field(description="time of flight, each way")] = 0
    bandwidth: Annotated[int, quantity("rate"), Field(description="0: the link speed of the miniports")] = 0
    loss: Annotated[float, quantity("fraction"), Field(description="share of frames lost by chance")] = 0.0


def read(
    document: Document, model: type[Model], value: Any, path: Path, context: Mapping[str, Any] | None = None
) -> Model | None:
    """Validate one part of the file; problems go to `document` and None is returned if there were any."""
    if not isinstance(value, dict):
        document.add(path, "a mapping is wanted here", f"keys: {', '.join(_keys(model))}")
        return None
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            at = (*path, *detail["loc"])
            message, hint = _explain(detail, _keys(model))
            document.add(at, message, hint, at_key=detail["type"] == "extra_forbidden")
        return None


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _explain(detail: ErrorDetails, keys: Iterable[str]) -> tuple[str, str]:
    """Say a pydantic complaint in the words of a topology file: message and hint."""
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    match kind:
        case "refused":
            return str(context["message"]), str(context["hint"])
        case "extra_forbidden":
            return "unknown key", did_you_mean(str(detail["loc"][-1]), keys)
        case "missing":
            return f"the key {quoted(detail['loc'][-1])} is missing", ""
        case "string_pattern_mismatch":
            hint = "lower case letters, digits, '-' and '_', at most 32, no '-' or '_' first"
            return f"{quoted(given)} is not a name", hint
        case "literal_error":
            return f"{quoted(given)} is not allowed here", f"write {context['expected']}"
        case "too_short" | "too_long":
            return "exactly two are wanted here" if isinstance(
                given, list
            ) else "at least one is wanted here", ""
        case "value_error":
            return str(context["error"]), ""
        case "less_than_equal" | "greater_than_equal":
            limit = f"at most {context['le']}" if "le" in context else f"at least {context['ge']}"
            return f"{quoted(given)} is out of bounds", limit
        case _:
            return _explain_type(kind, given, detail["msg"])


def _explain_type(kind: str, given: Any, message: str) -> tuple[str, str]:
    wanted = next((noun for prefix, noun in _WANTED.items() if kind.startswith(prefix)), None)
    if wanted is None:
        return message, ""
    if given is None:
        return f"a value is missing, {wanted} is wanted here", ""
    if isinstance(given, dict | list):
        return f"{wanted} is wanted here", "not a mapping" if isinstance(given, dict) else "not a list"
    return f"{quoted(given)} is not {wanted}", ""


_WANTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "dict": "a mapping",
    "list": "a list",
    "tuple": "a list",
}
