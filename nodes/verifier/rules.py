"""The rules of the contract as data: what each says, whom it binds, how it is held here, which tests show it.

Three tables lie beside this file: `rules.tsv` (the contract), `held.tsv` (how each rule is held) and `tests.tsv`
(written from the marks in the tests by `make rules`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_FOLDER = Path(__file__).parent
RULES_FILE = _FOLDER / "rules.tsv"
HELD_FILE = _FOLDER / "held.tsv"
TESTS_FILE = _FOLDER / "tests.tsv"


class Held(StrEnum):
    """How the simulator holds a rule."""

    CONSTRUCTION = "impossible by construction"
    CHECKED = "checked"
    POLICY = "policy"
    MISSING = "missing"


@dataclass(frozen=True)
class Rule:
    """One rule: `system` is ndis, wan, condis, offload or wdf; `switch` names the policy field that sets it, if any."""

    system: str
    id: str
    bound: str
    text: str
    violation: str
    source: str
    held: Held
    switch: str
    tests: tuple[str, ...]


def load_rules() -> dict[str, Rule]:
    """Return every rule of the contract by its id, in the contract's order."""
    held = {row[0]: row[1:] for row in _rows(HELD_FILE)}
    tests: dict[str, list[str]] = {}
    for rule, test in _rows(TESTS_FILE):
        tests.setdefault(rule, []).append(test)
    rules = {}
    for system, key, bound, text, violation, source in _rows(RULES_FILE):
        how, switch = held.get(key, [Held.MISSING.name.lower(), ""])
        rules[key] = Rule(
            system, key, bound, text, violation, source, Held[how.upper()], switch, tuple(tests.get(key, ()))
        )
    return rules


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line of a tab-separated table, without its header."""
    with path.open(encoding="utf-8") as file:
        next(file)
        for line in file:
            yield line.rstrip("\n").split("\t")
