"""Every example runs as its file says, in both modes, and accounts for the same packets each time.

`NDISIM_UPDATE_EXPECTED=1 pytest tests/examples` writes the expected files anew; look at what changed in them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestrator import Report
from tests.end_to_end.command import EXAMPLES, QUICKSTART, report_of, run
from tests.examples.columns import columns_after_removal, deterministic_columns

EXPECTED = Path(__file__).with_name("expected")
OWN = EXAMPLES / "own_drivers"
COUNTED = sorted(set(EXAMPLES.rglob("*.ndisim.yml")) - {QUICKSTART})
"""All examples but the quickstart, which goes on until its time is up."""

every_example = pytest.mark.parametrize("file", COUNTED, ids=lambda file: file.name.partition(".")[0])


def finished(file: Path, mode: str, out: Path, *arguments: object) -> Report:
    own = ["--drivers", OWN] if file.is_relative_to(OWN) else []
    return report_of(run(file, *own, *arguments, "--mode", mode, "--out", out, "--format", "json"))


def compare(found: dict[str, object], expected: Path) -> None:
    """Compare with a committed file, whole."""
    if os.environ.get("NDISIM_UPDATE_EXPECTED"):
        expected.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(expected.read_text())


@every_example
@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_an_example_accounts_for_the_same_packets_in_both_modes(
    file: Path, mode: str, tmp_path: Path
) -> None:
    report = finished(file, mode, tmp_path)
    columns = columns_after_removal if "remove:" in file.read_text() else deterministic_columns
    compare(columns(report), EXPECTED / f"{file.name.partition('.')[0]}.json")


@every_example
def test_an_example_is_repeated_exactly_inline(file: Path, tmp_path: Path) -> None:
    first, second = (finished(file, "inline", tmp_path) for _ in range(2))
    assert first.trace_sha256 is not None
    assert first.model_copy(update={"run": second.run}) == second


def test_another_seed_gives_another_trace_and_the_same_account(tmp_path: Path) -> None:
    file = EXAMPLES / "lossy-wire.ndisim.yml"
    first, second = (finished(file, "inline", tmp_path, "--packets", 1000, "--seed", seed) for seed in (5, 6))
    assert first.trace_sha256 != second.trace_sha256
    assert first.conservation == second.conservation


def test_the_quickstart_repeats_what_was_counted_for_it(tmp_path: Path) -> None:
    first, second = (finished(QUICKSTART, "inline", tmp_path, "--packets", 2000) for _ in range(2))
    assert first.trace_sha256 == second.trace_sha256
    compare(deterministic_columns(first), EXPECTED / "quickstart.json")


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_the_quickstart_ends_by_time_with_every_packet_accounted_for(mode: str, tmp_path: Path) -> None:
    report = finished(QUICKSTART, mode, tmp_path, "--for", "500ms" if mode == "processes" else "20ms")
    of = report.conservation
    missed = {threshold.condition for threshold in report.thresholds if not threshold.passed}
    assert missed <= {"latency.p99 < 500ms"}  # a busy machine may take longer
    assert (report.error, report.ended, report.violation_count) == (None, "time", 0)
    assert of.accepted == of.completed == report.received.frames > 0
    assert (of.in_flight, of.lost, of.duplicated) == (0, 0, 0)
    assert report.statuses == {"SUCCESS": of.completed}
    assert (report.received.corrupt, report.received.out_of_order, report.received.missed) == (0, 0, 0)
    assert {node.state for node in report.nodes.values()} == {"Halted"}
    sent = {edge.upper: edge.sent for edge in report.edges if edge.kind == "binding"}
    assert sent["mux"] == sent["replay"] + sent["bulk"] == of.accepted


def test_every_expected_file_belongs_to_an_example() -> None:
    names = {file.name.partition(".")[0] for file in [*COUNTED, QUICKSTART]}
    assert {path.stem for path in EXPECTED.iterdir()} == names
