from __future__ import annotations

import pytest

from orchestrator.topology import EventModel
from tests.orchestrator.topology.samples import STACK, parse, problems

FILTERED = """\
name: stack
nodes:
  bulk: {driver: traffic}
  watch: {driver: filter}
  nic0: {driver: nic}
bindings: [bulk -> watch -> nic0]
"""


def test_events_are_read_in_order_with_their_times_in_ns() -> None:
    text = FILTERED + (
        "events:\n  - {at: 500ms, remove: nic0}\n  - {at: 1s, pause: watch}\n  - {at: 2s, restart: watch}\n"
        "  - {at: 0, reset: nic0}\n  - {at: 1ms, detach: watch}\n  - {at: 2ms, attach: watch}\n"
        "  - {at: 3ms, unbind: bulk -> watch}\n"
    )
    assert parse(text).events == (
        EventModel(at=500_000_000, verb="remove", node="nic0"),
        EventModel(at=1_000_000_000, verb="pause", node="watch"),
        EventModel(at=2_000_000_000, verb="restart", node="watch"),
        EventModel(at=0, verb="reset", node="nic0"),
        EventModel(at=1_000_000, verb="detach", node="watch"),
        EventModel(at=2_000_000, verb="attach", node="watch"),
        EventModel(at=3_000_000, verb="unbind", node="bulk", lower="watch"),
    )


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{remove: nic0}", "the key 'at' is missing"),
        ("{at: 5, remove: nic0}", "has no unit"),
        ("{at: 1s}", "exactly one thing happens at a time, not 0"),
        ("{at: 1s, remove: nic0, pause: mux}", "exactly one thing happens at a time, not 2"),
        ("{at: 1s, remove: nic9}", "there is no node 'nic9'"),
        ("{at: 1s, remove: mux}", "mux is of kind intermediate"),
        ("{at: 1s, reset: bulk}", "bulk is of kind protocol"),
        ("{at: 1s, detach: mux}", "mux is of kind intermediate"),
        ("{at: 1s, explode: nic0}", "unknown key"),
        ("{at: 1s, unbind: bulk}", "'bulk' is not a name"),
        ("{at: 1s, unbind: bulk -> nic0}", "there is no binding bulk -> nic0"),
        ("remove", "a mapping is wanted here"),
    ],
)
def test_an_event_that_cannot_happen_is_told(entry: str, told: str) -> None:
    assert told in str(problems(f"{STACK}events: [{entry}]\n"))
