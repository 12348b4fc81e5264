"""ndisim itself, through its public interface: real nodes, owner checks, counters and recorder on."""

from __future__ import annotations

from orchestrator.bench.result import Result
from orchestrator.bench.work import Load


class NdisimContender:
    """Run both jobs as topologies of benchmark drivers; `coalesce` merges what waits into one send."""

    def __init__(self, name: str = "ndisim", coalesce: bool = False) -> None:
        """Name the variant."""
        self.name = name
        self.coalesce = coalesce

    def missing(self) -> str | None:
        """Say what to do where it cannot run."""
        return "its topology for this benchmark is not built in yet"

    def supports(self, load: Load) -> bool:
        """Say that every load can be done."""
        return True

    def run(self, load: Load) -> Result:
        """Launch the topology, run `load` once, and leave no process."""
        raise NotImplementedError
