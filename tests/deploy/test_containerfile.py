"""The image can be built and does its job, as far as that shows without a container engine."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.deploy import containerfile

ROOT = Path(__file__).parents[2]
STEPS = containerfile.parse((ROOT / "deploy/Containerfile").read_text())


def test_everything_that_is_copied_exists() -> None:
    missing = [
        name for names, _ in containerfile.copies(STEPS) for name in names if not (ROOT / name).exists()
    ]
    assert missing == []


def test_everything_that_is_copied_is_in_the_build_context() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name for names, _ in containerfile.copies(STEPS) for name in names} == kept


def test_the_image_runs_as_a_user_that_is_not_root() -> None:
    users = [index for index, step in enumerate(STEPS) if step.keyword == "USER"]
    assert [STEPS[index].rest for index in users] == ["ndisim"]
    assert all(step.keyword != "RUN" for step in STEPS[users[0] :])


def test_the_base_image_is_the_oldest_python_we_support() -> None:
    assert [step.rest for step in STEPS if step.keyword == "FROM"] == ["python:3.11-slim"]


def test_continued_lines_and_comments_are_understood() -> None:
    steps = containerfile.parse("FROM a\n# no\nRUN pip install \\\n    -c lock .\n\nUSER b\n")
    assert [step.keyword for step in steps] == ["FROM", "RUN", "USER"]
    assert containerfile.pip_installs(steps) == [["-c", "lock", "."]]


@pytest.mark.timeout(200)
def test_the_install_steps_give_a_command_that_does_the_composed_job(tmp_path: Path) -> None:
    image, out = tmp_path / "image", tmp_path / "out"
    install(image)
    assert "Usage: ndisim" in run_in(image, ["--help"])
    run_in(image, [str(out) if word == "/out" else word for word in composed_command()])
    report = json.loads((out / "report.json").read_text())
    assert report["schema"] == "ndisim.report/1"
    assert report["verdict"] == "pass"


def install(image: Path) -> None:
    """Follow COPY and `RUN pip install` into an empty environment, with `image` as the working directory."""
    image.mkdir()
    containerfile.copy_as_told(STEPS, ROOT, image)
    venv.create(image / "venv", symlinks=True)
    [arguments] = containerfile.pip_installs(STEPS)
    run(
        [sys.executable, "-m", "pip", "--python", str(image / "venv/bin/python"), "install", *arguments],
        image,
    )


def composed_command() -> list[str]:
    compose = YAML(typ="safe").load(ROOT / "deploy/compose.yaml")
    command: list[str] = compose["services"]["quickstart"]["command"]
    return command


def run_in(image: Path, arguments: list[str]) -> str:
    return run([str(image / "venv/bin/ndisim"), *arguments], image)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
