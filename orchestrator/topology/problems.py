"""Collect everything that is wrong with a topology file, each with its place, message and cure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from orchestrator.topology.quoting import quoted

Path = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, order=True)
class Problem:
    """Describe one mistake: where (1-based line and column, path of keys), what is wrong and how to mend it.

    Line and column are 0 where no text could be read at all; `hint` is empty where there is no better advice
    than the message.
    """

    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def to_text(self, source: str) -> str:
        """Write the problem as ``file.yml:7:12: nodes.nic0.link: message (hint)``."""
        place = f"{source}:{self.line}:{self.column}" if self.line else source
        where = f"{self.path}: " if self.path else ""
        return f"{place}: {where}{self.message}" + (f" ({self.hint})" if self.hint else "")


class TopologyError(Exception):
    """Carry all problems of one topology file, in the order of the file; nothing has been started."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        """Keep the problems sorted by place; `source` is the name that the text form shows."""
        self.source = source
        self.problems = tuple(sorted(set(problems)))
        super().__init__(self.to_text())

    def to_text(self) -> str:
        """Write one line per problem."""
        return "\n".join(problem.to_text(self.source) for problem in self.problems)

    def to_json(self) -> str:
        """Write ``{"source", "problems": [{"line", "column", "path", "message", "hint"}]}``."""
        return json.dumps({"source": self.source, "problems": [asdict(problem) for problem in self.problems]})


def path_text(path: Path) -> str:
    """Write a path of keys and list positions as ``nodes.nic0.link`` or ``wires[0].latency``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _PLAIN_KEY.fullmatch(part) else quoted(part)
            text += f".{key}" if text else key
    return text
