"""What a run costs at rest: every command gives its rows; how much it is, is not a test's business."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.bench.commands import bench
from orchestrator.bench.costs import processor_ns
from orchestrator.bench.round_trip import Ping, summary


def rows_of(*arguments: str) -> list[dict[str, Any]]:
    outcome = CliRunner().invoke(bench, [*arguments, "--format", "json"], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.stderr
    rows: list[dict[str, Any]] = json.loads(outcome.stdout)
    return rows


def test_launch_is_timed_with_the_fork_servers_start_and_without() -> None:
    rows = rows_of("launch", "--nodes", "2,3", "--repeat", "2")
    assert [(row["nodes"], row["fork_server"]) for row in rows] == [
        (2, "included"),
        (2, "excluded"),
        (3, "included"),
        (3, "excluded"),
    ]
    assert all(0 < row["seconds_min"] <= row["seconds"] <= row["seconds_max"] for row in rows)
    assert all(row["repeats"] == 2 for row in rows)


def test_memory_is_the_sum_over_the_nodes() -> None:
    [row] = rows_of("memory", "--nodes", "3")
    assert set(row) == {"nodes", "total_mib", "node_mib", "fork_server_mib"}
    assert row["total_mib"] == pytest.approx(3 * row["node_mib"])
    assert row["node_mib"] > 0
    assert row["fork_server_mib"] > 0


def test_rest_is_told_apart_for_nodes_orchestrator_and_fork_server() -> None:
    [row] = rows_of("idle", "--nodes", "3", "--seconds", "0.1", "--repeat", "1")
    parts = [row[f"{part}_percent"] for part in ("nodes", "orchestrator", "fork_server")]
    assert (row["nodes"], row["seconds"]) == (3, 0.1)
    assert all(part >= 0 for part in parts)
    assert row["total_percent"] == pytest.approx(sum(parts))


def test_both_sides_of_the_round_trip_bring_every_packet_back() -> None:
    rows = rows_of("round-trip", "--hops", "2", "--packets", "20", "--gaps", "0,0.1", "--repeat", "1")
    assert [(row["peer"], row["gap_ms"], row["hops"], row["packets"]) for row in rows] == [
        ("ndisim", 0.0, 2, 20),
        ("zmq", 0.0, 2, 20),
        ("ndisim", 0.1, 2, 20),
        ("zmq", 0.1, 2, 20),
    ]
    assert all(0 < row["p50_us"] <= row["p90_us"] <= row["p99_us"] for row in rows)
    assert [row["ratio"] for row in rows if row["peer"] == "zmq"] == [1.0, 1.0]


def test_one_hop_needs_no_relay() -> None:
    rows = rows_of("round-trip", "--hops", "1", "--packets", "5", "--gaps", "0", "--repeat", "1")
    assert [row["packets"] for row in rows] == [5, 5]


def test_the_ratio_compares_medians_of_the_same_round() -> None:
    rounds = {"ndisim": [[200, 200], [900, 900]], "zmq": [[100, 100], [300, 300]]}
    ours, bare = summary(Ping(3, 2, 0), rounds)
    assert (ours["ratio"], bare["ratio"]) == (2.5, 1.0)
    assert bare["p50_us"] == pytest.approx(0.2)


def test_a_table_has_the_columns_of_the_rows() -> None:
    outcome = CliRunner().invoke(bench, ["memory", "--nodes", "2"])
    assert outcome.exit_code == 0
    assert "fork server mib" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["launch", "--nodes", "1"],
        ["launch", "--nodes", "many"],
        ["memory", "--nodes", "501"],
        ["idle", "--seconds", "0"],
        ["round-trip", "--gaps", "-1"],
        ["round-trip", "--gaps", "soon"],
        ["round-trip", "--hops", "0"],
        ["data-plane", "--verify", "9"],
    ],
)
def test_bad_options_exit_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(bench, arguments).exit_code == 2


def test_processor_time_only_grows() -> None:
    before = processor_ns(os.getpid())
    assert sum(range(10_000)) > 0
    assert processor_ns(os.getpid()) > before > 0
