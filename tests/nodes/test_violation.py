from __future__ import annotations

from pathlib import Path

from nodes.ndis import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.verifier.places import driver_location
from nodes.verifier.violation import Violation
from tests.bench import Bench
from tests.layers import Floor, Teller


def test_a_violation_says_what_the_orchestrator_needs() -> None:
    violation = Violation("N6-SEND-10", "nic", 77, "twice", "driver.py:3")
    assert violation.event() == {
        "kind": "violation",
        "rule": "N6-SEND-10",
        "node": "nic",
        "handle": 77,
        "message": "twice",
        "where": "driver.py:3",
    }


class Twice(Floor):
    """A bottom that completes twice."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
        adapter.send_net_buffer_lists_complete(chain)  # here


def test_the_line_of_the_driver_that_broke_the_rule_is_named() -> None:
    bench = Bench({"top": Teller, "nic": Twice}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(1)
    bench.settle()
    [(_, event)] = bench.events
    path, line = event["where"].rsplit(":", 1)
    assert path == __file__
    assert Path(path).read_text().splitlines()[int(line) - 1].endswith("# here")


def test_who_polls_a_node_is_no_driver() -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(1)
    bench.nodes["top"].poll()
    bench.nodes["nic"].arena.ledger[:] = 0
    bench.settle()
    assert [(event["rule"], event["where"]) for _, event in bench.events] == [("N6-SEND-03", "")]


def test_outside_of_any_node_the_caller_is_the_driver() -> None:
    assert driver_location().startswith(f"{__file__}:")
