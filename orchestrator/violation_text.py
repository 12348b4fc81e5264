"""Violations as text for a console: one of each kind with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.report_model import ViolationPart

BAD = "bold red"
_SHOWN_KINDS = 10
_INSET = 4
_NAME_WIDTH = 9
_UNBROKEN = frozenset({"at", "given at", "made at", "rule"})


def render_violations(violations: Sequence[ViolationPart], count: int) -> list[RenderableType]:
    """Show the first violation of each kind: the same rule, broken by the same node at the same line.

    `count` is how many there were, told one by one or not.
    """
    kinds: dict[tuple[str, str, str], list[ViolationPart]] = {}
    for violation in violations:
        kinds.setdefault((violation.rule, violation.node, violation.source), []).append(violation)
    title = f"{count:,} violation{'s' if count != 1 else ''} of the contract"
    if len(kinds) > _SHOWN_KINDS:
        title += f" of {len(kinds)} kinds, the first {_SHOWN_KINDS} of them"
    parts: list[RenderableType] = [Text(title, style=BAD)]
    for alike in list(kinds.values())[:_SHOWN_KINDS]:
        parts += _violation(alike[0], len(alike))
    return parts


def _violation(of: ViolationPart, count: int) -> list[RenderableType]:
    parts: list[RenderableType] = [Text.assemble((of.rule, "bold"), f"  {of.node}: {of.message}")]
    for name, value in _details(of):
        parts += _places(name, value) if name in _UNBROKEN else [_detail(name, value)]
    if count > 1:
        parts.append(Padding(Text(f"and {count - 1:,} more like it"), (0, 0, 0, _INSET)))
    return parts


def _detail(name: str, value: str) -> Padding:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=_NAME_WIDTH)
    grid.add_column()
    grid.add_row(Text(name, style="cyan"), Text(value))
    return Padding(grid, (0, 0, 0, _INSET))


def _places(name: str, value: str) -> list[RenderableType]:
    """Return a line for each place, however long: so it can be copied, or followed, as it is."""
    labels = [name, *[""] * value.count("\n")]
    return [
        Text.assemble(
            " " * _INSET, (f"{label:<{_NAME_WIDTH}}  ", "cyan"), line, no_wrap=True, overflow="ignore"
        )
        for label, line in zip(labels, value.split("\n"), strict=True)
    ]


def _details(of: ViolationPart) -> list[tuple[str, str]]:
    """Return what is known of a violation besides what happened, each under its name."""
    known = [
        ("at", "\n".join(of.stack) or of.source),
        ("expected", of.expected),
        ("given at", "\n".join(of.given)),
        ("made at", "\n".join(of.allocated)),
        ("packet", f"{of.handle}, id {of.packet_id:#x}" if of.packet_id else ""),
        ("neighbour", of.peer),
        ("history", "\n".join(of.history)),
        ("next", of.look),
        ("known as", ", ".join(of.microsoft)),
        ("rule", of.document),
    ]
    return [(name, value) for name, value in known if value]
