from __future__ import annotations

from orchestrator.stall import LOOK_NS, StallWatch

LIMIT = 4 * LOOK_NS


def watch(words: list[int], step: int = LOOK_NS) -> list[int]:
    """Return at which looks the one node was found stalled."""
    watcher = StallWatch(LIMIT)
    return [look for look, word in enumerate(words) if watcher.look((look + 1) * step, {1: word})]


def test_a_node_that_moves_is_never_stalled() -> None:
    assert watch(list(range(20))) == []


def test_a_node_that_stands_still_is_named_once_when_the_limit_is_reached() -> None:
    assert watch([5] * 12) == [4]


def test_any_progress_starts_the_count_anew() -> None:
    assert watch([5, 5, 5, 6, 6, 6, 6, 6, 6]) == [7]


def test_a_machine_that_was_stopped_as_a_whole_stalls_nobody() -> None:
    watcher = StallWatch(LIMIT)
    assert watcher.look(LOOK_NS, {1: 5}) == []
    assert watcher.look(1000 * LOOK_NS, {1: 5}) == []
    assert watcher.look(1001 * LOOK_NS, {1: 6}) == []


def test_the_next_look_is_due_a_quarter_of_a_second_later() -> None:
    watcher = StallWatch(LIMIT)
    watcher.look(7, {})
    assert watcher.due() == 7 + LOOK_NS
