from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import memory
from orchestrator.memory import RunMemory, check_room, needed_bytes
from orchestrator.plan import Plan, compile_plan
from orchestrator.rundir import token_number
from shm.errors import SegmentExists, SharedMemoryFull
from shm.segment import Segment
from tests.orchestrator.stacks import stack


@pytest.fixture
def plan(token: str, tmp_path: Path) -> Plan:
    return compile_plan(
        stack(),
        token=token_number(token),
        token_text=token,
        directory=tmp_path,
        output=None,
        secret=b"s",
    )


def test_every_segment_is_made_mapped_and_removed(plan: Plan) -> None:
    made = RunMemory.create(plan, plan.nodes[0].token)
    try:
        paths = [Path("/dev/shm" + name) for name in plan.segments]
        assert sum(path.stat().st_size for path in paths) <= needed_bytes(plan)
        assert made.arena.slots == plan.nodes[0].slots
        assert sorted(made.boards) == ["bottom", "filter0", "source"]
    finally:
        made.unlink()
    assert not any(path.exists() for path in paths)
    assert made.boards["source"].words[0] == 0


def test_a_segment_that_is_there_already_leaves_none_behind(plan: Plan) -> None:
    taken = Segment.create(list(plan.segments)[-1], 64, 1)
    try:
        with pytest.raises(SegmentExists):
            RunMemory.create(plan, plan.nodes[0].token)
    finally:
        taken.unlink()
    assert not any(Path("/dev/shm" + name).exists() for name in plan.segments)


def test_too_little_room_names_both_sizes_and_makes_nothing(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1_000_000)
    with pytest.raises(SharedMemoryFull, match=f"needs {needed_bytes(plan):,} bytes .* 1,000,000 are free"):
        RunMemory.create(plan, plan.nodes[0].token)
    assert not any(Path("/dev/shm" + name).exists() for name in plan.segments)


def test_enough_room_is_no_error(plan: Plan) -> None:
    check_room(plan)


def test_a_run_in_one_process_needs_no_room(plan: Plan) -> None:
    made = RunMemory.local(plan)
    assert not any(Path("/dev/shm" + name).exists() for name in plan.segments)
    assert made.of(plan.nodes[0])["packets"] is made.of(plan.nodes[1])["packets"]
