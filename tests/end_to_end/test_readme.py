"""The README says what is so: its programs are run, its output is compared, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from orchestrator.cli.app import COMMANDS
from orchestrator.report_model import EXIT_CODES
from tests.end_to_end.command import EXAMPLES, QUICKSTART, ROOT, report_of, run

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
PROGRAMS = [text for kind, text in BLOCKS if kind == "python"]
OUTPUTS = [text for kind, text in BLOCKS if kind == "text"]
REFUSE = EXAMPLES / "own_drivers" / "refuse.py"


def masked(report: str) -> str:
    """Hide what differs from run to run and by mode: ids, numbers, spaces, what only one mode has."""
    text = re.sub(r"run \w+, (processes|inline)", "run ID, MODE", report)
    own = r"^(trace|floor|machine|bottleneck|late|slowest) .*\n( {14}.*\n)*"
    text = re.sub(own, "", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d[\d,.]*( ?(ns|us|ms|s|B|kB|MB|GB))?\b", "N", text)
    return re.sub(r" +", " ", text)


def test_the_short_program_is_the_example_and_prints_what_is_shown() -> None:
    assert PROGRAMS[0] == REFUSE.read_text()
    command = [sys.executable, str(REFUSE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=True)
    assert done.stdout == OUTPUTS[0]


def test_the_quickstart_prints_what_is_shown_but_for_numbers(tmp_path: Path) -> None:
    done = run(QUICKSTART, "--mode", "inline", "--for", "20ms", "--out", tmp_path)
    assert masked(done.stdout) == masked(OUTPUTS[1])


def test_the_driver_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    (topology,) = [text for kind, text in BLOCKS if kind == "yaml"]
    (tmp_path / "lazy_nic.py").write_text(PROGRAMS[1])
    file = tmp_path / "lazy.ndisim.yml"
    file.write_text(topology)
    report = report_of(run(file, "--drivers", tmp_path / "lazy_nic.py", "--format", "json"))
    assert (report.verdict, report.statuses) == ("pass", {"SUCCESS": 1000})
    assert len(PROGRAMS[1].rstrip().splitlines()) <= 25


def test_every_command_and_exit_code_is_in_the_readme() -> None:
    named = re.findall(r"`(?:ndisim )?([a-z]+)[^`]*`", README)
    assert {name for name in COMMANDS if name != "version"} <= set(named)
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert codes == {*EXIT_CODES.values(), 2}


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_screen_says_what_it_is_what_it_is_not_and_how_to_run_it() -> None:
    screen = "\n".join(README.splitlines()[:24])
    assert all(text in screen for text in ("**ndisim runs", "It is **not**", "make run", "make test"))
