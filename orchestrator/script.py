"""The scripts that supervision follows: which step comes after which, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MS = 1_000_000


@dataclass(frozen=True)
class Roster:
    """The nodes of a run: names by id, ids in levels from the bottom of the stack up, and the sources.

    `neighbours` are those of each node, with the edges between; `paused` and `halted` are those that operations on the
    live stack have brought to rest already.
    """

    names: Mapping[int, str]
    levels: tuple[tuple[int, ...], ...]
    sources: frozenset[int]
    paused: set[int] = field(default_factory=set)
    halted: set[int] = field(default_factory=set)
    neighbours: Mapping[int, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)

    def beside(self, node: int, living: set[int]) -> list[tuple[int, list[int]]]:
        """Return the living neighbours of a node, each with the edges between."""
        neighbours = self.neighbours.get(node, {})
        return [(neighbour, list(neighbours[neighbour])) for neighbour in sorted(neighbours.keys() & living)]

    def number(self, name: str) -> int | None:
        """Return the id of a node, None for a name that is none."""
        return next((node for node, its in self.names.items() if its == name), None)


@dataclass(frozen=True)
class Limits:
    """How long each kind of step may take, ns; `wave` is the pause between two looks at a settling run.

    A pause may last as long as a filter may take (N6-PNP-11), and a little more.
    """

    start: int = 15_000 * _MS
    pause: int = 11_000 * _MS
    settle: int = 5_000 * _MS
    end: int = 1_000 * _MS
    wave: int = 1 * _MS


@dataclass(frozen=True)
class Step:
    """Ask `nodes` for what `verb` says: a command of theirs, ``hello``, ``rest``, ``terminate`` or ``kill``.

    ``rest`` waits for those whose answer to a pause is overdue: a layer below may have let their packets go since.
    """

    verb: str
    nodes: tuple[int, ...]
    limit: int


def start_script(roster: Roster, limits: Limits) -> list[Step]:
    """Bring the stacks up from their bottom, and what makes traffic last: whom it reaches is there by then."""
    others = [tuple(node for node in level if node not in roster.sources) for level in roster.levels]
    sources = [tuple(node for node in level if node in roster.sources) for level in roster.levels]
    return [
        Step("hello", tuple(roster.names), limits.start),
        *(Step("initialize", level, limits.start) for level in roster.levels),
        *(Step("restart", level, limits.start) for level in [*others, *sources] if level),
    ]


def drain_script(roster: Roster, limits: Limits) -> list[Step]:
    """Stop what makes traffic, let everything on its way arrive, then bring the stack down from its top."""
    downwards = roster.levels[::-1]
    resting = roster.paused | roster.halted
    sources = tuple(sorted(roster.sources - resting))
    others = [tuple(node for node in level if node not in roster.sources | resting) for level in downwards]
    up = [tuple(node for node in level if node not in roster.halted) for level in downwards]
    return [
        Step("pause", sources, limits.pause),
        Step("settle", tuple(roster.names), limits.settle),
        *(Step("pause", level, limits.pause) for level in others),
        Step("rest", tuple(roster.names), limits.end),
        *(Step("halt", level, limits.pause) for level in up),
    ]


def stop_script(roster: Roster, limits: Limits) -> list[Step]:
    """End every process: by its own exit, else by SIGTERM, else by SIGKILL."""
    return [Step(verb, tuple(roster.names), limits.end) for verb in ("exit", "terminate", "kill")]


@dataclass
class Settling:
    """Find out whether anything is still on its way: Mattern's four counters.

    A wave asks every node what it published and consumed. One wave may miss an entry that moved behind its
    back; two waves in a row, both quiet and with the same totals, cannot.
    """

    wave: int = 0
    _answers: dict[int, tuple[bool, int, int]] = field(default_factory=dict)
    _before: tuple[int, int] | None = None

    def begin(self) -> None:
        """Begin the next wave."""
        self.wave += 1
        self._answers.clear()

    def note(self, node: int, answer: Any) -> int:
        """Take a node's answer, one that makes no sense as *not quiet*; return how many the wave has now."""
        match answer:
            case {"quiet": bool(quiet), "sent": int(sent), "received": int(received)}:
                self._answers[node] = (quiet, sent, received)
            case _:
                self._answers[node] = (False, 0, 0)
        return len(self._answers)

    def judge(self) -> str:
        """Say what a complete wave showed: ``settled``, ``quiet`` (look once more at once) or ``busy``."""
        all_quiet, all_sent, all_received = zip(*self._answers.values(), strict=True)
        sent, received = sum(all_sent), sum(all_received)
        quiet = sent == received and all(all_quiet)
        before, self._before = self._before, (sent, received) if quiet else None
        if not quiet:
            return "busy"
        return "settled" if before == (sent, received) else "quiet"
