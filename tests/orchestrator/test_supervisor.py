"""Supervision, replayed: histories of events and the actions they must lead to, compared whole."""

from __future__ import annotations

import signal
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events import (
    Action,
    Arm,
    Began,
    Broke,
    Bury,
    Conclude,
    Done,
    End,
    Event,
    Exhausted,
    Exited,
    Fail,
    Failed,
    Hello,
    Interrupted,
    Phase,
    Reason,
    Replied,
    Running,
    Send,
    Signal,
    SourcesDone,
    Stalled,
    StopWanted,
    Timeout,
    Violated,
    Warn,
)
from orchestrator.failures import (
    CommandRefused,
    ForkServerDied,
    NodeDied,
    NodeFailed,
    NodeSilent,
    NodeStalled,
    PauseOverdue,
    RunStuck,
)
from orchestrator.script import Limits, Roster
from orchestrator.supervisor import Supervisor

TOP, NIC = 1, 2
ROSTER = Roster({TOP: "top", NIC: "nic"}, ((NIC,), (TOP,)), frozenset({TOP}))
LIMITS = Limits(start=15, pause=5, settle=6, end=1, wave=2)
QUIET = {"quiet": True, "sent": 10, "received": 10}
BUSY = {"quiet": False, "sent": 10, "received": 9}

STARTED: list[tuple[Event, list[Action]]] = [
    (Began(), [Arm("step 1", 15)]),
    (Hello(TOP), []),
    (Hello(NIC), [Arm("step 2", 15), Send(NIC, 1, "initialize")]),
    (Replied(NIC, 1), [Arm("step 3", 15), Send(TOP, 2, "initialize")]),
    (Replied(TOP, 2), [Arm("step 4", 15), Send(NIC, 3, "restart")]),
    (Replied(NIC, 3), [Arm("step 5", 15), Send(TOP, 4, "restart")]),
    (Replied(TOP, 4), [Running()]),
]
SETTLING: list[tuple[Event, list[Action]]] = [
    (StopWanted(), [Arm("step 6", 5), Send(TOP, 5, "pause")]),
    (Replied(TOP, 5), [Arm("step 7", 6), Send(TOP, 6, "settle"), Send(NIC, 7, "settle")]),
]
DRAINED: list[tuple[Event, list[Action]]] = [
    *SETTLING,
    (Replied(TOP, 6, value=QUIET), []),
    (Replied(NIC, 7, value=QUIET), [Send(TOP, 8, "settle"), Send(NIC, 9, "settle")]),
    (Replied(TOP, 8, value=QUIET), []),
    (Replied(NIC, 9, value=QUIET), [Arm("step 9", 5), Send(NIC, 10, "pause")]),
    (Replied(NIC, 10), [Arm("step 10", 5), Send(TOP, 11, "halt")]),
    (Replied(TOP, 11), [Arm("step 11", 5), Send(NIC, 12, "halt")]),
    (Replied(NIC, 12), [Arm("step 12", 1), Send(TOP, 13, "exit"), Send(NIC, 14, "exit")]),
    (Exited(TOP, code=0), []),
    (Exited(NIC, code=0), [End()]),
]

UNCHECKED = [
    (
        event,
        [
            replace(action, arguments={"check": False})
            if isinstance(action, Send) and action.command == "pause"
            else action
            for action in actions
        ],
    )
    for event, actions in DRAINED
]
"""The same after a violation: what else is wrong at the pauses is not looked for."""


def replay(
    history: list[tuple[Event, list[Action]]], policy: str = "stop", roster: Roster = ROSTER
) -> Supervisor:
    supervisor = Supervisor(roster, policy, LIMITS)
    assert [(event, supervisor.handle(event)) for event, _ in history] == history
    return supervisor


def test_a_run_starts_from_the_bottom_and_stops_after_everything_has_arrived() -> None:
    assert replay(STARTED + DRAINED).phase is Phase.ENDED


def test_a_hello_that_comes_before_the_beginning_counts() -> None:
    replay(
        [
            (Hello(NIC), []),
            (Hello(TOP), []),
            (Began(), [Arm("step 2", 15), Send(NIC, 1, "initialize")]),
        ]
    )


def test_settling_looks_again_after_a_pause_while_something_is_on_its_way() -> None:
    replay(
        [
            *STARTED,
            *SETTLING,
            (Replied(TOP, 6, value=QUIET), []),
            (Replied(NIC, 7, value=BUSY), [Arm("wave 1", 2)]),
            (Timeout("wave 1"), [Send(TOP, 8, "settle"), Send(NIC, 9, "settle")]),
        ]
    )


def test_settling_that_takes_too_long_is_told_and_given_up() -> None:
    replay(
        [
            *STARTED,
            *SETTLING,
            (
                Timeout("step 7"),
                [
                    Warn("packets are still on their way 6e-09 s after the sources had paused"),
                    Arm("step 9", 5),
                    Send(NIC, 8, "pause"),
                ],
            ),
        ]
    )


def test_a_node_that_does_not_pause_in_time_is_not_halted() -> None:
    replay(
        [
            *STARTED,
            *DRAINED[:6],
            (
                Timeout("step 9"),
                [
                    Warn("no answer to pause in 5e-09 s from 'nic'"),
                    Arm("step 10", 1),
                ],
            ),
            (
                Timeout("step 10"),
                [Arm("step 11", 5), Send(TOP, 11, "halt")],
            ),
            (
                Replied(TOP, 11),
                [
                    Fail(PauseOverdue, "'nic' cannot pause: packets handed over are not back"),
                    Conclude(Reason.FAILED),
                    Arm("step 13", 1),
                    Send(TOP, 12, "exit"),
                    Send(NIC, 13, "exit"),
                ],
            ),
        ]
    )


def test_a_pause_that_is_overdue_is_no_failure_when_a_broken_rule_explains_it() -> None:
    replay(
        [
            *STARTED,
            *DRAINED[:6],
            (Timeout("step 9"), [Warn("no answer to pause in 5e-09 s from 'nic'"), Arm("step 10", 1)]),
            (Timeout("step 10"), [Arm("step 11", 5), Send(TOP, 11, "halt")]),
            (Violated(TOP, {"rule": "N6-SEND-22"}), [Conclude(Reason.VIOLATION)]),
            (Replied(TOP, 11), [Arm("step 13", 1), Send(TOP, 12, "exit"), Send(NIC, 13, "exit")]),
        ]
    )


def test_after_a_violation_a_node_that_cannot_pause_is_no_news() -> None:
    replay(
        [
            *STARTED,
            (Violated(NIC, {"rule": "N6-SEND-10"}), [Conclude(Reason.VIOLATION)]),
            *UNCHECKED[:6],
            (
                Timeout("step 9"),
                [Warn("no answer to pause in 5e-09 s from 'nic'"), Arm("step 10", 1)],
            ),
            (Timeout("step 10"), [Arm("step 11", 5), Send(TOP, 11, "halt")]),
        ]
    )


def test_a_source_whose_packets_come_back_late_is_halted_after_all() -> None:
    quiet = [Replied(NIC, 7, value=QUIET), Replied(NIC, 9, value=QUIET)]
    replay(
        [
            *STARTED,
            SETTLING[0],
            (
                Timeout("step 6"),
                [
                    Warn("no answer to pause in 5e-09 s from 'top'"),
                    Arm("step 7", 6),
                    Send(TOP, 6, "settle"),
                    Send(NIC, 7, "settle"),
                ],
            ),
            (Replied(TOP, 6, value=QUIET), []),
            (quiet[0], [Send(TOP, 8, "settle"), Send(NIC, 9, "settle")]),
            (Replied(TOP, 8, value=QUIET), []),
            (quiet[1], [Arm("step 9", 5), Send(NIC, 10, "pause")]),
            (Replied(NIC, 10), [Arm("step 10", 1)]),
            (Replied(TOP, 5), [Arm("step 11", 5), Send(TOP, 11, "halt")]),
        ]
    )


def test_a_node_that_does_not_exit_is_terminated_and_then_killed() -> None:
    replay(
        [
            *STARTED,
            (StopWanted(drain=False), [Arm("step 6", 1), Send(TOP, 5, "exit"), Send(NIC, 6, "exit")]),
            (Exited(TOP, code=0), []),
            (Timeout("step 6"), [Arm("step 7", 1), Signal(NIC, signal.SIGTERM)]),
            (
                Timeout("step 7"),
                [
                    Warn("no answer to terminate in 1e-09 s from 'nic'"),
                    Arm("step 8", 1),
                    Signal(NIC, signal.SIGKILL),
                ],
            ),
            (Exited(NIC, signal=9), [End()]),
        ]
    )


def test_a_violation_concludes_the_run_once_and_it_then_stops_in_order() -> None:
    replay(
        [
            *STARTED,
            (Violated(NIC, {"rule": "N6-SEND-10"}), [Conclude(Reason.VIOLATION)]),
            (Violated(NIC, {"rule": "N6-SEND-10"}), []),
            *UNCHECKED,
        ]
    )


def test_a_violation_is_only_reported_under_the_policy_report() -> None:
    replay([*STARTED, (Violated(NIC, {}), []), *DRAINED], policy="report")


def test_sources_are_done_when_the_last_of_them_is() -> None:
    roster = replace(ROSTER, sources=frozenset({TOP, NIC}))
    replay([*STARTED, (Done(TOP), []), (Done(NIC), [SourcesDone()])], roster=roster)


def test_a_dead_node_is_named_with_how_it_ended_and_nothing_is_drained() -> None:
    text = "node 'nic' was killed by SIGKILL in state RUNNING after 12 rounds"
    replay(
        [
            *STARTED,
            (
                Exited(NIC, None, signal.SIGKILL, "RUNNING", 12),
                [Fail(NodeDied, text), Conclude(Reason.FAILED)],
            ),
            (StopWanted(), [Arm("step 6", 1), Send(TOP, 5, "exit")]),
            (Exited(TOP, code=0), [End()]),
        ]
    )


def test_the_first_failure_counts() -> None:
    replay(
        [
            *STARTED,
            (
                Failed(NIC, "LookupError", "no such descriptor"),
                [
                    Fail(NodeFailed, "driver code of node 'nic' raised LookupError: no such descriptor"),
                    Conclude(Reason.FAILED),
                ],
            ),
            (Exited(NIC, 70, None, "FAILED", 3), []),
        ]
    )


def test_a_stalled_node_is_killed_and_named() -> None:
    text = (
        "node 'nic' stands still: no progress for 10 s in state RUNNING after 12 rounds; "
        "its driver loops or blocks"
    )
    replay(
        [
            *STARTED,
            (
                Stalled(NIC, 10, "RUNNING", 12),
                [Signal(NIC, signal.SIGKILL), Fail(NodeStalled, text), Conclude(Reason.FAILED)],
            ),
            (Exited(NIC, None, signal.SIGKILL), []),
        ]
    )


def test_a_failure_while_starting_stops_at_once() -> None:
    replay(
        [
            *STARTED[:3],
            (
                Replied(NIC, 1, ok=False, error="no"),
                [
                    Fail(CommandRefused, "node 'nic' refused to initialize: no"),
                    Conclude(Reason.FAILED),
                    Arm("step 3", 1),
                    Send(TOP, 2, "exit"),
                    Send(NIC, 3, "exit"),
                ],
            ),
        ]
    )


def test_nodes_that_never_say_hello_are_named() -> None:
    replay(
        [
            STARTED[0],
            (Hello(NIC), []),
            (
                Timeout("step 1"),
                [
                    Fail(NodeSilent, "no answer to hello in 1.5e-08 s from 'top'; see what it printed"),
                    Conclude(Reason.FAILED),
                    Arm("step 2", 1),
                    Send(TOP, 1, "exit"),
                    Send(NIC, 2, "exit"),
                ],
            ),
        ]
    )


def test_the_end_of_the_fork_server_fails_the_run() -> None:
    replay(
        [
            *STARTED,
            (
                Broke(ForkServerDied, "gone"),
                [Fail(ForkServerDied, "gone"), Conclude(Reason.FAILED)],
            ),
        ]
    )


def test_an_interrupt_concludes_and_a_second_one_skips_the_drain() -> None:
    replay(
        [
            *STARTED,
            (Interrupted(), [Conclude(Reason.INTERRUPTED)]),
            *SETTLING,
            (Interrupted(), [Arm("step 8", 1), Send(TOP, 8, "exit"), Send(NIC, 9, "exit")]),
            (Interrupted(), [Arm("step 9", 1), Signal(TOP, signal.SIGKILL), Signal(NIC, signal.SIGKILL)]),
        ]
    )


def test_two_interrupts_before_the_stop_skip_the_drain_too() -> None:
    replay(
        [
            *STARTED,
            (Interrupted(), [Conclude(Reason.INTERRUPTED)]),
            (Interrupted(), []),
            (StopWanted(), [Arm("step 6", 1), Send(TOP, 5, "exit"), Send(NIC, 6, "exit")]),
        ]
    )


def test_a_run_in_which_nothing_can_happen_is_done_or_stuck() -> None:
    replay([*STARTED, (Done(TOP), [SourcesDone()]), (Exhausted(), [Conclude(Reason.DONE)])])
    text = "nothing can happen any more, yet 'top' has not finished: who holds packets?"
    replay([*STARTED, (Exhausted(), [Fail(RunStuck, text), Conclude(Reason.FAILED)])])


def test_a_run_that_never_began_ends_when_it_is_told_to() -> None:
    supervisor = Supervisor(ROSTER, limits=LIMITS)
    supervisor.handle(StopWanted())
    for node in ROSTER.names:
        supervisor.handle(Exited(node, 0))
    assert supervisor.phase is Phase.ENDED


NEIGHBOURS = {TOP: {NIC: (1,)}, NIC: {TOP: (1,)}}
BUG_CHECKED: list[tuple[Event, list[Action]]] = [
    *STARTED,
    (Violated(TOP, {"rule": "N6-SEND-03", "node": "nic"}), [Signal(NIC, signal.SIGKILL)]),
    (Violated(NIC, {"rule": "N6-SEND-03", "node": "nic"}), []),
    (Exited(NIC, None, 9, "RUNNING", 7), [Bury(NIC), Send(TOP, 5, "peer_died", {"edges": [1]})]),
]


def test_a_node_that_breaks_a_rule_is_killed_and_the_others_go_on_without_it() -> None:
    replay(
        [
            *BUG_CHECKED,
            (Replied(TOP, 5), []),
            (Done(TOP), [SourcesDone()]),
            (StopWanted(), [Arm("step 6", 5), Send(TOP, 6, "pause")]),
            (Replied(TOP, 6), [Arm("step 7", 6), Send(TOP, 7, "settle")]),
            (Replied(TOP, 7, value=QUIET), [Send(TOP, 8, "settle")]),
            (Replied(TOP, 8, value=QUIET), [Arm("step 10", 5), Send(TOP, 9, "halt")]),
            (Replied(TOP, 9), [Arm("step 12", 1), Send(TOP, 10, "exit")]),
            (Exited(TOP, code=0), [End()]),
        ],
        "bug-check",
        replace(ROSTER, neighbours=NEIGHBOURS),
    )


def test_a_source_that_was_killed_is_done() -> None:
    replay(
        [
            *STARTED,
            (Violated(TOP, {"rule": "N6-SEND-03", "node": "top"}), [Signal(TOP, signal.SIGKILL)]),
            (Exited(TOP, None, 9), [Bury(TOP), Send(NIC, 5, "peer_died", {"edges": [1]}), SourcesDone()]),
        ],
        "bug-check",
        replace(ROSTER, neighbours=NEIGHBOURS),
    )


def test_a_start_and_a_step_of_the_stop_go_on_without_a_node_that_was_killed() -> None:
    roster = replace(ROSTER, neighbours=NEIGHBOURS)
    killed = (Violated(NIC, {"rule": "N6-SEND-03", "node": "nic"}), [Signal(NIC, signal.SIGKILL)])
    told = Send(TOP, 3, "peer_died", {"edges": [1]})
    replay(
        [
            *STARTED[:4],
            killed,
            (Exited(NIC, None, 9), [Bury(NIC), told]),
            (Replied(TOP, 2), [Arm("step 5", 15), Send(TOP, 4, "restart")]),
        ],
        "bug-check",
        roster,
    )
    replay(
        [
            *STARTED,
            *SETTLING,
            killed,
            (Exited(NIC, None, 9), [Bury(NIC), replace(told, request=8)]),
            (Replied(TOP, 6, value=QUIET), [Send(TOP, 9, "settle")]),
        ],
        "bug-check",
        roster,
    )


def test_a_death_that_is_no_bug_check_still_ends_the_run() -> None:
    supervisor = replay(BUG_CHECKED, "bug-check", replace(ROSTER, neighbours=NEIGHBOURS))
    actions = supervisor.handle(Exited(TOP, None, 9, "RUNNING", 8))
    assert actions[0] == Fail(NodeDied, "node 'top' was killed by SIGKILL in state RUNNING after 8 rounds")


NODES = st.sampled_from([TOP, NIC])
EVENTS = st.one_of(
    st.just(Began()),
    st.just(Interrupted()),
    st.just(Exhausted()),
    st.builds(Hello, NODES),
    st.builds(
        Replied,
        NODES,
        st.integers(1, 20),
        st.booleans(),
        st.one_of(st.none(), st.just(QUIET), st.just(BUSY), st.just({"sent": "x"})),
    ),
    st.builds(Done, NODES),
    st.builds(Violated, NODES, st.sampled_from([{}, {"node": "top"}, {"node": "nic"}, {"node": "?"}])),
    st.builds(Failed, NODES, st.just("E"), st.just("m")),
    st.builds(Exited, NODES, st.one_of(st.none(), st.integers(0, 2))),
    st.builds(Stalled, NODES, st.just(10.0)),
    st.builds(Broke, st.just(ForkServerDied), st.just("gone")),
    st.builds(StopWanted, st.booleans()),
    st.builds(Timeout, st.one_of(st.integers(1, 20).map("step {}".format), st.just("wave 1"))),
)


@given(st.lists(EVENTS, max_size=40), st.sampled_from(["stop", "report", "bug-check"]))
def test_whatever_happens_a_run_that_is_stopped_ends_when_all_its_times_are_over(
    events: list[Event], policy: str
) -> None:
    supervisor = Supervisor(replace(ROSTER, neighbours=NEIGHBOURS), policy, limits=LIMITS)
    said = [action for event in [*events, StopWanted()] for action in supervisor.handle(event)]
    for _ in range(20):
        armed = [action.key for action in said if isinstance(action, Arm)]
        said += [action for key in armed[-2:] for action in supervisor.handle(Timeout(key))]
    assert supervisor.phase is Phase.ENDED
    assert sum(isinstance(action, End) for action in said) == 1
    assert sum(isinstance(action, Fail) for action in said) <= 1
    assert sum(isinstance(action, Conclude) for action in said) <= 1
    requests = [action.request for action in said if isinstance(action, Send)]
    assert len(requests) == len(set(requests))
