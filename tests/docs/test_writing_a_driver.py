"""The tutorial is true: each file in it is written, each command run, and what it prints is what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.verifier.rules import load_rules

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "writing-a-driver.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([a-z_.]+)\n")
COMMANDS = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
TYPED = re.compile(r"^\(Pdb\) (.*)\n", re.MULTILINE)
LEFT_OUT = re.escape("...\n")
MASKS = [
    (re.compile(r"\brun [0-9a-f]{8}\b"), "run ID"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:s|ms|us|ns)\b"), "TIME"),
]
LIMIT = 50
"""Seconds that a command may take."""


def blocks() -> Iterator[tuple[str, str]]:
    """Yield language and text of every fenced block."""
    for block in FENCE.finditer(TEXT):
        yield block[1], block[2]


def masked(text: str) -> str:
    """Return a text with what differs from run to run taken out, and lines without blanks at their ends."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def pattern_of(expected: str) -> re.Pattern[str]:
    """Return what the printed text must match: the expected one, with any lines for ``...``.

    What is typed at a debugger's prompt is not echoed when its input is no terminal.
    """
    shown = masked(TYPED.sub("(Pdb) ", expected))
    return re.compile(re.escape(shown).replace(LEFT_OUT, "(?:.*\n)*?"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return an empty directory with the commands that the text uses in `bin` beside it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, call in (("ndisim", "-m orchestrator.cli"), ("python", "")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        script.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    return place


def printed(command: str, typed: str, place: Path) -> str:
    """Run one command line in the directory, with this input, and return what it prints to stdout, masked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NDISIM_", "PYTEST_"))}
    path = f"{place.parent / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
    kept |= {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=place,
        env=kept,
        input=typed,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert not done.stderr, done.stderr
    return masked(done.stdout.replace(f"{place}/", ""))


def test_every_file_command_and_output_of_the_tutorial_is_so(place: Path) -> None:
    ran = 0
    for language, text in blocks():
        if language == "console":
            for command, expected in COMMANDS.findall(text):
                typed = "".join(f"{line}\n" for line in TYPED.findall(expected))
                shown = printed(command, typed, place)
                assert pattern_of(expected).fullmatch(shown), f"$ {command}\n{shown}"
                ran += 1
        else:
            name = FILE_NAME.match(text)
            assert name, f"a block does not name its file: {text[:40]!r}"
            (place / name[1]).write_text(text, encoding="utf-8")
    assert ran > 5


def test_every_rule_that_the_tutorial_names_is_one() -> None:
    named = set(re.findall(r"\b(?:N5|N6|WAN|DV)-[A-Z]+-\d\d\b", TEXT))
    assert named
    assert named - load_rules().keys() == set()
