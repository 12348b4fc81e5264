"""The series tells second by second what a run did, and adds up to the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nodes.metrics import HistogramRow
from orchestrator import series
from orchestrator.drivers import Catalogue
from orchestrator.holdings import LedgerState
from orchestrator.outcome import report_of
from orchestrator.report_model import Report
from orchestrator.report_series import SeriesRow
from orchestrator.run import launch
from orchestrator.series import Sampler
from orchestrator.topology import Topology, parse_topology
from tests.orchestrator.stacks import stack
from tests.orchestrator.synthetic import FakeRun

SECOND = 10**9
START = 5 * SECOND


class Watched:
    """A made-up run with a sampler that has begun."""

    def __init__(self) -> None:
        self.run = FakeRun()
        self.sampler = Sampler(self.run.specs, self.run.boards, self.run.arena)
        self.sampler.begin(START)
        self.total = 0

    def complete(self, count: int, took_ns: int = 10_000) -> None:
        self.total += count
        self.run.count("top", sent=self.total, completed=self.total)
        self.run.count_port("top", 0, requests_out=self.total, replies_in=self.total)
        self.run.record("top", HistogramRow.LATENCY, [took_ns] * count)

    def at(self, seconds: float) -> None:
        self.sampler.look(START + round(seconds * SECOND))

    def end(self, seconds: float) -> list[SeriesRow]:
        self.sampler.end(START + round(seconds * SECOND))
        return self.sampler.rows()


def shape(rows: list[SeriesRow]) -> list[tuple[float, int, float]]:
    return [(row.t_s, row.completed, row.throughput_pps) for row in rows]


def test_each_second_has_a_row_of_what_came_in_it() -> None:
    watched = Watched()
    watched.complete(100, 10_000)
    watched.at(0.4)
    watched.at(1.0)
    watched.complete(50, 1_000_000)
    watched.at(2.0)
    rows = watched.end(3.0)
    assert shape(rows) == [(1.0, 100, 100.0), (2.0, 50, 50.0), (3.0, 0, 0.0)]
    assert rows[0].p50_us == pytest.approx(10, rel=1 / 32)
    assert rows[1].p50_us == rows[1].p99_us == pytest.approx(1000, rel=1 / 32)
    assert (rows[2].p50_us, rows[2].max_us) == (None, None)
    assert [row.planned_p99_us for row in rows] == [None] * 3
    assert rows[0].nodes["top"].completed == 100
    assert rows[0].edges["top -> nic"].down_pps == 100.0


def test_a_run_of_less_than_a_second_has_one_row() -> None:
    watched = Watched()
    watched.complete(10)
    assert shape(watched.end(0.1)) == [(0.1, 10, 100.0)]


def test_a_short_rest_belongs_to_the_last_second() -> None:
    watched = Watched()
    watched.complete(100)
    watched.at(1.0)
    watched.complete(20)
    assert shape(watched.end(1.25)) == [(1.25, 120, 96.0)]


def test_what_comes_back_as_the_run_drains_counts_and_the_gauges_stay_those_of_the_end() -> None:
    watched = Watched()
    watched.run.count("top", sent=30, completed=10)
    watched.run.count_port("top", 0, requests_out=30, replies_in=10)
    assert watched.end(1.0)[0].in_flight == 20
    watched.run.count("top", completed=30)
    watched.run.count_port("top", 0, replies_in=30)
    [row] = watched.sampler.rows()
    assert (row.completed, row.in_flight, row.edges["top -> nic"].occupancy) == (30, 20, 20)


def test_a_look_that_comes_late_covers_what_it_covers() -> None:
    watched = Watched()
    watched.complete(300)
    watched.at(3.0)
    watched.complete(10)
    watched.at(3.5)
    watched.at(4.0)
    assert shape(watched.end(5.0)) == [(3.0, 300, 100.0), (4.0, 10, 10.0), (5.0, 0, 0.0)]


def test_a_node_holds_what_others_gave_it_and_it_has_not_handed_on() -> None:
    watched = Watched()
    first, second, third = watched.run.allocate("top", 3)
    watched.run.place([first, second], owner=2, edge=1, state=LedgerState.SENT, age=0)
    watched.run.place([third], owner=1, edge=1, state=LedgerState.BACK, age=0)
    [row] = watched.end(1.0)
    assert {name: node.held for name, node in row.nodes.items()} == {"top": 0, "nic": 2}


def test_a_series_that_grows_too_long_is_merged_and_still_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "ROWS", 60)
    watched = Watched()
    for second in range(1, 201):
        watched.complete(second)
        watched.at(second)
    rows = watched.end(200.0)
    assert len(rows) <= 60
    assert sum(row.completed for row in rows) == sum(range(1, 201))
    assert np.diff([row.t_s for row in rows]).tolist() == [4.0] * (len(rows) - 1)


PACED = """
name: paced
nodes:
  bulk: {driver: traffic, rate: 1000, size: 64}
  nic:  {driver: miniport}
bindings: [bulk -> nic]
"""


def report(mode: Any, seconds: float, topology: Topology) -> Report:
    with launch(topology, mode=mode) as run:
        run.wait(seconds)
    return report_of(run)


def test_virtual_seconds_are_exact_and_repeat() -> None:
    paced = parse_topology(PACED, "paced.yml", Catalogue([]), Path())
    first, second = (report("inline", 2.5, paced) for _ in range(2))
    assert [row.t_s for row in first.series] == [1.0, 2.0, 2.5]
    assert first.series == second.series
    assert all(row.planned_p50_us and row.planned_p50_us >= (row.p50_us or 0) for row in first.series)
    assert [row.throughput_pps for row in first.series] == [pytest.approx(1000, rel=0.02)] * 3
    assert sum(row.completed for row in first.series) == first.conservation.completed


def test_a_run_of_processes_is_sampled_while_it_goes_on() -> None:
    found = report("processes", 1.6, stack(packets=0))
    assert len(found.series) == 2
    assert all(row.completed > 0 and row.p99_us for row in found.series)
    assert sum(row.completed for row in found.series) == found.conservation.completed
    assert sum(row.nodes["source"].completed for row in found.series) == found.conservation.completed
    assert set(found.series[0].edges) == {f"{edge.upper} -> {edge.lower}" for edge in found.edges}
