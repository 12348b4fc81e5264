"""The tutorial is true: each file in it is written, each command run, and what it prints is what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.verifier.rules import load_rules

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "writing-a-driver.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([a-z_.]+)(, at its end)?\n")
COMMANDS = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
TYPED = re.compile(r"^\(Pdb\) (.*)\n", re.MULTILINE)
LINES_LEFT_OUT, LEFT_OUT = re.escape("...\n"), re.escape("...")
MASKS = [
    (re.compile(r"\brun [0-9a-f]{8}\b"), "run ID"),
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:s|ms|us|ns)\b"), "TIME"),
]
LIMIT = 120
"""Seconds that a command may take, on a machine that has other things to do."""


def sections() -> list[tuple[str, str]]:
    """Return heading and text of each section, in order."""
    titles = re.split(r"^## (.*)\n", TEXT, flags=re.MULTILINE)[1:]
    return list(zip(titles[::2], titles[1::2], strict=True))


def blocks(text: str) -> list[tuple[str, str]]:
    """Return language and text of every fenced block."""
    return [(block[1], block[2]) for block in FENCE.finditer(text)]


def write_file(text: str, place: Path) -> None:
    """Write the file that a block shows, or what is to be added at a file's end."""
    name = FILE_NAME.match(text)
    assert name, f"a block does not name its file: {text[:40]!r}"
    with (place / name[1]).open("a" if name[2] else "w", encoding="utf-8") as file:
        file.write(text[name.end() :] if name[2] else text)


def masked(text: str) -> str:
    """Return a text with what differs from run to run taken out, and lines without blanks at their ends."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def pattern_of(expected: str) -> re.Pattern[str]:
    """Return what the printed text must match: the expected one, with anything for ``...``, any lines if it is one.

    What is typed at a debugger's prompt is not echoed when its input is no terminal.
    """
    shown = masked(TYPED.sub("(Pdb) ", expected))
    lines = re.sub(rf"^{re.escape(LINES_LEFT_OUT)}", "(?:.*\n)*?", re.escape(shown), flags=re.MULTILINE)
    return re.compile(lines.replace(LEFT_OUT, ".*"))


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


def check(command: str, expected: str, place: Path) -> None:
    """Run a command and compare."""
    typed = "".join(f"{line}\n" for line in TYPED.findall(expected))
    shown = printed(command, typed, place)
    if not pattern_of(expected).fullmatch(shown):
        pytest.fail(f"$ {command}\n{shown}", pytrace=False)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("title", [title for title, text in sections() if "```console" in text])
def test_the_commands_of_a_section_print_what_it_says(title: str, place: Path) -> None:
    for heading, text in sections():
        for language, block in blocks(text):
            if language != "console":
                write_file(block, place)
            elif heading == title:
                for command, expected in COMMANDS.findall(block):
                    check(command, expected, place)
        if heading == title:
            break


def test_every_rule_that_the_tutorial_names_is_one() -> None:
    named = set(re.findall(r"\b(?:N5|N6|WAN|DV)-[A-Z]+-\d\d\b", TEXT))
    assert named
    assert named - load_rules().keys() == set()
