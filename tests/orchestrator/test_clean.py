from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import clean as clean_module
from orchestrator.clean import Cleaned, clean
from orchestrator.rundir import RunDirectory, base_directory
from shm.segment import Segment, unlink


@pytest.fixture
def living() -> Iterator[RunDirectory]:
    made = RunDirectory.create()
    yield made
    made.remove()


def die() -> str:
    """Let another process make a run with one segment and end without a word; return the run's token."""
    code = """
import os
from orchestrator.rundir import RunDirectory
from shm.segment import Segment
run = RunDirectory.create()
Segment.create(f"/ndisim-{os.getuid()}-{run.token}-rings", 64, run.number)
print(run.token)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return done.stdout.strip()


def segment_name(token: str, part: str = "rings") -> str:
    return f"ndisim-{os.getuid()}-{token}-{part}"


def test_a_dead_run_goes_with_its_segments() -> None:
    token = die()
    assert Path("/dev/shm", segment_name(token)).exists()
    assert clean() == Cleaned((token,), (segment_name(token),))
    assert not Path("/dev/shm", segment_name(token)).exists()
    assert not (base_directory() / token).exists()
    assert clean() == Cleaned((), ())


def test_a_living_run_is_left_alone(living: RunDirectory) -> None:
    segment = Segment.create(f"/{segment_name(living.token)}", 64, living.number)
    try:
        assert clean() == Cleaned((), ())
        assert Path("/dev/shm", segment.name[1:]).exists()
        assert living.path.is_dir()
    finally:
        segment.unlink()


def test_a_young_segment_without_a_directory_may_be_of_a_run_elsewhere(token: str) -> None:
    segment = Segment.create(f"/{segment_name(token)}", 64, 1)
    try:
        assert clean() == Cleaned((), ())
        assert Path("/dev/shm", segment.name[1:]).exists()
    finally:
        segment.unlink()


def test_an_old_segment_without_a_directory_goes_when_nobody_maps_it(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_module, "_ORPHAN_AGE_S", -1)
    mapped = Segment.create(f"/{segment_name(token, 'mapped')}", 64, 1)
    code = "import sys; from shm.segment import Segment; Segment.create(sys.argv[1], 64, 1)"
    subprocess.run([sys.executable, "-c", code, f"/{segment_name(token, 'orphan')}"], check=True)
    try:
        assert segment_name(token, "orphan") in clean().segments
        assert Path("/dev/shm", mapped.name[1:]).exists()
    finally:
        mapped.unlink()
        unlink(f"/{segment_name(token, 'orphan')}")


def test_a_directory_that_was_never_finished_goes_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    newborn = base_directory() / ".new-cafecafe"
    newborn.mkdir()
    clean()
    assert newborn.is_dir()
    os.utime(newborn, (0, 0))
    clean()
    assert not newborn.exists()
