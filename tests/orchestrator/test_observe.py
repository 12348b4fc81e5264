"""A snapshot says what the boards and the arena say."""

from __future__ import annotations

from nodes.metrics import NodeState
from orchestrator.holdings import Holding, LedgerState
from orchestrator.observe import Conservation
from shm.board import Word
from tests.orchestrator.synthetic import FakeRun


def test_a_run_that_did_nothing_is_all_zeros() -> None:
    snapshot = FakeRun().observe()
    assert snapshot.conservation == Conservation(0, 0, 0, 0)
    assert snapshot.conservation.holds
    assert snapshot.holdings == ()


def test_counters_have_the_names_of_the_enumeration_in_lower_case() -> None:
    run = FakeRun()
    run.count("top", sent=3, pool_free=7)
    view = run.observe().nodes["top"]
    assert (view.counters["sent"], view.counters["pool_free"], view.counters["received"]) == (3, 7, 0)


def test_a_port_has_in_flight_what_was_not_replied_to() -> None:
    run = FakeRun()
    run.count_port("top", 0, requests_out=10, replies_in=4)
    (port,) = run.observe().nodes["top"].ports
    assert (port.peer, port.side, port.in_flight) == ("nic", "upper", 6)


def test_the_state_of_a_node_is_read_and_an_impossible_one_is_failed() -> None:
    run = FakeRun()
    run.state("top", NodeState.RUNNING)
    run.boards["nic"].words[Word.STATE] = 99
    nodes = run.observe().nodes
    assert (nodes["top"].state, nodes["nic"].state) == (NodeState.RUNNING, NodeState.FAILED)


def test_a_node_without_a_board_is_left_out() -> None:
    run = FakeRun()
    del run.boards["nic"]
    assert list(run.observe().nodes) == ["top"]


def test_packets_below_their_sender_are_in_flight() -> None:
    run = FakeRun()
    handles = run.allocate("top", 3)
    run.place(handles, 2, 1, LedgerState.SENT, 5)
    run.count("top", sent=10, completed=7)
    assert run.observe().conservation == Conservation(10, 7, 3, 0)


def test_a_packet_that_is_nowhere_is_lost() -> None:
    run = FakeRun()
    run.place(run.allocate("top", 2), 2, 1, LedgerState.SENT, 5)
    run.count("top", sent=10, completed=7)
    conservation = run.observe().conservation
    assert (conservation.in_flight, conservation.lost, conservation.holds) == (2, 1, False)


def test_a_packet_completed_twice_breaks_conservation() -> None:
    run = FakeRun()
    run.count("top", sent=1, completed=1, duplicated=1)
    assert not run.observe().conservation.holds


def test_receive_buffers_of_a_miniport_are_not_in_flight() -> None:
    run = FakeRun()
    run.place(run.allocate("nic", 4), 1, 1, LedgerState.INDICATED, 5)
    assert run.observe().conservation.in_flight == 0


def test_a_packet_on_its_last_hop_home_is_in_flight_while_the_run_goes_on() -> None:
    run = FakeRun()
    run.place(run.allocate("top", 3), 1, 1, LedgerState.BACK, 1)
    run.count("top", sent=10, completed=8)
    assert run.observe(settled=False).conservation == Conservation(10, 8, 2, 0)
    assert run.observe(settled=True).conservation.lost == 2


def test_holdings_name_owner_edge_state_age_and_the_oldest_packets() -> None:
    run = FakeRun()
    young, old, middle = run.allocate("top", 3)
    for handle, age in ((young, 1), (old, 9), (middle, 5)):
        run.place([handle], 2, 1, LedgerState.SENT, age)
    run.place(run.allocate("nic", 1), 1, 1, LedgerState.INDICATED, 4)
    run.count("top", sent=3)
    indicated, sent = run.observe().holdings
    assert sent == Holding(1, "nic", LedgerState.SENT, 3, 9 << 16, (old, middle, young), 3, 0)
    assert (indicated.owner, indicated.state, indicated.oldest_ns) == ("top", LedgerState.INDICATED, 4 << 16)


def test_slots_that_only_extend_a_packet_are_no_packets() -> None:
    run = FakeRun()
    (handle,) = run.allocate("top", 1)
    run.pools["top"].extend(handle, [100, 100], as_net_buffers=True)
    run.place([handle], 2, 1, LedgerState.SENT, 5)
    run.count("top", sent=1)
    assert run.observe().conservation == Conservation(1, 0, 1, 0)


def test_an_owner_that_is_no_node_is_shown_by_its_number() -> None:
    run = FakeRun()
    run.place(run.allocate("top", 1), 77, 1, LedgerState.SENT, 5)
    assert [holding.owner for holding in run.observe().holdings] == ["#77"]


def test_a_packet_that_moved_on_while_it_was_looked_at_has_just_come() -> None:
    run = FakeRun()
    run.place(run.allocate("top", 1), 2, 1, LedgerState.SENT, -3)
    (holding,) = run.observe().holdings
    assert holding.oldest_ns == 0
