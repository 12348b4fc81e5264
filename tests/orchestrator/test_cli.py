"""The commands that start nothing: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.app import COMMANDS, cli
from orchestrator.cli.errors import explain
from orchestrator.failures import NodeFailed
from orchestrator.inspect import NoSuchRun
from orchestrator.topology.model import Topology
from shm.errors import SegmentMissing, SharedMemoryFull
from tests.orchestrator.page.reports import healthy

DRIVERS = '''
"""Two drivers, enough for a stack."""
from dataclasses import dataclass
from typing import Annotated

from nodes.driver import Driver
from nodes.options import Count, Duration, OutputFile


class Talker(Driver):
    """Talk to whoever is below."""

    kind = "protocol"
    source = True

    @dataclass(frozen=True)
    class Options:
        packets: Count = 0
        every: Duration = 5000
        write: Annotated[str, OutputFile("capture")] = ""


class Floor(Driver):
    """Be what all stands on."""

    kind = "miniport"
'''
GOOD = """\
name: small
nodes:
  top: {driver: talker}
  nic: {driver: floor}
bindings: [top -> nic]
pass: [lost == 0]
"""
BAD = """\
name: small
nodes:
  top: {driver: talkr}
  nic: {driver: floor, colour: red}
bindings: [top -> nowhere]
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(DRIVERS)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.ndisim.yml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.ndisim.yml"
    path.write_text(BAD)
    return path


def ndisim(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="ndisim")


def test_help_lists_every_command() -> None:
    result = ndisim("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = ndisim(name, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Usage: ndisim" in result.stdout


def test_help_loads_neither_numpy_nor_pydantic_nor_rich() -> None:
    program = (
        "import sys\nfrom orchestrator.cli.app import cli\ncli(['--help'], standalone_mode=False)\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    loaded = done.stdout.rpartition("LOADED ")[2].split()
    assert not {"numpy", "pydantic", "rich", "ruamel", "zmq", "msgpack", "psutil"} & set(loaded)


def test_an_unknown_command_is_a_usage_error() -> None:
    assert ndisim("fly").exit_code == 2


def test_the_version_is_printed() -> None:
    assert ndisim("version").stdout.startswith("ndisim ")
    assert ndisim("--version").stdout == ndisim("version").stdout
    assert list(json.loads(ndisim("version", "--format", "json").stdout)) == ["ndisim"]


def test_a_valid_topology_is_said_to_be_valid(good: Path, own: Path) -> None:
    result = ndisim("validate", good, "--drivers", own)
    assert (result.exit_code, result.stdout) == (0, f"{good}: valid: 2 nodes, 1 bindings, 0 wires\n")


def test_all_mistakes_of_all_files_are_shown_with_their_places(good: Path, bad: Path, own: Path) -> None:
    result = ndisim("validate", bad, good, "--drivers", own)
    lines = result.stdout.splitlines()
    assert result.exit_code == 2
    assert f"{bad}:3:17: nodes.top.driver: " in lines[0]
    assert "did you mean talker?" in lines[0]
    assert any(line.startswith(f"{bad}:4:") and "colour" in line for line in lines)
    assert any(line.startswith(f"{bad}:5:") and "nowhere" in line for line in lines)
    assert lines[-1].startswith(f"{good}: valid")


def test_validate_gives_its_findings_as_json(good: Path, bad: Path, own: Path) -> None:
    result = ndisim("validate", bad, good, "--drivers", own, "--format", "json")
    first, second = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (first["file"], first["valid"]) == (str(bad), False)
    assert list(first["problems"][0]) == ["line", "column", "path", "message", "hint"]
    assert (second["file"], second["valid"], second["problems"]) == (str(good), True, [])


def test_a_missing_file_is_invalid_input() -> None:
    result = ndisim("validate", "no-such-file.yml")
    assert (result.exit_code, "no-such-file.yml" in result.stdout) == (2, True)


def test_drivers_that_cannot_be_read_are_invalid_input(good: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    result = ndisim("validate", good, "--drivers", broken)
    assert result.exit_code == 2
    assert f"{broken}:1: ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("form", "start"), [("mermaid", "flowchart"), ("dot", "digraph")])
def test_a_topology_is_drawn(good: Path, own: Path, form: str, start: str) -> None:
    result = ndisim("graph", good, "--drivers", own, "--format", form)
    assert result.exit_code == 0
    assert start in result.stdout
    assert "top" in result.stdout


def test_a_topology_with_mistakes_is_not_drawn(bad: Path, own: Path) -> None:
    result = ndisim("graph", bad, "--drivers", own)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{bad}:3:17" in result.stderr


def test_a_driver_is_shown_with_its_options(own: Path) -> None:
    result = ndisim("drivers", "talker", "--drivers", own)
    assert result.exit_code == 0
    assert "talker (protocol): Talk to whoever is below." in result.stdout
    assert "every" in result.stdout
    assert "5us" in result.stdout


def test_a_driver_is_described_as_json(own: Path) -> None:
    found = json.loads(ndisim("drivers", "talker", "--drivers", own, "--format", "json").stdout)
    assert (found["name"], found["kind"]) == ("talker", "protocol")
    assert found["options"][1] == {
        "name": "every",
        "unit": "duration",
        "default": "5us",
        "help": "",
        "required": False,
    }


def test_an_unknown_driver_is_invalid_input_with_a_suggestion(own: Path) -> None:
    result = ndisim("drivers", "talkr", "--drivers", own)
    assert result.exit_code == 2
    assert "did you mean talker?" in result.stderr


def test_the_schema_of_the_report_is_printed() -> None:
    assert json.loads(ndisim("schema", "report").stdout)["title"] == "Report"


def test_without_runs_there_is_nothing_to_list_inspect_or_clean(run_base: Path) -> None:
    assert ndisim("ps").stdout == "no runs\n"
    assert json.loads(ndisim("ps", "--format", "json").stdout) == []
    assert json.loads(ndisim("clean", "--format", "json").stdout) == {"runs": [], "segments": []}
    result = ndisim("inspect", "nothing")
    assert (result.exit_code, "there is no run 'nothing'" in result.stderr) == (2, True)


def test_a_wrong_duration_names_what_to_write(good: Path) -> None:
    result = ndisim("run", good, "--for", "5")
    assert result.exit_code == 2
    assert "has no unit" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SharedMemoryFull("needs 5, has 3"), 2, "needs 5, has 3"),
        (NoSuchRun("no run"), 2, "no run"),
        (SegmentMissing("gone"), 1, "gone"),
        (NodeFailed("driver raised\nTraceback ..."), 1, "driver raised; `ndisim --debug ...` shows where"),
        (PermissionError(13, "Permission denied", "/x/report.json"), 1, "/x/report.json: Permission denied"),
        (RuntimeError("odd"), 1, "internal error: RuntimeError: odd; `ndisim --debug ...` shows where"),
    ],
)
def test_an_error_becomes_one_message_and_an_exit_code(error: Exception, code: int, said: str) -> None:
    failure = explain(error)
    assert (failure.exit_code, failure.message) == (code, said)


class TestInputs:
    """What happens to a topology between reading and launching."""

    @pytest.fixture
    def topology(self, good: Path, own: Path) -> Topology:
        from orchestrator.drivers import Catalogue
        from orchestrator.topology import load_topology

        return load_topology(good, Catalogue([own]))

    def test_what_the_command_line_says_comes_first(self, topology: Topology) -> None:
        from orchestrator.cli.inputs import override

        changed = override(topology, seed=9, packets=100)
        assert (changed.seed, changed.nodes["top"].options.packets) == (9, 100)
        assert override(topology, seed=None, packets=None) == topology

    def test_packets_without_a_source_that_counts_them_is_a_usage_error(self, topology: Topology) -> None:
        from orchestrator.cli.inputs import override

        alone = topology.model_copy(update={"nodes": {"nic": topology.nodes["nic"]}})
        with pytest.raises(click.UsageError, match="no source"):
            override(alone, seed=None, packets=1)

    def test_outputs_have_a_directory_only_where_something_is_written(
        self, topology: Topology, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        from orchestrator.cli.inputs import output_directory
        from orchestrator.drivers import Catalogue

        monkeypatch.chdir(tmp_path)
        catalogue = Catalogue([own])
        assert output_directory(topology, catalogue, None) is None
        assert output_directory(topology, catalogue, Path("a/b")) == tmp_path / "a" / "b"
        top = topology.nodes["top"]
        writer = top.model_copy(update={"options": replace(top.options, write="x.pcapng")})
        chosen = output_directory(topology.model_copy(update={"nodes": {"top": writer}}), catalogue, None)
        assert chosen is not None
        assert chosen.parent == tmp_path / "ndisim-out"
        assert chosen.name.startswith("small-")


class TestForcing:
    """``--verify`` and ``--force``: what they ask for, and what is refused."""

    @pytest.fixture
    def topology(self, good: Path, own: Path) -> Topology:
        from orchestrator.drivers import Catalogue
        from orchestrator.topology import load_topology

        return load_topology(good, Catalogue([own]))

    def test_a_level_holds_for_all_nodes_and_one_with_a_name_for_that_node(self, topology: Topology) -> None:
        from orchestrator.cli.forcing import Forced, Levels, with_verification

        written = topology.model_copy(update={"level": 1, "levels": {"nic": 0}})
        found = [
            with_verification(written, levels, Forced())
            for levels in (Levels(), Levels(4), Levels(None, {"top": 3}), Levels(4, {"top": 3}))
        ]
        assert [(one.level, dict(one.levels)) for one in found] == [
            (1, {"nic": 0}),
            (4, {}),
            (1, {"nic": 0, "top": 3}),
            (4, {"top": 3}),
        ]

    def test_what_is_forced_comes_on_top_of_what_the_file_forces(self, topology: Topology) -> None:
        from nodes.verifier.force import Force
        from orchestrator.cli.forcing import Levels, read_forced, with_verification

        written = topology.model_copy(update={"force": Force(delay=5, nodes=("nic",))})
        values = ("low-resources", "pending", "completion-order", "early-completion", "random-irql")
        context = click.Context(click.Command("run"))
        wanted = read_forced(context, click.Option(["--force"]), values)
        changed = with_verification(written, Levels(), wanted)
        assert changed.force == Force(0.06, 0, True, "random", 5, ("nic",))
        assert (changed.policy.early_completion, changed.policy.delivery_irql) == ("yes", "random")
        wanted = read_forced(
            context, click.Option(["--force"]), ("low-resources=nth:3", "delay", "delay=2us")
        )
        assert wanted.force == {"fail_allocation": 3, "delay": 2000}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--verify", "5"], "'5' is not a level from 0 to 4"),
            (["--verify", "nic=x"], "'nic=x' is not a level"),
            (["--verify", "nick=2"], "there is no node 'nick' (did you mean nic?)"),
            (["--force", "dely"], "dely: there is no such thing to force (did you mean delay?)"),
            (["--force", "delay=5"], "delay: '5' has no unit"),
            (["--force", "pending=1"], "pending: it takes no value"),
            (["--force", "low-resources=2"], "more than the whole"),
            (["--force", "low-resources=sweep"], "give --mode inline"),
        ],
    )
    def test_what_makes_no_sense_is_a_usage_error(
        self, good: Path, own: Path, arguments: list[str], message: str
    ) -> None:
        result = ndisim("run", good, "--drivers", own, *arguments)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.replace("│", " ").split())


def written_report(directory: Path) -> Path:
    directory.mkdir()
    (directory / "report.json").write_text(healthy().to_json())
    return directory


def test_report_writes_the_page_of_a_run_beside_its_report(tmp_path: Path) -> None:
    out = written_report(tmp_path / "out")
    for source in (out, out / "report.json"):
        done = ndisim("report", source)
        assert (done.exit_code, done.stdout) == (0, f"{out / 'report.html'}\n")
        page = (out / "report.html").read_text("utf-8")
        assert page.startswith("<!doctype html>")
        assert healthy().run.id in page
        (out / "report.html").unlink()


def test_report_writes_the_page_where_it_is_wanted(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    done = ndisim("report", written_report(tmp_path / "out"), "--html", target, "--format", "json")
    assert json.loads(done.stdout) == {"html": str(target)}
    assert target.exists()
    assert not (tmp_path / "out" / "report.html").exists()


def test_report_of_something_else_is_invalid_input(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"schema": "other"}')
    done = ndisim("report", tmp_path)
    assert done.exit_code == 2
    assert "not a report of this version" in done.stderr
