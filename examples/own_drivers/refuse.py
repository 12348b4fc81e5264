"""A filter of one's own between stock drivers: it refuses every tenth packet. Run this file to see it work."""

from pathlib import Path

import numpy as np

from nodes import Filter, NblChain, Status

HERE = Path(__file__)
TOPOLOGY = """
name: refusing
seed: 7
nodes:
  bulk:   {driver: traffic, packets: 10000, size: 512}
  refuse: {driver: refuse}
  nic:    {driver: miniport, link: 1Gbps}
bindings: [bulk -> refuse -> nic]
"""


class Refuse(Filter):
    """Complete every tenth send with FAILURE and pass the others down."""

    seen = 0

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Take a call apart: what is refused goes back up, the rest goes on."""
        tenth = (self.seen + np.arange(len(chain))) % 10 == 9
        self.seen += len(chain)
        if tenth.any():
            refused = chain[tenth]
            refused.status = Status.FAILURE
            self.module.send_net_buffer_lists_complete(refused)
        if not tenth.all():
            self.module.send_net_buffer_lists(chain[~tenth], flags)


if __name__ == "__main__":  # a node's process imports this file too, and needs nothing of what follows
    from orchestrator import Catalogue, launch, parse_topology, report_of

    topology = parse_topology(TOPOLOGY, HERE.name, Catalogue([HERE]), HERE.parent)
    with launch(topology) as run:
        run.wait(10)
    report = report_of(run)
    print(report.verdict, report.conservation)
    print(report.statuses)
