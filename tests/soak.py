"""The right drivers of all examples under a long load, in one process: not one false alarm, not one packet lost.

`make soak` (`python -m tests.soak`) runs 10 million packets: round after round through the examples, each with a seed
of its own, the last round at level 4. One short round is a test.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orchestrator import Catalogue, Topology, launch, load_topology, report_of
from orchestrator.cli.inputs import override
from orchestrator.report_model import Report

EXAMPLES = Path(__file__).parent.parent / "examples"
OWN = EXAMPLES / "own_drivers"
PACKETS = 10_000_000
ROUND = 250_000
"""Packets of each unhurried source in one round."""
SLOW = 50
"""A stack that is held up by a rate, a slow line or a driver that works packet by packet gets so much less of them."""
_SLOW_NAMES = frozenset(
    {"fan-in", "lossy-wire", "mux-failover", "pause-under-load", "wan-multilink", "own-drivers"}
)


class Leg(NamedTuple):
    """One example under load: its report and how many packets came back in it."""

    example: str
    report: Report
    seconds: float

    @property
    def packets(self) -> int:
        """Return how many packets completed."""
        return self.report.conservation.completed

    @property
    def clean(self) -> bool:
        """Return whether nothing was reported, lost or left."""
        of = self.report.conservation
        return not (
            self.report.violation_count or of.lost or of.in_flight or of.duplicated or self.report.error
        )


def legs(packets: int, round_packets: int = ROUND, level: int = 2) -> Iterator[Leg]:
    """Yield the examples under load, one after the other, until `packets` have come back in all of them.

    The round that reaches that number is finished, at level 4.
    """
    files = sorted(EXAMPLES.rglob("*.ndisim.yml"))
    done = 0
    for seed in itertools.count(1):
        last = done + round_packets * (len(files) - len(_SLOW_NAMES)) >= packets
        for file in files:
            leg = _run(file, seed, round_packets, 4 if last else level)
            done += leg.packets
            yield leg
        if last:
            return


def _run(file: Path, seed: int, packets: int, level: int) -> Leg:
    topology = load_topology(file, Catalogue([OWN] if file.is_relative_to(OWN) else []))
    count = packets // SLOW if topology.name in _SLOW_NAMES else packets
    topology = override(topology, seed=seed, packets=count)
    topology = topology.model_copy(update={"thresholds": (), "level": level})
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as output:
        report = _report(topology, Path(output))
    return Leg(file.name.partition(".")[0], report, time.monotonic() - begun)


def _report(topology: Topology, output: Path) -> Report:
    with launch(topology, mode="inline", output=output, violation_policy="report") as run:
        run.wait(3600)
    return report_of(run)


def main() -> int:
    """Run the soak and print a line for each example of each round; return 1 at the first that is not clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=PACKETS)
    total = 0
    for leg in legs(parser.parse_args().packets):
        total += leg.packets
        verdict = "clean" if leg.clean else f"NOT CLEAN: {leg.report.violations[:1] or leg.report.error}"
        print(
            f"{leg.example:<18} {leg.packets:>9,} packets {leg.report.run.duration_s:>9.2f} s of its time "
            f"{leg.seconds:>6.1f} s of ours  {verdict}",
            flush=True,
        )
        if not leg.clean:
            return 1
    print(f"{total:,} packets, no false alarm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
