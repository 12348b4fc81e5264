"""How a run was carried out, in the report: what was checked, forced and decided, and by which command."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nodes.policy import Policy
from nodes.verifier.force import Force
from orchestrator import Catalogue, Report, launch, parse_topology
from orchestrator.cli.app import cli
from orchestrator.outcome import report_of
from orchestrator.setup_model import SetupPart, settings_of, setup_of
from orchestrator.text import to_text
from orchestrator.topology import Topology
from tests.orchestrator.page.reports import small

PLAIN = (
    "name: t\nnodes: {top: {driver: traffic, packets: 8}, nic: {driver: miniport}}\nbindings: [top -> nic]\n"
)


def topology(text: str = PLAIN) -> Topology:
    return parse_topology(text, "t.yml", Catalogue(), Path())


def told(setup: SetupPart) -> dict[str, str]:
    """Return what is not as usual."""
    return {of.name: of.text for of in settings_of(setup) if not of.usual}


def test_of_an_ordinary_run_there_is_nothing_to_tell() -> None:
    setup = setup_of(topology(), "stop")
    assert (told(setup), setup.force, setup.policy) == ({}, {}, {})
    assert "forced" not in to_text(small(setup=setup))


def test_what_is_not_as_usual_is_told_as_it_is_written() -> None:
    changed = topology().model_copy(
        update={
            "level": 3,
            "levels": {"nic": 4},
            "force": Force(low_resources=0.05, pending=True, delay=2_000_000, nodes=("nic",)),
            "policy": Policy(delivery_irql="random", oid_limit=3_000_000_000),
            "notify": "every",
        }
    )
    setup = setup_of(changed, "report")
    assert setup.force == {"low_resources": "0.05", "pending": True, "delay": "2ms", "nodes": ["nic"]}
    assert told(setup) == {
        "verify": "level 3 (history), nic 4",
        "on violation": "report",
        "forced": "low_resources 0.05, pending, delay 2ms on nic",
        "policy": "delivery_irql random, oid_limit 3s",
        "notify": "every",
    }
    assert "forced        low_resources 0.05, pending, delay 2ms on nic\n" in to_text(small(setup=setup))


def test_a_run_tells_its_setup_and_no_command_where_none_began_it() -> None:
    with launch(topology(), mode="inline", violation_policy="bug-check") as run:
        run.wait(1)
    setup = report_of(run).setup
    assert setup is not None
    assert (setup.command, setup.level, setup.on_violation) == (None, 2, "bug-check")


def test_a_command_is_told_with_what_it_took_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b.ndisim.yml").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NDISIM_RUN_SEED", "5")
    monkeypatch.setenv("NDISIM_STRESS_SEED", "6")
    given = ["run", "a b.ndisim.yml", "--mode", "inline", "--force", "pending", "--format", "json"]
    done = CliRunner().invoke(cli, given, auto_envvar_prefix="NDISIM")
    assert done.exit_code == 0, done.output
    report = Report.model_validate_json(done.stdout)
    assert report.setup is not None
    expected = "NDISIM_RUN_SEED=5 ndisim run 'a b.ndisim.yml' --mode inline --force pending --format json"
    assert report.setup.command == expected
    assert (report.run.seed, report.setup.force) == (5, {"pending": True})
