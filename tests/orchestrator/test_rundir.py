from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.failures import RunDirectoryUnsafe
from orchestrator.rundir import (
    RunDirectory,
    base_directory,
    find_runs,
    is_alive,
    read_details,
    read_specs,
    run_details,
    token_number,
)
from tests.orchestrator.bodies import spec


@pytest.fixture
def directory() -> Iterator[RunDirectory]:
    made = RunDirectory.create()
    yield made
    made.remove()


def test_a_run_directory_is_for_its_user_alone(directory: RunDirectory) -> None:
    assert directory.path == base_directory() / directory.token
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert sorted(path.name for path in directory.path.iterdir()) == ["lifeline", "lock"]
    assert stat.S_ISFIFO((directory.path / "lifeline").stat().st_mode)


def test_a_run_is_alive_as_long_as_its_lock_is_held(directory: RunDirectory) -> None:
    assert is_alive(directory.path)
    assert is_alive(directory.path)
    [run] = find_runs()
    assert (run.token, run.alive, run.details) == (directory.token, True, {})
    directory.remove()
    assert not is_alive(directory.path)
    assert find_runs() == []


def test_a_lock_ends_with_the_process_that_held_it() -> None:
    code = "from orchestrator.rundir import RunDirectory; print(RunDirectory.create().path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    path = Path(done.stdout.strip())
    try:
        assert path.is_dir()
        assert not is_alive(path)
    finally:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()


def test_what_a_run_is_can_be_read_by_others(directory: RunDirectory) -> None:
    specs = [spec(1, directory.path), spec(2, directory.path)]
    details = run_details(directory.token, "quick", "processes", specs, {1: 71, 2: 72})
    directory.write(details, specs)
    assert read_details(directory.path) == details
    assert details["nodes"]["node2"] == {"id": 2, "kind": "filter", "driver": "", "pid": 72}
    assert read_specs(directory.path) == specs
    for name in ("run.json", "nodes.msgpack"):
        assert stat.S_IMODE((directory.path / name).stat().st_mode) == 0o600


def test_a_run_that_has_not_written_yet_or_wrote_nonsense_has_no_details(directory: RunDirectory) -> None:
    assert read_details(directory.path) == {}
    assert read_specs(directory.path) == []
    (directory.path / "run.json").write_text("[")
    assert read_details(directory.path) == {}


def test_removing_twice_is_removing_once(directory: RunDirectory) -> None:
    directory.remove()
    directory.remove()


def test_the_mark_of_a_run_is_the_end_of_its_token() -> None:
    assert token_number("w0p00a3f1cafecafe") == token_number("cafecafe") == int.from_bytes(b"cafecafe", "big")


def test_a_base_that_others_can_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "ndisim").mkdir()
    (tmp_path / "ndisim").chmod(0o755)
    with pytest.raises(RunDirectoryUnsafe, match="mode 700"):
        base_directory()


def test_a_base_that_is_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "ndisim").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryUnsafe, match="has to be a directory"):
        base_directory()


def test_a_base_too_deep_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(RunDirectoryUnsafe, match="too long for the name of a socket"):
        RunDirectory.create()


def test_without_a_runtime_directory_the_base_is_below_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    assert base_directory() == Path(f"/tmp/ndisim-{os.getuid()}")
