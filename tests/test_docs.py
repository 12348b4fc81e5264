"""What the documents say about the code is so: mapped names exist, files they point to are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from nodes import driver, ndis, status, wan
from nodes.crossings import crossing
from nodes.packets import chain

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NAMES = (DOCS / "names.md").read_text()
ROOMS: tuple[Any, ...] = (ndis, wan, chain, crossing, driver, status)
OURS = re.compile(r"`([A-Z][A-Za-z]+(?:\.[a-zA-Z_]+)?)`")
WINDOWS = re.compile(r"\b(?:Ndis[A-Z]|Miniport|Protocol|Filter)[A-Z]?[A-Za-z]*")
PATHS = re.compile(r"`((?:shm|nodes|orchestrator|tests|examples|deploy|docs)/[a-z0-9_./-]*)`")


def rows(text: str) -> list[tuple[str, str]]:
    """Return the two cells of every table row."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return [(row[0], row[1]) for row in cells if len(row) == 2 and not set(row[0]) <= set("-")]


def found(name: str) -> bool:
    owner, _, member = name.partition(".")
    owners = [vars(room)[owner] for room in ROOMS if owner in vars(room)]
    return any(not member or hasattr(one, member) for one in owners)


def ours() -> list[str]:
    mapped, _, own = NAMES.partition("## Names with no Windows counterpart")
    cells = [right for _, right in rows(mapped)] + [left for left, _ in rows(own)]
    return [name for cell in cells for name in OURS.findall(cell)]


def test_the_map_of_names_is_read() -> None:
    assert len(ours()) > 70
    assert "Miniport.send_net_buffer_lists" in ours()


@pytest.mark.parametrize("name", ours())
def test_every_mapped_name_exists(name: str) -> None:
    assert found(name)


def test_a_name_that_does_not_exist_is_noticed() -> None:
    assert not found("Miniport.send_packets")
    assert not found("Nobody")


def test_every_windows_function_that_the_code_names_is_in_the_map() -> None:
    mapped, _, _ = NAMES.partition("## Names with no Windows counterpart")
    listed = {name for left, _ in rows(mapped) for name in re.findall(r"`([A-Za-z_.]+)`", left)}
    named = set()
    for path in (ROOT / "nodes" / "ndis").glob("*.py"):
        docstrings = " ".join(re.findall(r'"""(.*?)"""', path.read_text(), re.DOTALL))
        named |= {name for name in WINDOWS.findall(docstrings) if re.search(r"[a-z][A-Z]", name)}
    assert named - listed == set()
    assert len(named) > 25


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_file_that_a_document_points_to_is_there(document: Path) -> None:
    text = document.read_text()
    assert [path for path in PATHS.findall(text) if not (ROOT / path).exists()] == []
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_constants_of_the_architecture_are_those_of_the_code() -> None:
    from nodes.crossings.port import NOTICE_SHARE, STAGE_LIMIT
    from nodes.hosting.host import LONGEST_WAIT
    from nodes.node import BATCH
    from orchestrator.plan import RING_FACTOR
    from shm.arena import CELL_LENGTH

    text = (DOCS / "architecture.md").read_text()
    assert f"cell of {CELL_LENGTH:,} bytes" in text
    assert f"copies at most {BATCH} entries" in text
    assert f"when {STAGE_LIMIT:,} packets" in text
    assert f"has\n{RING_FACTOR}*d* entries" in text
    assert (NOTICE_SHARE, LONGEST_WAIT) == (4, 500_000_000)
