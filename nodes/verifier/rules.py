"""The rules of the contract as data: what each says, whom it binds, how it is held here, which tests show it.

Six tables lie beside this file, each joined to the others by the rule's id: `rules.tsv` (the contract), `added.tsv`
(what Driver Verifier checks beside it, in the same form), `about.tsv` (what a rule means in a line, how bad it is to
break it, where to look then), `held.tsv` (how each rule is held), `tests.tsv` (written from the marks in the tests by
`make rules`) and `compliance.tsv` (Microsoft's own NDIS rules and which of ours hold them). A room that adds rules adds
rows, for whatever system.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path

_FOLDER = Path(__file__).parent
RULES_FILE = _FOLDER / "rules.tsv"
ADDED_FILE = _FOLDER / "added.tsv"
HELD_FILE = _FOLDER / "held.tsv"
TESTS_FILE = _FOLDER / "tests.tsv"
ABOUT_FILE = _FOLDER / "about.tsv"
COMPLIANCE_FILE = _FOLDER / "compliance.tsv"
CHECKED_HERE = "checked"
"""What the last column of `compliance.tsv` says of a rule that is checked; else it gives the reason why not."""

_DRIVERS = "https://learn.microsoft.com/windows-hardware/drivers"
_PAGES = {
    "D": f"{_DRIVERS}/ddi/{{}}",
    "N": f"{_DRIVERS}/network/{{}}",
    "W": f"{_DRIVERS}/wdf/{{}}",
    "V": f"{_DRIVERS}/devtest/{{}}",
    "G": f"{_DRIVERS}/debugger/{{}}",
    "P5": "https://learn.microsoft.com/previous-versions/windows/hardware/network/{}(v=vs.85)",
}
"""Where the pages are that sources name by a key and the rest of their address."""
_PAGE = re.compile(r"(?:^|; )(D|N|W|V|G|P5):([a-z0-9_/-]+)")
_SAME = "same"
"""A source that begins so stands where the one of the rule above it does."""


class Held(StrEnum):
    """How the simulator holds a rule."""

    CONSTRUCTION = "impossible by construction"
    CHECKED = "checked"
    POLICY = "policy"
    MISSING = "missing"


class Severity(StrEnum):
    """How bad it is to break a rule."""

    FATAL = "fatal"
    """A real system bug-checks, or memory is corrupted."""
    ERROR = "error"
    """The contract is broken; what follows is undefined."""
    ADVICE = "advice"
    """The contract only implies it, or aims at a time."""


@dataclass(frozen=True)
class Rule:
    """One rule: `system` is ndis, wan, condis, offload or wdf; `switch` names the policy field that sets it, if any.

    `microsoft` are the names of Microsoft's rules for the same, `bugchecks` what a real system stops with
    (``0xC4/0x91002``: code and first parameter), `meaning` the rule in a line, `look` what to look at next when it is
    broken, `source` where it is written. A rule that no driver can break may have no `look`.
    """

    system: str
    id: str
    bound: str
    text: str
    violation: str
    source: str
    held: Held
    switch: str
    tests: tuple[str, ...]
    microsoft: tuple[str, ...]
    bugchecks: tuple[str, ...]
    severity: Severity
    meaning: str
    look: str

    @property
    def document(self) -> str:
        """Return the address of the first page that the rule is written on, or its source as it is if that is none."""
        page = _PAGE.search(self.source)
        return _PAGES[page[1]].format(page[2]) if page else self.source


@dataclass(frozen=True)
class Compliance:
    """One of Microsoft's rules for NDIS drivers, as Driver Verifier or the static checks know it.

    `bugcheck` is the first parameter of its bug check 0xC4, if it has one, `limit` its time limit, `marks` what it is
    about (A asynchrony, C completion, O ownership, I IRQL, L locks, X cancellation, P states, T time). `rules` are ours
    that hold it; `here` is ``checked``, or the reason why it cannot be broken here.
    """

    name: str
    bugcheck: str
    limit: str
    marks: str
    meaning: str
    rules: tuple[str, ...]
    here: str

    @property
    def checked(self) -> bool:
        """Return whether breaking it is reported."""
        return self.here == CHECKED_HERE


def load_rules() -> dict[str, Rule]:
    """Return every rule by its id: the contract's in its order, then the added ones."""
    held = {row[0]: row[1:] for row in _rows(HELD_FILE)}
    about = {row[0]: row[1:] for row in _rows(ABOUT_FILE)}
    tests: dict[str, list[str]] = {}
    for rule, test in _rows(TESTS_FILE):
        tests.setdefault(rule, []).append(test)
    rules: dict[str, Rule] = {}
    above = ""
    for system, key, bound, text, violation, written in chain(_rows(RULES_FILE), _rows(ADDED_FILE)):
        above = source = f"{above}{written[len(_SAME) :]}" if written.startswith(_SAME) else written
        how, switch = held.get(key, [Held.MISSING.name.lower(), ""])
        microsoft, bugchecks, severity, meaning, look = about.get(key, ["", "", Severity.ERROR, "", ""])
        rules[key] = Rule(
            system=system,
            id=key,
            bound=bound,
            text=text,
            violation=violation,
            source=source,
            held=Held[how.upper()],
            switch=switch,
            tests=tuple(tests.get(key, ())),
            microsoft=tuple(microsoft.split()),
            bugchecks=tuple(bugchecks.split()),
            severity=Severity(severity),
            meaning=meaning or _first_sentence(text),
            look=look,
        )
    return rules


def load_compliance() -> dict[str, Compliance]:
    """Return Microsoft's rules for NDIS drivers that the contract is about, by name."""
    return {
        name: Compliance(name, bugcheck, limit, marks, meaning, tuple(rules.split()), here)
        for name, bugcheck, limit, marks, meaning, rules, here in _rows(COMPLIANCE_FILE)
    }


def _first_sentence(text: str) -> str:
    return text.split(". ")[0].split("; ")[0].rstrip(".") + "."


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield the fields of each line of a tab-separated table, without its header."""
    with path.open(encoding="utf-8") as file:
        next(file)
        for line in file:
            yield line.rstrip("\n").split("\t")
