"""Who had the processors is told from what the kernel says of each process, and of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.processors import Processors, ProcessorUse, Share

MS = 1_000_000


def kernel(proc: Path, **processes: tuple[int, int]) -> None:
    """Let these processes, by id, have run and waited for so many ms so far."""
    for pid, (ran, waited) in processes.items():
        (proc / pid[1:]).mkdir(exist_ok=True)
        (proc / pid[1:] / "schedstat").write_text(f"{ran * MS} {waited * MS} 7\n")


def test_what_a_node_ran_and_waited_counts_from_begin_to_end(tmp_path: Path) -> None:
    kernel(tmp_path, p11=(100, 100), p12=(5, 5))
    processors = Processors({1: 11, 2: 12}, tmp_path)
    processors.begin()
    kernel(tmp_path, p11=(130, 160), p12=(5, 5))
    processors.end()
    use = processors.use()
    assert use is not None
    assert use.running * use.seconds == pytest.approx(0.030)
    assert use.nodes[1].waiting == pytest.approx(2 * use.nodes[1].running)
    assert use.nodes[2] == Share(0, 0)
    assert use.count == len(os.sched_getaffinity(0))


def test_a_node_that_died_meanwhile_is_left_out(tmp_path: Path) -> None:
    kernel(tmp_path, p11=(1, 1), p12=(1, 1))
    processors = Processors({1: 11, 2: 12}, tmp_path)
    processors.begin()
    (tmp_path / "12" / "schedstat").unlink()
    processors.end()
    use = processors.use()
    assert use is not None
    assert list(use.nodes) == [1]


def test_a_kernel_that_does_not_tell_and_a_run_without_processes_have_no_figures(tmp_path: Path) -> None:
    for pids in ({1: 11}, {}):
        processors = Processors(pids, tmp_path)
        assert processors.use() is None
        processors.begin()
        processors.end()
        assert processors.use() is None


def test_what_this_process_itself_uses_is_none_of_the_others() -> None:
    processors = Processors({1: os.getpid()})
    processors.begin()
    total = sum(number * number for number in range(300_000))
    processors.end()
    use = processors.use()
    assert total > 0
    assert use is not None
    assert 0 <= use.others <= use.count
    assert use.nodes[1].running > 0


def test_shares_add_up_over_nodes() -> None:
    use = ProcessorUse(1.0, 2, {1: Share(0.5, 0.25), 2: Share(0.5, 0.5)}, 0.5)
    assert (use.running, use.waiting, use.nodes[1].busy) == (1.0, 0.75, 0.75)
