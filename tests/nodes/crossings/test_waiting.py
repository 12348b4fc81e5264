"""A driver that waits in its handler: what reaches it meanwhile, what waits, and how a wait ends."""

from __future__ import annotations

import pytest

from nodes.crossings.waiting import EARLY_LIMIT, NobodyElseRuns, nobody_else
from nodes.irql import Irql
from nodes.ndis import Adapter, Binding
from nodes.packets.chain import NblChain
from nodes.policy import Policy
from nodes.timers import NEVER
from orchestrator.relay import WaitAbandoned
from tests.bench import Bench, Layer
from tests.layers import Floor, Teller

LIMIT = 1_000_000
EARLY = Policy(early_completion="yes")


class Patient(Teller):
    """Sends one packet, waits until it is back, and notes what happened in the meantime."""

    patient = False

    def wait_for_send(self, count: int = 1) -> bool:
        """Return whether the packets came back within LIMIT."""
        self.send(count)
        return self.wait(lambda: len(self.back) == count, LIMIT)

    def receive_net_buffer_lists(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().receive_net_buffer_lists(binding, chain, flags)
        self.order.append("received")
        if self.patient:
            self.patient = False
            self.order.append("sent" if self.wait_for_send() else "gave up")

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.order: list[str] = []


class Doubtful(Floor):
    """Waits in its send handler for a word of the test."""

    word = False
    heard: list[bool]

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.heard = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.heard.append(self.wait(lambda: self.word, LIMIT))
        super().send_net_buffer_lists(adapter, chain, flags)


class Eager(Teller):
    """Sends one more for each that is back, up to 2000."""

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        super().send_net_buffer_lists_complete(binding, chain, flags)
        if len(self.sent) < 2000:
            self.send(1)


def patient(**floor: object) -> tuple[Bench, Patient, Floor]:
    bench = Bench({"top": Patient, "floor": (Floor, dict(floor))}, ["top -> floor"]).start()
    return bench, bench.driver("top", Patient), bench.driver("floor", Floor)


def test_a_completion_reaches_its_handler_while_the_driver_waits_for_it() -> None:
    _, top, _ = patient()
    assert top.wait_for_send(3)
    assert [status for _, status in top.back] == ["SUCCESS"] * 3


def test_a_wait_whose_condition_never_holds_ends_by_its_limit() -> None:
    bench, top, _ = patient(hold=True)
    began = bench.clock.now()
    assert not top.wait_for_send()
    assert bench.clock.now() == began + LIMIT


def test_a_condition_that_holds_already_is_not_waited_for() -> None:
    bench, top, _ = patient()
    assert top.wait(lambda: True, 0)
    assert top._node.next_due() == NEVER
    assert bench.settle() == 0


def test_timers_run_while_the_driver_waits() -> None:
    bench, top, _ = patient()
    rung: list[int] = []
    top.set_timer(LIMIT // 2, lambda: rung.append(bench.clock.now()))
    assert top.wait(lambda: bool(rung), LIMIT)
    assert rung == [bench.clock.now()]


@pytest.mark.rule("N6-RX-11")
def test_new_work_waits_in_its_order_while_a_handler_waits() -> None:
    """One dispatcher runs a node's handlers, so a receive handler's state needs no lock."""
    bench, top, floor = patient()
    top.patient = True
    first = floor.indicate(b"first" * 4)
    bench.settle()
    second = floor.indicate(b"second" * 4)
    bench.settle()
    assert top.order == ["received", "sent", "received"]
    assert top.received == first + second


def test_two_nodes_wait_at_the_same_time_and_end_in_any_order() -> None:
    layers: dict[str, Layer] = {"a": Patient, "b": Patient, "floor": (Floor, {"hold": True})}
    bench = Bench(layers, ["a -> floor", "b -> floor"]).start()
    results: list[str] = []

    def wait(driver: Patient) -> None:
        results.append(
            f"{driver.name} {driver.wait(lambda: bool(driver.back), LIMIT)} at {bench.clock.now() % LIMIT}"
        )

    a, b, floor = bench.driver("a", Patient), bench.driver("b", Patient), bench.driver("floor", Floor)
    a.send(1)
    b.send(1)
    bench.settle()
    a.set_timer(10, lambda: wait(a))
    b.set_timer(20, lambda: wait(b))
    for time in (30, 40):
        floor.set_timer(time, lambda: floor.complete(1))
    bench.run_for(100)
    assert [result[1:] for result in results] == [" True at 30", " True at 40"]
    assert {result[0] for result in results} == {"a", "b"}


def test_a_node_whose_driver_waits_lets_the_others_go_on() -> None:
    layers: dict[str, Layer] = {"top": Teller, "other": Teller, "slow": Doubtful, "floor": Floor}
    bench = Bench(layers, ["top -> slow", "other -> floor"]).start()
    slow, other = bench.driver("slow", Doubtful), bench.driver("other", Teller)

    def send_five() -> None:
        other.send(5)

    def give_word() -> None:
        assert slow.heard == []
        slow.word = len(other.back) == 5

    other.set_timer(10, send_five)
    other.set_timer(50, give_word)
    bench.driver("top", Teller).send(1)
    bench.settle()
    assert slow.heard == [True]
    assert len(bench.driver("top", Teller).back) == 1


def test_an_error_in_a_node_that_runs_meanwhile_surfaces_where_the_test_waits() -> None:
    _, top, floor = patient(hold=True)

    def stumble() -> None:
        raise RuntimeError("stumbled")

    floor.set_timer(10, stumble)
    with pytest.raises(RuntimeError, match="stumbled"):
        top.wait_for_send()


def test_a_driver_still_waiting_at_the_end_is_told_that_the_run_is_over() -> None:
    bench = Bench({"a": Patient, "b": Patient, "floor": Floor}, ["a -> floor", "b -> floor"]).start()
    a, b = bench.driver("a", Patient), bench.driver("b", Patient)
    ends: list[str] = []

    def wait_for_ever() -> None:
        with pytest.raises(WaitAbandoned):
            b.wait(lambda: False, LIMIT)
        ends.append("abandoned")

    a.set_timer(10, lambda: ends.append(f"waited {a.wait(lambda: False, LIMIT // 2)}"))
    b.set_timer(20, wait_for_ever)
    bench.run_for(100)
    assert ends == ["waited False"]
    bench._relay.close()
    assert ends == ["waited False", "abandoned"]


def test_a_wait_without_anybody_else_to_run_is_named() -> None:
    bench, top, _ = patient()
    bench.nodes["top"].pump = nobody_else
    with pytest.raises(NobodyElseRuns):
        top.wait(lambda: False, LIMIT)


@pytest.mark.rule("N6-IRQL-01")
def test_waiting_above_passive_level_is_a_violation() -> None:
    bench, top, _ = patient()
    top.raise_irql(Irql.DISPATCH)
    top.wait(lambda: True, LIMIT)
    top.lower_irql(Irql.PASSIVE)
    assert bench.kinds() == [("top", "N6-IRQL-01")]


@pytest.mark.rule("N6-SEND-05")
def test_a_completion_can_come_before_the_send_call_returns() -> None:
    bench = Bench({"top": Teller, "floor": Floor}, ["top -> floor"], policy=EARLY).start()
    top = bench.driver("top", Teller)
    handles = top.send(3)
    assert [handle for handle, _ in top.back] == handles
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-05")
def test_a_send_that_is_not_completed_early_returns_all_the_same() -> None:
    layers: dict[str, Layer] = {"top": Teller, "floor": (Floor, {"hold": True})}
    bench = Bench(layers, ["top -> floor"], policy=EARLY).start()
    began = bench.clock.now()
    bench.driver("top", Teller).send(3)
    assert bench.clock.now() == began + EARLY_LIMIT
    assert bench.driver("top", Teller).back == []


@pytest.mark.rule("N6-SEND-05")
def test_a_handler_that_sends_from_its_completion_does_not_deepen_the_stack_for_ever() -> None:
    bench = Bench({"top": Eager, "floor": Floor}, ["top -> floor"], policy=EARLY).start()
    top = bench.driver("top", Eager)
    top.send(1)
    bench.settle()
    assert len(top.back) == len(top.sent) == 2000


class Ticking(Teller):
    """Waits for nothing in each call of a timer that comes again meanwhile."""

    looks = ticks = 0

    def tick(self) -> None:
        """Set the timer again, eight times at most, and wait."""
        self.ticks += 1
        if self.ticks < 8:
            self.set_timer(1000, self.tick)
        self.wait(self.look, LIMIT)

    def look(self) -> bool:
        """Count how often the wait was woken."""
        self.looks += 1
        return False


def test_waits_in_waits_sleep_until_the_innermost_ends() -> None:
    bench = Bench({"top": Ticking, "floor": Floor}, ["top -> floor"]).start()
    top = bench.driver("top", Ticking)
    top.set_timer(0, top.tick)
    bench.run_for(2 * LIMIT)
    assert top.ticks == 8
    assert top.looks < 100
