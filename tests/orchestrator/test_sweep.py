"""The sweep of low resources: one run for each allocation that can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator import Catalogue, parse_topology
from orchestrator.cli.app import cli
from orchestrator.sweep import SweepRow, sweep, to_json, worst
from orchestrator.topology import Topology

DRIVERS = Path(__file__).with_name("forced_drivers.py")
STACK = """\
name: swept
nodes:
  bulk: {driver: traffic, packets: 16, size: 256, window: 8, burst: 4}
  nic:  {driver: BOTTOM}
bindings: [bulk -> nic]
"""


def stack(bottom: str) -> str:
    """Return the text of a source over this bottom."""
    return STACK.replace("BOTTOM", bottom)


def topology(bottom: str) -> Topology:
    return parse_topology(stack(bottom), "swept.yml", Catalogue([DRIVERS]), Path.cwd())


def test_a_driver_that_lives_with_it_passes_and_every_allocation_has_failed_once() -> None:
    [row] = sweep(topology("miniport"), 10)
    assert (row.node, row.allocation, row.verdict, row.rules, row.error) == ("bulk", 1, "pass", (), "")
    assert "nodes/stock/frame_writer.py:" in row.where


def test_a_driver_that_does_not_is_told_with_its_line_for_every_allocation() -> None:
    rows = sweep(topology("careless"), 10)
    assert [(row.node, row.allocation) for row in rows] == [("bulk", 1)] + [("nic", n) for n in range(1, 5)]
    line = (
        DRIVERS.read_text().splitlines().index("        answer = adapter.allocate_net_buffer_lists(1, 64)")
        + 1
    )
    assert {row.where for row in rows[1:]} == {f"{DRIVERS}:{line}"}
    assert {row.verdict for row in rows[1:]} == {"failed"}
    assert "IndexError" in rows[1].error
    assert worst(rows) == "failed"


def test_no_more_allocations_fail_than_the_limit_says_and_only_of_the_nodes_that_are_named() -> None:
    named = topology("careless")
    named = named.model_copy(update={"force": named.force.__class__(nodes=("nic",))})
    assert [(row.node, row.allocation) for row in sweep(named, 2)] == [("nic", 1), ("nic", 2)]


def test_a_sweep_as_data_has_the_worst_verdict_and_its_exit_code() -> None:
    rows = [SweepRow("a", 1, "", "pass"), SweepRow("a", 2, "x.py:3", "violations", ("N6-NBL-07",))]
    data = to_json(rows)
    assert (data["schema"], data["verdict"], data["exit_code"]) == ("ndisim.sweep/1", "violations", 98)
    assert json.loads(json.dumps(data))["rows"][1]["rules"] == ["N6-NBL-07"]
    assert (worst([]), worst(rows[:1])) == ("pass", "pass")


@pytest.mark.parametrize(("bottom", "code", "verdict"), [("miniport", 0, "pass"), ("careless", 1, "failed")])
def test_the_command_line_prints_a_sweep_and_returns_its_exit_code(
    tmp_path: Path, bottom: str, code: int, verdict: str
) -> None:
    file = tmp_path / "swept.ndisim.yml"
    file.write_text(stack(bottom))
    arguments = ["run", str(file), "--drivers", str(DRIVERS), "--force", "low-resources=sweep"]
    shown = CliRunner().invoke(cli, [*arguments, "--mode", "inline"])
    assert (shown.exit_code, shown.stdout.splitlines()[-1].partition(":")[0]) == (code, verdict)
    data = CliRunner().invoke(cli, [*arguments, "--mode", "inline", "--format", "json"])
    assert (data.exit_code, json.loads(data.stdout)["verdict"]) == (code, verdict)
    refused = CliRunner().invoke(cli, arguments)
    assert (refused.exit_code, "--mode inline" in refused.stderr) == (2, True)
