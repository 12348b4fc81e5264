from __future__ import annotations

from orchestrator.stall import LOOK_NS, StallWatch

LIMIT = 4 * LOOK_NS


def never(node: int) -> int:
    return 0


def watch(words: list[int], step: int = LOOK_NS) -> list[int]:
    """Return at which looks the one node was found stalled."""
    watcher = StallWatch(LIMIT)
    return [look for look, word in enumerate(words) if watcher.look((look + 1) * step, {1: word}, never)]


def test_a_node_that_moves_is_never_stalled() -> None:
    assert watch(list(range(20))) == []


def test_a_node_that_stands_still_is_named_once_when_the_limit_is_reached() -> None:
    assert watch([5] * 12) == [4]


def test_any_progress_starts_the_count_anew() -> None:
    assert watch([5, 5, 5, 6, 6, 6, 6, 6, 6]) == [7]


def test_a_machine_that_was_stopped_as_a_whole_stalls_nobody() -> None:
    watcher = StallWatch(LIMIT)
    assert watcher.look(LOOK_NS, {1: 5}, never) == []
    assert watcher.look(1000 * LOOK_NS, {1: 5}, never) == []
    assert watcher.look(1001 * LOOK_NS, {1: 6}, never) == []


def test_the_next_look_is_due_a_quarter_of_a_second_later() -> None:
    watcher = StallWatch(LIMIT)
    watcher.look(7, {}, never)
    assert watcher.due() == 7 + LOOK_NS


def test_time_spent_waiting_for_a_processor_is_nobodys_stall() -> None:
    watcher = StallWatch(LIMIT)
    waiting = [
        watcher.look(look * LOOK_NS, {1: 5}, lambda node, at=look: at * LOOK_NS) for look in range(1, 40)
    ]
    assert waiting == [[]] * 39
    running = [watcher.look(look * LOOK_NS, {1: 5}, lambda node: 39 * LOOK_NS) for look in range(40, 43)]
    assert running == [[], [1], []]


def test_a_node_is_asked_how_long_it_waited_only_when_it_has_stood_still() -> None:
    watcher = StallWatch(LIMIT)
    asked: list[int] = []

    def waited(node: int) -> int:
        asked.append(node)
        return 0

    for look in range(1, 20):
        watcher.look(look * LOOK_NS, {1: look, 2: look // 4}, waited)
    assert set(asked) == {2}
