"""Run loads over contenders: all in turns, so that a slow minute hurts all alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.bench.contenders import Contender
from orchestrator.bench.output import say
from orchestrator.bench.result import Result, Row
from orchestrator.bench.work import Job, Load


@dataclass(frozen=True, slots=True)
class Plan:
    """Say what is measured: every contender for every job and chain, `repeat` times over."""

    jobs: Sequence[Job]
    chains: Sequence[int]
    packets: int
    seconds: float
    repeat: int

    def loads(self) -> list[Load]:
        """List one round's loads."""
        return [Load(job, chain, self.packets, self.seconds) for job in self.jobs for chain in self.chains]


def run_plan(plan: Plan, wanted: Iterable[Contender]) -> list[Row]:
    """Run A B C, A B C, ... and return one row per job, chain and contender; each result is told on stderr.

    A contender that is not installed is told with its cure, and left out.
    """
    present = _installed(wanted)
    results: dict[tuple[Job, int, str], list[Result]] = defaultdict(list)
    for load in plan.loads():
        able = [contender for contender in present if contender.supports(load)]
        for _ in range(plan.repeat):
            for contender in able:
                result = contender.run(load)
                _tell(result)
                results[load.job, load.chain, contender.name].append(result)
    return [Row.of(found) for found in results.values()]


def _installed(wanted: Iterable[Contender]) -> list[Contender]:
    present = []
    for contender in wanted:
        cure = contender.missing()
        if cure is None:
            present.append(contender)
        else:
            say(f"{contender.name} is missing: {cure}")
    return present


def _tell(result: Result) -> None:
    figure = result.fault or f"{result.pps:,.0f} packets/s"
    say(f"{result.job} chain {result.chain} {result.peer}: {figure}")
