"""Every peer that is installed does the whole job, checked; how fast is not a test's business."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.bench.contenders import contenders
from orchestrator.bench.harness import measure
from orchestrator.bench.peers.pipe import PipeHop, PipeLower, PipePeer
from orchestrator.bench.work import Ids, Job, Load, Reader

NAMES = [name for name in contenders() if not name.startswith("ndisim")]


@pytest.mark.parametrize("chain", [1, 32])
@pytest.mark.parametrize("job", list(Job))
@pytest.mark.parametrize("name", NAMES)
def test_a_peer_loses_nothing_and_completes_everything(name: str, job: Job, chain: int) -> None:
    contender = contenders()[name]
    if cure := contender.missing():
        pytest.skip(f"{name} is missing: {cure}")
    load = Load(job, chain, packets=6_400, seconds=0.2)
    if not contender.supports(load):
        pytest.skip(f"{name} has no {job} job")
    result = contender.run(load)
    assert result.fault is None
    assert result.packets > 0
    assert (result.job, result.peer, result.chain) == (job, name, chain)


def test_a_load_ends_after_its_packets() -> None:
    result = measure(PipePeer(), "pipe", Load(Job.PAIR, 32, packets=320, seconds=30.0))
    assert (result.packets, result.fault) == (320, None)


class ForgetfulLower(PipeLower):
    """Complete what it never looked at."""

    def read(self, messages: Any, reader: Reader) -> Ids:
        return super().read(messages, Reader())


class ForgetfulHop(PipeHop):
    def open_lower(self) -> PipeLower:
        return ForgetfulLower(self.down[0], self.up[1])


class ForgetfulPeer(PipePeer):
    def hops(self, load: Load, directory: Path) -> list[Any]:
        return [ForgetfulHop(hop.down, hop.up, load) for hop in super().hops(load, directory)]  # type: ignore[attr-defined]


def test_a_peer_that_does_not_read_is_reported_and_not_timed() -> None:
    result = measure(ForgetfulPeer(), "forgetful", Load(Job.PAIR, 32, packets=640, seconds=0.2))
    assert result.fault == "sent 640 packets, read 0, completed 640"
    assert result.pps == 0.0


class BrokenHop(PipeHop):
    def open_lower(self) -> PipeLower:
        raise SystemExit(3)


class BrokenPeer(PipePeer):
    def hops(self, load: Load, directory: Path) -> list[Any]:
        return [BrokenHop(hop.down, hop.up, load) for hop in super().hops(load, directory)]  # type: ignore[attr-defined]


def test_a_side_that_dies_ends_the_run_with_its_name() -> None:
    result = measure(BrokenPeer(), "broken", Load(Job.PAIR, 1, packets=10, seconds=0.2))
    assert result.fault == "the bottom process ended with exit code 3"
