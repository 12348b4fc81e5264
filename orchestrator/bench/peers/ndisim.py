"""ndisim itself, through its public interface: real nodes, owner checks, counters and recorder on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nodes.stock.pass_through import PassThrough
from orchestrator.bench.drivers import BenchBottom, BenchSender
from orchestrator.bench.harness import GRACE_SECONDS, disagreement
from orchestrator.bench.result import Result
from orchestrator.bench.runs import RunUseless, figures
from orchestrator.bench.topologies import LEVEL, layer, stack
from orchestrator.bench.work import Load, Tally
from orchestrator.failures import RunError
from orchestrator.topology.model import Topology
from shm.errors import SharedMemoryError


class NdisimContender:
    """Run all jobs as topologies of benchmark drivers.

    `coalesce` merges what waits into one send; `level` is how much of the contract is checked.
    """

    def __init__(self, name: str = "ndisim", coalesce: bool = False, level: int = LEVEL) -> None:
        """Name the variant."""
        self.name = name
        self._coalesce = coalesce
        self._level = level

    def missing(self) -> str | None:
        """Say None: it is here."""
        return None

    def supports(self, load: Load) -> bool:
        """Say that every load can be done."""
        return True

    def run(self, load: Load) -> Result:
        """Launch the topology and run `load` once. What goes wrong becomes the `fault`; no process is left."""
        with tempfile.TemporaryDirectory(prefix="ndisim-bench-") as directory:
            try:
                left = figures(self._topology(load), Path(directory), load.seconds + GRACE_SECONDS)
                sender, seen = left["sender"], Tally(**left["bottom"]["seen"])
            except (RunUseless, RunError, SharedMemoryError, OSError) as error:
                return Result(load.job, self.name, load.chain, fault=str(error))
            except KeyError as error:
                return Result(load.job, self.name, load.chain, fault=f"node {error} left no figures")
        sent, completed = Tally(**sender["sent"]), Tally(**sender["completed"])
        fault = disagreement(sent, seen, completed)
        return Result(load.job, self.name, load.chain, completed.packets, sender["seconds"], fault)

    def _topology(self, load: Load) -> Topology:
        limit = round(load.seconds * 1e9)
        sender = layer(BenchSender, packets=load.packets, limit=limit, chain=load.chain, window=load.window)
        between = {f"relay-{place}": layer(PassThrough) for place in range(1, load.job.hops)}
        layers = {"sender": sender, **between, "bottom": layer(BenchBottom)}
        depth = 1 << (load.window - 1).bit_length()
        return stack(layers, depth=depth, coalesce=self._coalesce, level=self._level)
