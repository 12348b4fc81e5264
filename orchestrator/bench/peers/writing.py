"""No crossing at all: one process writes the packets and reads their headers, the ceiling for the others."""

from __future__ import annotations

import time

import numpy as np

from orchestrator.bench.cells import Cells, read_messages
from orchestrator.bench.harness import disagreement
from orchestrator.bench.result import Result
from orchestrator.bench.work import Generator, Ids, Load, Reader, Tally


class WritingContender:
    """Do the work of sender and bottom in a plain loop; whoever crosses processes has that to do too."""

    name = "write-only"

    def missing(self) -> str | None:
        """Say None: it needs nothing."""
        return None

    def supports(self, load: Load) -> bool:
        """Do every load alike."""
        return True

    def run(self, load: Load) -> Result:
        """Write and read chain by chain until the load or its time is over."""
        cells, generator, reader = Cells(load), Generator(load.chain), Reader()
        began = time.perf_counter()
        stop, packets, total = began + load.seconds, 0, 0
        while packets < load.chains * load.chain and time.perf_counter() < stop:
            ids = read_messages([cells.fill(generator)], reader)
            packets += load.chain
            total += _sum(ids)
        seconds = time.perf_counter() - began
        fault = disagreement(generator.expected(), reader.tally(), Tally(packets, total, 0))
        return Result(load.job, self.name, load.chain, packets, seconds, fault)


def _sum(ids: Ids) -> int:
    return int(np.add.reduce(ids)) if len(ids) > 1 else int(ids[0])
