"""Ways through bindings outlive these: one that was undone may come back as another."""

from __future__ import annotations

from typing import Protocol, TypeVar

from nodes.ndis import Binding


class Way(Protocol):
    """What a driver keeps for one binding."""

    binding: Binding


W = TypeVar("W", bound=Way)


def rebound(ways: dict[Binding, W], binding: Binding) -> dict[Binding, W]:
    """Return ways by their bindings, in their order, with a new binding where one to the same driver was undone."""
    for before, way in ways.items():
        if before.edge == binding.edge:
            way.binding = binding
    return {way.binding: way for way in ways.values()}
