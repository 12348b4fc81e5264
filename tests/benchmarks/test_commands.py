"""`ndisim bench` on the command line: rows on stdout, the rest on stderr."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from orchestrator.bench.commands import bench
from orchestrator.bench.result import Result, Row

TINY = ["--packets", "640", "--seconds", "0.1", "--repeat", "2"]


def test_json_rows_say_job_peer_chain_and_rate() -> None:
    arguments = ["data-plane", "--peers", "pipe,write-only", "--chains", "32", "--format", "json", *TINY]
    outcome = CliRunner().invoke(bench, arguments)
    assert outcome.exit_code == 0, outcome.stderr
    rows = json.loads(outcome.stdout)
    assert [(row["job"], row["peer"], row["chain"]) for row in rows] == [
        (job, peer, 32) for job in ("relay", "pair", "stack") for peer in ("pipe", "write-only")
    ]
    assert all(row["pps_min"] <= row["pps"] <= row["pps_max"] and row["pps"] > 0 for row in rows)
    assert all(row["packets"] == 2 * 640 and row["fault"] is None for row in rows)


def test_contenders_take_turns() -> None:
    arguments = ["data-plane", "--jobs", "pair", "--peers", "pipe,write-only", "--chains", "32", *TINY]
    outcome = CliRunner().invoke(bench, arguments)
    turns = [line.split(":")[0].split()[-1] for line in outcome.stderr.splitlines()]
    assert turns == ["pipe", "write-only", "pipe", "write-only"]


def test_the_table_has_a_line_for_each_row() -> None:
    outcome = CliRunner().invoke(
        bench, ["data-plane", "--jobs", "pair", "--peers", "write-only", "--chains", "32", *TINY]
    )
    assert outcome.exit_code == 0
    assert "write-only" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--peers", "carrier-pigeon"],
        ["--chains", "0"],
        ["--chains", "many"],
        ["--repeat", "0"],
        ["--seconds", "0"],
    ],
)
def test_bad_options_exit_with_2_and_start_nothing(arguments: list[str]) -> None:
    assert CliRunner().invoke(bench, ["data-plane", *arguments]).exit_code == 2


def test_a_missing_peer_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    outcome = CliRunner().invoke(
        bench, ["data-plane", "--jobs", "pair", "--peers", "memif", "--chains", "32", *TINY]
    )
    assert "memif is missing: apt-get install dpdk-dev" in outcome.stderr
    assert outcome.exit_code == 0


def test_a_row_is_the_median_with_its_spread() -> None:
    results = [Result("pair", "pipe", 1, packets=packets, seconds=1.0) for packets in (10, 40, 20)]
    row = Row.of(results)
    assert (row.pps_min, row.pps, row.pps_max, row.packets) == (10.0, 20.0, 40.0, 70)


def test_one_void_repetition_voids_the_row() -> None:
    row = Row.of([Result("pair", "pipe", 1, 10, 1.0), Result("pair", "pipe", 1, fault="lost")])
    assert (row.pps, row.fault) == (0.0, "lost")
