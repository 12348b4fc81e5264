"""A user's own drivers, right and wrong: what is wrong is named with file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodes.hosting.loader import load_driver
from nodes.metrics import NodeState
from orchestrator import Catalogue, launch, load_topology, look
from orchestrator import report_of as report_of_run
from orchestrator.failures import PauseOverdue
from orchestrator.script import Limits
from tests.end_to_end.command import EXAMPLES, ROOT, ndisim, report_of, run

WRONG = Path(__file__).with_name("wrong_drivers.py")
OWN = EXAMPLES / "own_drivers"
MS = 1_000_000
SHORT = Limits(pause=100 * MS, settle=100 * MS, end=500 * MS)

both_modes = pytest.mark.parametrize("mode", ["processes", "inline"])


def place(comment: str) -> str:
    """Return ``file:line`` of the line in the wrong drivers that ends with a comment."""
    lines = WRONG.read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"  # {comment}")]
    return f"{WRONG}:{number}"


def stack(tmp_path: Path, driver: str) -> Path:
    file = tmp_path / "wrong.ndisim.yml"
    file.write_text(
        "name: wrong\nnodes:\n  bulk: {driver: traffic, packets: 3000}\n"
        f"  nic: {{driver: {driver}}}\nbindings: [bulk -> nic]\npass: [lost == 0]\n"
    )
    return file


@both_modes
@pytest.mark.rule("N6-SEND-10")
def test_a_packet_completed_twice_is_exit_code_98_with_rule_and_line(mode: str, tmp_path: Path) -> None:
    done = run(stack(tmp_path, "twice"), "--drivers", WRONG, "--mode", mode, "--format", "json")
    report = report_of(done)
    assert (done.returncode, report.verdict) == (98, "violations")
    first = report.violations[0]
    assert (first.rule, first.node, first.source) == ("N6-SEND-10", "nic", place("twice"))
    assert any("bulk handed over send" in line for line in first.history)
    assert report.conservation.duplicated == report.violation_count > 0


@pytest.mark.rule("N6-SEND-03", "N6-SEND-14")
def test_a_packet_touched_after_it_was_given_away_is_named_too(tmp_path: Path) -> None:
    done = run(stack(tmp_path, "touching"), "--drivers", WRONG, "--mode", "inline")
    assert done.returncode == 98
    assert done.stdout.startswith("FAIL: the contract was violated   wrong, run ")
    assert f"\n    at         {place('touched')}\n" in done.stdout


@both_modes
def test_a_driver_that_raises_is_exit_code_1_with_file_and_line(mode: str, tmp_path: Path) -> None:
    done = run(stack(tmp_path, "raising"), "--drivers", WRONG, "--mode", mode)
    assert done.returncode == 1
    assert done.stderr == (
        f"ndisim: driver code of node 'nic' raised LookupError: no such descriptor, at {place('raised')}\n"
    )
    assert done.stdout.startswith("FAILED: the run broke off   wrong, run ")
    assert 'raise LookupError("no such descriptor")' in done.stdout


@both_modes
def test_a_driver_that_raises_while_it_is_set_up_is_named_with_file_and_line(
    mode: str, tmp_path: Path
) -> None:
    done = run(stack(tmp_path, "unready"), "--drivers", WRONG, "--mode", mode)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"ndisim: driver code of node 'nic' raised OSError: no such register, at {place('unready')}; "
    )


def test_a_handler_with_too_few_parameters_is_named(tmp_path: Path) -> None:
    done = run(stack(tmp_path, "narrow"), "--drivers", WRONG, "--mode", "inline")
    assert done.returncode == 1
    assert "'nic' raised TypeError: Narrow.send_net_buffer_lists() takes 3 positional" in done.stderr


@both_modes
@pytest.mark.rule("N6-PNP-03", "N6-SEND-10")
def test_a_driver_that_calls_itself_paused_with_forgotten_packets_is_found_out_at_the_end(
    mode: Any, tmp_path: Path
) -> None:
    topology = load_topology(stack(tmp_path, "forgetful"), Catalogue([WRONG]))
    with launch(topology, mode=mode, limits=SHORT) as run:
        run.wait(0.3)
    report = report_of_run(run)
    assert (report.verdict, report.error) == ("violations", None)
    assert [(found.rule, found.node) for found in report.violations] == [("N6-PNP-03", "nic")]
    assert report.conservation.in_flight > 0


@pytest.mark.rule("N6-PNP-12")
def test_forgotten_packets_are_shown_in_flight_and_end_the_run_with_a_named_error(tmp_path: Path) -> None:
    file = stack(tmp_path, "stubborn")
    done = run(file, "--drivers", WRONG, "--mode", "inline", "--for", "1s", "--format", "json")
    report = report_of(done)
    assert (done.returncode, report.verdict) == (1, "failed")
    assert report.error is not None
    assert report.error.startswith(
        "PauseOverdue: 'bulk', 'nic' cannot pause: packets handed over are not back; 'nic'"
    )
    assert report.error in f"PauseOverdue: {done.stderr.splitlines()[-1].removeprefix('ndisim: ')}"
    of = report.conservation
    assert (of.lost, of.accepted) == (0, of.completed + of.in_flight)
    assert of.in_flight > 0


def test_forgotten_packets_are_found_in_real_processes_too(tmp_path: Path) -> None:
    topology = load_topology(stack(tmp_path, "stubborn"), Catalogue([WRONG]))
    with launch(topology, limits=SHORT) as run:
        run.wait(0.3)
    assert isinstance(run.error, PauseOverdue)
    snapshot = look(run)
    assert f"'nic' holds {snapshot.conservation.in_flight} of 'bulk'" in str(run.error)
    assert snapshot.nodes["bulk"].state is NodeState.PAUSING


def test_drivers_of_ones_own_are_listed_beside_the_stock_ones() -> None:
    listed = json.loads(ndisim("drivers", "--drivers", OWN, "--format", "json").stdout)
    by_name = {driver["name"]: driver for driver in listed}
    assert by_name["refuse"]["kind"] == "filter"
    assert by_name["lazy-nic"]["options"][0]["default"] == "1ms"
    assert "traffic" in by_name


def test_a_topology_alone_brings_no_driver_in() -> None:
    done = run(OWN / "own-drivers.ndisim.yml")
    assert (done.returncode, "there is no driver 'refuse'" in done.stderr) == (2, True)


def test_a_program_launches_its_own_driver() -> None:
    command = [sys.executable, str(OWN / "refuse.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout.splitlines()[-1] == "{'SUCCESS': 9000, 'FAILURE': 1000}"


def test_a_node_that_loads_an_example_driver_loads_nothing_of_the_orchestrator() -> None:
    for name in ("refuse.py:Refuse", "lazy_nic.py:LazyNic"):
        reference = f"{OWN}/{name}"
        load = f"from nodes.hosting.loader import load_driver; load_driver({reference!r})"
        code = f"import sys; {load}; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=50, check=True
        )
        assert load_driver(reference).__name__ == name.partition(":")[2]
        assert not {"orchestrator", "pydantic", "rich"} & set(done.stdout.split())
