"""What is shipped is complete, pinned, and free of what we may not ship."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()
PACKAGES = ["shm", "nodes", "orchestrator"]
PINNED = {canonicalize_name(line.split("==")[0]) for line in LOCK}


def test_the_lock_holds_version_pins_and_nothing_else() -> None:
    assert [line for line in LOCK if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == []


def test_every_dependency_that_we_name_is_pinned() -> None:
    named = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    names = {canonicalize_name(Requirement(text).name) for group in named for text in group}
    assert names - PINNED == set()


def test_every_pin_is_of_a_version_that_we_allow() -> None:
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in LOCK)}
    named = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [Requirement(text) for group in named for text in group]
    assert [r for r in requirements if pins[canonicalize_name(r.name)] not in r.specifier] == []


def test_no_dependency_is_under_the_gpl() -> None:
    runtime = closure([Requirement(text).name for text in PROJECT["dependencies"]])
    assert {"numpy", "pyzmq", "pydantic-core"} <= runtime
    assert [
        name for name in sorted(runtime) if re.search(r"\bA?GPL|GNU (Affero )?General", licence(name))
    ] == []


def closure(names: list[str]) -> set[str]:
    """Return the names of distributions and of all that they need here, without extras."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needs = map(Requirement, metadata.requires(name) or [])
            waiting += [
                canonicalize_name(r.name) for r in needs if not r.marker or r.marker.evaluate({"extra": ""})
            ]
    return found


def licence(name: str) -> str:
    fields = metadata.metadata(name)
    texts = [
        text for key in ("License-Expression", "License", "Classifier") for text in fields.get_all(key) or []
    ]
    return " ".join(text.split("\n")[0] for text in texts)  # some put the whole licence into the field


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy, so that no build product lands in the tree."""
    work = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, work)
    options = [
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
        "--wheel-dir",
        str(work / "dist"),
    ]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    [path] = (work / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_source_and_data_file(wheel: zipfile.ZipFile) -> None:
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    suffixes = {".py", ".tsv", ".yml", ".json", ".typed", ".html", ".css", ".js", ".txt"}
    ours = {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.suffix in suffixes or path.name == "py.typed"
    }
    assert shipped == ours


def test_every_package_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    assert {f"{name}/py.typed" for name in PACKAGES} <= set(wheel.namelist())


def test_the_wheel_gives_the_command(wheel: zipfile.ZipFile) -> None:
    [entries] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "ndisim = orchestrator.cli:main" in wheel.read(entries).decode().splitlines()


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    [text] = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(text).decode()


def test_the_commit_hooks_run_what_ci_runs() -> None:
    hooks = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    ci = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]
    assert sorted(hook["entry"] for hook in hooks) == sorted(ci) == ["make lint", "make test"]
