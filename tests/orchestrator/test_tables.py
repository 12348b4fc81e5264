"""Tables of a report: few nodes are shown one by one, many alike as one row."""

from __future__ import annotations

from orchestrator import Report, launch, report_of
from orchestrator.drivers import Catalogue
from orchestrator.stress.shapes import shape_topology
from orchestrator.tables import MANY
from orchestrator.text import to_text


def report(senders: int) -> Report:
    topology = shape_topology(f"mux:above={senders},below=1", Catalogue())
    with launch(topology, mode="inline") as run:
        run.wait(0.001)
    return report_of(run)


def lines_of(text: str, word: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(word)]


def test_few_senders_are_shown_one_by_one() -> None:
    text = to_text(report(MANY))
    assert len(lines_of(text, "sender-")) == 2 * MANY


def test_of_many_senders_one_row_has_the_sums() -> None:
    found = report(MANY + 1)
    sent = sum(node.counters["sent"] for node in found.nodes.values())
    node, edge = lines_of(to_text(found), "sender-")
    assert node[:6] == ["sender-1", "and", f"{MANY}", "more", "traffic", "Halted"]
    assert node[6] == edge[7] == f"{sent:,}"
    assert edge[:6] == ["sender-1", "->", "mux", "and", f"{MANY}", "more"]
    assert [line[0] for line in lines_of(to_text(found), "mux")] == ["mux", "mux"]
