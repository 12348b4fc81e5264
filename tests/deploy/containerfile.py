"""Read a Containerfile, as far as its checks need it."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, and the rest of its line."""

    keyword: str
    rest: str


def parse(text: str) -> list[Instruction]:
    """Split a Containerfile into instructions; comments go, continued lines are joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.strip().split(maxsplit=1)) for line in joined.splitlines()]


def copies(instructions: list[Instruction]) -> list[tuple[list[str], str]]:
    """Return the sources and the destination of every COPY."""
    words = [shlex.split(step.rest) for step in instructions if step.keyword == "COPY"]
    return [(row[:-1], row[-1]) for row in words]


def pip_installs(instructions: list[Instruction]) -> list[list[str]]:
    """Return the arguments of every `RUN pip install`."""
    runs = [shlex.split(step.rest) for step in instructions if step.keyword == "RUN"]
    return [words[2:] for words in runs if words[:2] == ["pip", "install"]]


def copy_as_told(instructions: list[Instruction], context: Path, target: Path) -> None:
    """Do what the COPY instructions do, with `target` in the place of the image's working directory."""
    for sources, destination in copies(instructions):
        for name in sources:
            if (context / name).is_dir():
                leave = shutil.ignore_patterns("__pycache__")
                shutil.copytree(context / name, target / destination, ignore=leave, dirs_exist_ok=True)
            else:
                shutil.copy(context / name, target / destination)
