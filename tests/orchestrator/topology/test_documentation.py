from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.drivers import Catalogue
from orchestrator.topology import TopologyError, dump_topology, load_topology, parse_topology

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "topology.md").read_text()
SNIPPETS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.ndisim.yml"))


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_of_the_guide_is_a_valid_topology(snippet: str) -> None:
    assert parse_topology(snippet, "docs/topology.md", Catalogue(), ROOT).nodes


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_a_valid_topology_named_after_its_file(path: Path) -> None:
    topology = load_topology(path, Catalogue())
    assert topology.name == path.name.removesuffix(".ndisim.yml")
    assert parse_topology(dump_topology(topology), "dumped.yml", Catalogue(), path.parent) == topology


def test_the_problems_that_the_guide_shows_are_told_in_these_words() -> None:
    text = (
        "name: stack\nnodes:\n  bulk: {driver: traffic}\n  mux: {driver: mux}\n  mix: {driver: mux}\n"
        "  nic0:\n    link:  10Gpbs\n    driver: miniport\nbindings:\n  - bulk -> mux -> nic0\n"
        "  - mux -> mix\n  - mix -> mux\n"
    )
    with pytest.raises(TopologyError) as caught:
        parse_topology(text, "stack.ndisim.yml", Catalogue(), ROOT)
    shown = [line.split(": ", 1)[1] for line in GUIDE.splitlines() if line.startswith("stack.ndisim.yml:")]
    assert [line.split(": ", 1)[1] for line in str(caught.value).splitlines()] == shown
