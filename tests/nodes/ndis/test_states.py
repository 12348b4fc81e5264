"""The states of miniports, filters and bindings, and what each may do where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.lifecycle import TRANSITIONS
from nodes.metrics import NodeState
from nodes.ndis import Adapter, Binding, BindingState, Filter, FilterModule, HaltAction, NetEvent
from nodes.ndis.states import BINDING_TRANSITIONS
from nodes.packets.chain import NblChain
from nodes.policy import Policy
from nodes.status import Status
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Gate, Teller
from tests.nodes.ndis.steer import stack_of, steer

OK = {"ok": True, "value": None}
TWO = {"top": Teller, "a": Floor, "b": Floor}


class Listener(Teller):
    """A top that keeps the events it hears, and answers as a test says."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.heard: list[tuple[str, NetEvent]] = []
        self.unbound: list[str] = []
        self.answers: dict[NetEvent, Status] = {}
        self.unbinding: Status | None = None

    def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
        self.heard.append((binding.lower, event))
        return self.answers.get(event, Status.SUCCESS)

    def unbind_adapter(self, binding: Binding) -> Status | None:
        self.unbound.append(binding.lower)
        return self.unbinding


class Slow(Floor):
    """A bottom whose restart a test answers."""

    answer: Status | None = Status.PENDING

    def restart(self) -> Status | None:
        return self.answer

    def halt(self) -> None:
        self.action = self.adapter.halt_action

    def shutdown(self, adapter: Adapter) -> None:
        self.down = True


class Hoarder(Floor):
    """A bottom that says it is paused and keeps the sends it has."""

    def pause(self) -> Status:
        return Status.SUCCESS


class Keeper(Gate):
    """A filter that says it is paused and keeps what it queues."""

    def pause(self) -> Status:
        return Status.SUCCESS


class Holder(Filter):
    """A filter that keeps what it receives."""

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.kept = chain


class Hasty(Teller):
    """A top that sends before its binding is open."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.send(1)


class Closer(Listener):
    """A top that closes its binding itself, and then uses it."""

    def unbind_adapter(self, binding: Binding) -> Status | None:
        binding.close()
        self.send(1)
        return super().unbind_adapter(binding)


def two(top: type[Teller] = Listener) -> Bench:
    return Bench({"top": top, "a": Floor, "b": Floor}, ["top -> a", "top -> b"]).start()


def edge_of(bench: Bench, top: str, lower: str) -> int:
    return next(end.edge for end in bench.nodes[top].spec.edges if end.peer_name == lower)


@pytest.mark.rule("N6-PNP-01")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted({event for _, event in BINDING_TRANSITIONS})), max_size=12))
def test_a_binding_moves_only_where_the_table_says(events: list[str]) -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"]).start()
    binding = bench.driver("top", Teller).bindings[0]
    for event in events:
        expected = BINDING_TRANSITIONS.get((binding.state, event))
        before, count = binding.state, len(bench.events)
        binding.move(event)
        assert binding.state is (expected or before)
        assert [rule for _, rule in bench.kinds()[count:]] == ([] if expected else ["N6-PNP-01"])
        assert binding.running == (binding.state in (BindingState.RUNNING, BindingState.RESTARTING))


@pytest.mark.rule("N6-PNP-01")
def test_initialising_attaching_and_opening_lead_to_paused_and_not_further() -> None:
    bench = Bench({"top": Teller, "mid": PassThrough, "nic": Floor}, ["top -> mid -> nic"])
    for name in ("nic", "mid", "top"):
        assert bench.command(name, "initialize") == [OK]
        assert bench.nodes[name].lifecycle.state is NodeState.PAUSED
    assert bench.driver("top", Teller).bindings[0].state is BindingState.PAUSED


@pytest.mark.rule("N6-PNP-01")
def test_a_miniport_is_shut_down_from_where_the_table_says_and_nothing_follows() -> None:
    allowed = {state for state, command in TRANSITIONS if command == "shutdown"}
    assert allowed == {NodeState.PAUSED, NodeState.RESTARTING, NodeState.RUNNING, NodeState.PAUSING}
    bench = Bench({"top": Teller, "nic": Slow}, ["top -> nic"])
    assert not bench.command("nic", "shutdown")[0]["ok"]
    bench.command("nic", "initialize")
    bench.command("nic", "restart")
    assert bench.nodes["nic"].lifecycle.state is NodeState.RESTARTING
    assert bench.command("nic", "shutdown") == [OK]
    assert bench.driver("nic", Slow).down
    assert not any(bench.command("nic", command)[0]["ok"] for command in ("pause", "halt", "restart"))
    assert not bench.command("top", "shutdown")[0]["ok"]


@pytest.mark.rule("N6-PNP-02")
@pytest.mark.parametrize("answer", [Status.FAILURE, Status.RESOURCES])
def test_a_binding_cannot_refuse_to_pause(answer: Status) -> None:
    bench = two()
    bench.driver("top", Listener).answers[NetEvent.PAUSE] = answer
    assert steer(bench, "pause", "a") == []
    assert bench.kinds() == [("top", "N6-PNP-02")]


@pytest.mark.rule("N6-PNP-03")
def test_a_miniport_that_ends_its_pause_with_sends_left_is_reported() -> None:
    bench = Bench({"top": Teller, "nic": (Hoarder, {"hold": True})}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(3)
    bench.settle()
    assert bench.command("nic", "pause", check=True) == []
    bench.settle()
    assert bench.kinds() == [("nic", "N6-PNP-03")]


@pytest.mark.rule("N6-PNP-03", "N6-PNP-04")
def test_a_paused_miniport_rejects_sends_and_still_hears_oids_and_resets() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    bench.pause("a")
    top.send(2)
    bench.settle()
    assert [status for _, status in top.back] == ["PAUSED"] * 2
    assert bench.command("a", "reset") == [{"ok": True, "value": "SUCCESS"}]
    assert bench.nodes["a"].lifecycle.state is NodeState.PAUSED


@pytest.mark.rule("N6-PNP-05")
def test_a_restart_that_is_completed_without_being_pending_is_reported() -> None:
    bench = Bench({"top": Teller, "nic": Slow}, ["top -> nic"])
    bench.command("nic", "initialize")
    answers = bench.command("nic", "restart")
    nic = bench.driver("nic", Slow)
    assert answers == []
    nic.restart_complete(Status.SUCCESS)
    assert answers == [OK]
    nic.restart_complete(Status.SUCCESS)
    assert bench.kinds() == [("nic", "N6-PNP-05")]


@pytest.mark.rule("N6-PNP-05")
def test_a_binding_pause_may_pend_and_ends_once() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    top.answers[NetEvent.PAUSE] = Status.PENDING
    answers = bench.command("top", "pause_binding", edge=edge_of(bench, "top", "a"))
    bench.settle()
    assert (answers, top.bindings[0].state) == ([], BindingState.PAUSING)
    top.bindings[0].pause_complete()
    bench.settle()
    assert (answers, top.bindings[0].state) == ([OK], BindingState.PAUSED)
    top.bindings[0].pause_complete()
    assert bench.kinds() == [("top", "N6-PNP-05")]


@pytest.mark.rule("N6-PNP-06")
def test_while_an_object_is_pausing_nothing_else_is_done_to_it() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(1)
    edge = edge_of(bench, "top", "nic")
    assert bench.command("top", "pause_binding", edge=edge) == []
    for command in ("pause_binding", "restart_binding", "unbind"):
        [answer] = bench.command("top", command, edge=edge)
        assert answer == {"ok": False, "error": f"{command} is not allowed in state PAUSING"}
    bench.command("nic", "pause")
    assert not bench.command("nic", "restart")[0]["ok"]


@pytest.mark.rule("N6-PNP-07")
def test_receives_resume_while_restarting_and_sends_only_after_it() -> None:
    bench = Bench({"top": Teller, "nic": Slow}, ["top -> nic"])
    for name in ("nic", "top"):
        bench.command(name, "initialize")
        bench.command(name, "restart")
    top, nic = bench.driver("top", Teller), bench.driver("nic", Slow)
    nic.indicate(b"r" * 60)
    top.send(1)
    bench.settle()
    assert len(top.received) == 1
    assert [status for _, status in top.back] == ["PAUSED"]
    nic.restart_complete(Status.SUCCESS)
    top.send(1)
    bench.settle()
    assert [status for _, status in top.back] == ["PAUSED", "SUCCESS"]
    assert bench.kinds() == []


@pytest.mark.rule("N6-PNP-07", "N6-PNP-01")
@pytest.mark.parametrize("late", [False, True])
def test_a_failed_restart_returns_to_paused(late: bool) -> None:
    bench = Bench({"top": Teller, "nic": Slow}, ["top -> nic"])
    nic = bench.driver("nic", Slow)
    vars(nic)["answer"] = Status.PENDING if late else Status.RESOURCES
    bench.command("nic", "initialize")
    answers = bench.command("nic", "restart")
    if late:
        nic.restart_complete(Status.RESOURCES)
    assert answers == [{"ok": False, "error": "restart failed with RESOURCES, the node is paused"}]
    assert bench.nodes["nic"].lifecycle.state is NodeState.PAUSED
    vars(nic)["answer"] = None
    assert bench.command("nic", "restart") == [OK]


@pytest.mark.rule("N6-PNP-07")
def test_a_binding_whose_restart_fails_stays_paused() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    stack = stack_of(bench)
    assert steer(bench, "pause", "a", stack=stack) == []
    top.answers[NetEvent.RESTART] = Status.RESOURCES
    assert steer(bench, "restart", "a", stack=stack) == ["restart failed with RESOURCES"]
    assert [binding.state for binding in top.bindings] == [BindingState.PAUSED, BindingState.RUNNING]


@pytest.mark.rule("N6-PNP-08")
def test_a_pause_goes_down_the_stack_and_each_layer_waits_for_its_own_traffic() -> None:
    layers: dict[str, Any] = {"top": Listener, "gate": (Gate, {"gather": 4}), "nic": (Floor, {"hold": True})}
    bench = Bench(layers, ["top -> gate -> nic"]).start()
    top, nic = bench.driver("top", Listener), bench.driver("nic", Floor)
    top.send(4)
    bench.settle()
    stack = stack_of(bench)
    [tops, *_] = stack.script("pause", bench.nodes["nic"].spec.node)
    answers = bench.command("top", tops[0].command, **tops[0].arguments)
    bench.settle()
    assert answers == []
    nic.complete()
    bench.settle()
    assert answers == [OK]
    stack.note(tops[0])
    assert steer(bench, "pause", "nic", stack=stack) == []
    assert steer(bench, "restart", "nic", stack=stack) == []
    top.send(4)
    bench.settle()
    nic.complete()
    bench.settle()
    assert [status for _, status in top.back] == ["SUCCESS"] * 8
    assert bench.kinds() == []


@pytest.mark.rule("N6-PNP-09")
def test_one_binding_pauses_while_the_other_goes_on() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    assert steer(bench, "pause", "a") == []
    assert top.heard[-1] == ("a", NetEvent.PAUSE)
    top.send(1)
    chain = top.bindings[1].allocate_net_buffer_lists(1, 64)
    top.bindings[1].send_net_buffer_lists(chain)
    bench.settle()
    assert [status for _, status in top.back] == ["PAUSED", "SUCCESS"]
    assert bench.kinds() == [("top", "N6-PNP-09")]


@pytest.mark.rule("N6-PNP-10")
def test_a_filter_that_ends_its_pause_with_sends_of_others_is_reported() -> None:
    bench = Bench({"top": Teller, "gate": Keeper, "nic": Floor}, ["top -> gate -> nic"]).start()
    bench.driver("top", Teller).send(2)
    bench.settle()
    bench.command("gate", "pause", check=True)
    bench.settle()
    assert bench.kinds() == [("gate", "N6-PNP-10")]


@pytest.mark.rule("N6-PNP-11")
def test_a_filter_that_takes_more_than_ten_seconds_to_pause_is_reported_once() -> None:
    layers: dict[str, Any] = {"top": Teller, "gate": Gate, "nic": (Floor, {"hold": True})}
    bench = Bench(layers, ["top -> gate -> nic"]).start()
    bench.driver("top", Teller).send(8)
    bench.settle()
    answers = bench.command("gate", "pause")
    bench.settle()
    bench.clock.advance_to(bench.clock.now() + Policy().pause_limit - 1)
    bench.settle()
    assert bench.kinds() == []
    bench.clock.advance_to(bench.clock.now() + 1)
    for _ in range(3):
        bench.settle()
    assert bench.kinds() == [("gate", "N6-PNP-11")]
    bench.driver("nic", Floor).complete()
    bench.settle()
    assert answers == [OK]


@pytest.mark.rule("N6-PNP-12")
def test_an_upper_layer_is_not_paused_while_a_lower_one_sits_on_its_sends() -> None:
    bench = Bench({"top": Teller, "nic": (Floor, {"hold": True})}, ["top -> nic"]).start()
    bench.driver("top", Teller).send(3)
    assert steer(bench, "pause", "top") == ["top did not answer to pause"]
    assert bench.nodes["top"].lifecycle.state is NodeState.PAUSING


@pytest.mark.rule("N6-PNP-13")
def test_a_miniport_is_halted_from_paused_and_with_nothing_outstanding() -> None:
    bench = Bench({"top": Teller, "nic": (Hoarder, {"hold": True})}, ["top -> nic"]).start()
    assert bench.command("nic", "halt") == [{"ok": False, "error": "halt is not allowed in state RUNNING"}]
    bench.driver("top", Teller).send(2)
    bench.settle()
    bench.command("nic", "pause")
    bench.settle()
    [refused] = bench.command("nic", "halt")
    assert refused["error"] == "halt with work outstanding (N6-PNP-13): 2 sends not completed"
    bench.driver("nic", Hoarder).complete()
    bench.settle()
    assert bench.command("nic", "halt") == [OK]


@pytest.mark.rule("N6-PNP-13")
def test_a_miniport_learns_why_it_is_halted() -> None:
    for reason in HaltAction:
        bench = Bench({"top": Teller, "nic": Slow}, ["top -> nic"])
        bench.command("nic", "initialize")
        assert bench.command("nic", "halt", reason=int(reason)) == [OK]
        assert bench.driver("nic", Slow).action is reason


@pytest.mark.rule("N6-PNP-14")
def test_a_timer_that_is_left_at_halt_is_reported_and_does_not_run() -> None:
    bench = Bench({"top": Teller, "nic": Floor}, ["top -> nic"]).start()
    nic = bench.driver("nic", Floor)
    ran: list[int] = []
    nic.set_timer(1000, lambda: ran.append(1))
    nic.set_timer(1000, lambda: ran.append(2)).cancel()
    bench.command("nic", "pause")
    bench.nodes["nic"].poll()
    assert bench.command("nic", "halt") == [OK]
    bench.run_for(5000)
    assert ran == []
    assert bench.kinds() == [("nic", "N6-PNP-14")]


class Marker(Filter):
    """A filter that counts the sends it sees."""

    def attach(self, module: FilterModule) -> None:
        self.seen = 0
        self.attached = True

    def detach(self) -> None:
        self.attached = False

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.seen += len(chain)
        super().send_net_buffer_lists(chain, flags)


@pytest.mark.rule("N6-PNP-08", "N6-FLT-07")
def test_a_filter_is_detached_and_attached_again_while_the_stack_lives() -> None:
    bench = Bench({"top": Teller, "mark": Marker, "nic": Floor}, ["top -> mark -> nic"]).start()
    top, nic, mark = bench.driver("top", Teller), bench.driver("nic", Floor), bench.driver("mark", Marker)
    stack = stack_of(bench)
    top.send(2)
    bench.settle()
    assert steer(bench, "detach", "mark", stack=stack) == []
    assert vars(mark)["attached"] is False
    top.send(3)
    nic.indicate(b"z" * 60)
    bench.settle()
    assert (mark.seen, len(top.received)) == (2, 1)
    assert steer(bench, "attach", "mark", stack=stack) == []
    again = bench.driver("mark", Marker)
    assert (again is mark, again.attached) == (False, True)
    top.send(4)
    bench.settle()
    assert (mark.seen, again.seen) == (2, 4)
    assert [status for _, status in top.back] == ["SUCCESS"] * 9
    assert bench.kinds() == []


@pytest.mark.rule("N6-UNB-01")
def test_a_binding_is_no_use_before_its_open_has_ended() -> None:
    bench = Bench({"top": Hasty, "nic": Floor}, ["top -> nic"])
    bench.command("nic", "initialize")
    bench.command("top", "initialize")
    bench.settle()
    assert [status for _, status in bench.driver("top", Hasty).back] == ["PAUSED"]
    assert bench.kinds() == [("top", "N6-UNB-01")]


@pytest.mark.rule("N6-UNB-01")
def test_a_driver_cannot_open_an_adapter_itself() -> None:
    """A binding comes to its driver open, in the bind handler: there is no call that opens one."""
    assert [name for name in vars(Binding) if "open" in name] == []


@pytest.mark.rule("N6-UNB-02")
def test_unbinding_pauses_first_and_ends_when_the_driver_says_so() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    top.unbinding = Status.PENDING
    stack = stack_of(bench)
    assert steer(bench, "unbind", "top", "a", stack=stack) == ["top did not answer to unbind"]
    assert (top.heard[-1], top.unbound) == (("a", NetEvent.PAUSE), ["a"])
    states = [top.bindings[0].state]
    top.bindings[0].unbind_complete()
    bench.settle()
    states.append(top.bindings[0].state)
    assert states == [BindingState.CLOSING, BindingState.UNBOUND]
    top.bindings[0].unbind_complete()
    assert bench.kinds() == [("top", "N6-UNB-02")]


@pytest.mark.rule("N6-UNB-02")
def test_unbinding_cannot_fail() -> None:
    bench = two()
    bench.driver("top", Listener).unbinding = Status.FAILURE
    assert steer(bench, "unbind", "top", "a") == []
    assert bench.kinds() == [("top", "N6-UNB-02")]


@pytest.mark.rule("N6-UNB-03")
def test_a_binding_is_dead_from_the_moment_it_is_closed() -> None:
    bench = two(Closer)
    top = bench.driver("top", Closer)
    assert steer(bench, "unbind", "top", "a") == []
    top.send(1)
    top.bindings[0].close()
    bench.settle()
    assert [status for _, status in top.back] == ["CLOSING"] * 2
    assert bench.kinds() == [("top", "N6-UNB-03")] * 3


def test_a_command_for_a_binding_that_is_not_there_is_refused() -> None:
    bench = two()
    [answer] = bench.command("top", "pause_binding", edge=99)
    assert answer["error"] == "pause_binding: this node has no binding on edge 99"
    [answer] = bench.command("top", "reset")
    assert answer["error"] == "reset is for a miniport, this is a protocol"


@pytest.mark.rule("N6-PNP-10")
def test_a_filter_that_ends_its_pause_with_receives_of_others_is_reported() -> None:
    bench = Bench({"top": Teller, "mid": Holder, "nic": Floor}, ["top -> mid -> nic"]).start()
    bench.driver("nic", Floor).indicate(b"r" * 60)
    bench.settle()
    bench.pause("mid")
    assert bench.kinds() == [("mid", "N6-PNP-10")]


@pytest.mark.rule("N6-SEND-22")
def test_receives_that_are_kept_when_a_binding_is_undone_are_reported_and_returned() -> None:
    bench = two()
    top, nic = bench.driver("top", Listener), bench.driver("a", Floor)
    top.keep = True
    nic.indicate(b"k" * 60, b"k" * 60)
    bench.settle()
    assert steer(bench, "unbind", "top", "a") == []
    bench.settle()
    assert bench.kinds() == [("top", "N6-SEND-22")]
    assert bench.nodes["top"].custody.count == 0
    assert bench.nodes["a"].pool.free_count == bench.nodes["a"].pool.size


@pytest.mark.rule("N6-UNB-02")
def test_an_unbind_that_is_never_completed_is_reported_when_the_driver_halts() -> None:
    bench = two()
    top = bench.driver("top", Listener)
    top.unbinding = Status.PENDING
    paused = bench.command("top", "pause_binding", edge=edge_of(bench, "top", "a"))
    bench.settle()
    assert paused == [OK]
    assert bench.command("top", "unbind", edge=edge_of(bench, "top", "a")) == []
    bench.pause("top")
    top.unbinding = None
    assert bench.command("top", "halt") == [OK]
    assert bench.kinds() == [("top", "N6-UNB-02")]
