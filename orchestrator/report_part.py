"""What all parts of a report have in common, and how it writes durations."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Microseconds = Annotated[float | None, Field(description="microseconds; null where nothing was measured")]


class Part(BaseModel):
    """Base of the report's parts: immutable, closed, and written with their public key names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True, protected_namespaces=()
    )


def microseconds(nanoseconds: float | None) -> float | None:
    """Return a duration as the report writes it."""
    return None if nanoseconds is None else round(nanoseconds / 1000, 3)
