"""At which IRQL a driver runs, what it may call there, and how it uses spin locks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nodes.crossings.crossing import ReceiveFlags, SendCompleteFlags, SendFlags
from nodes.irql import CEILINGS, Irql
from nodes.ndis import Adapter, Binding, Filter
from nodes.packets.chain import NblChain
from nodes.policy import Policy
from nodes.status import Status
from nodes.stock.mux import Mux
from tests.bench import Bench
from tests.layers import Floor, Teller

Act = Callable[["Nic", NblChain], None]


class Nic(Floor):
    """A bottom that notes its level in every handler and does in its send handler what a test says."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.levels: list[Irql] = []
        self.act: Act = lambda nic, chain: nic.finish(chain)
        self.lock = self.allocate_spin_lock("queue")
        self.other = self.allocate_spin_lock("statistics")

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.levels.append(self._node.irql.level)
        self.act(self, chain)

    def finish(self, chain: NblChain, flags: int = 0) -> None:
        """Complete a chain with SUCCESS."""
        chain.status = Status.SUCCESS
        self.adapter.send_net_buffer_lists_complete(chain, flags)

    def pause(self) -> Status:
        self.levels.append(self._node.irql.level)
        return super().pause()


class Listener(Teller):
    """A top that notes its level at completions."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.levels: list[Irql] = []

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.levels.append(self._node.irql.level)
        super().send_net_buffer_lists_complete(binding, chain, flags)


def stack(policy: Policy | None = None, act: Act | None = None) -> tuple[Bench, Listener, Nic]:
    bench = Bench({"top": Listener, "nic": Nic}, ["top -> nic"], policy=policy or Policy()).start()
    nic = bench.driver("nic", Nic)
    if act is not None:
        nic.act = act
    return bench, bench.driver("top", Listener), nic


def broken(act: Act, policy: Policy | None = None, flags: int = 0) -> list[str]:
    """Return the rules that a miniport breaks by doing `act` with one packet in its send handler."""
    bench, top, _ = stack(policy, act)
    send(top, flags)
    bench.settle()
    assert len(top.back) == 1
    assert {name for name, _ in bench.kinds()} <= {"nic"}
    return [rule for _, rule in bench.kinds()]


def send(top: Teller, flags: int = 0) -> None:
    """Send one packet with flags, at the level that they speak of."""
    chain = top.bindings[0].allocate_net_buffer_lists(1, 64)
    if flags & SendFlags.DISPATCH_LEVEL:
        old = top.raise_irql(Irql.DISPATCH)
        top.bindings[0].send_net_buffer_lists(chain, flags)
        top.lower_irql(old)
    else:
        top.bindings[0].send_net_buffer_lists(chain, flags)


@pytest.mark.rule("N6-IRQL-01")
@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        ("passive", {Irql.PASSIVE}),
        ("dispatch", {Irql.DISPATCH}),
        ("random", {Irql.PASSIVE, Irql.DISPATCH}),
    ],
)
def test_data_is_delivered_at_the_level_of_the_policy(delivery: str, expected: set[Irql]) -> None:
    bench, top, nic = stack(Policy(delivery_irql=delivery))
    for _ in range(64):
        top.send(1)
        bench.settle()
    assert (set(nic.levels), set(top.levels)) == (expected, expected)
    assert bench.nodes["nic"].irql.level is Irql.PASSIVE
    assert bench.kinds() == []


@pytest.mark.rule("N6-IRQL-01")
def test_pnp_handlers_are_called_at_passive_whatever_the_policy() -> None:
    bench, top, nic = stack(Policy(delivery_irql="dispatch"))
    top.send(1)
    bench.settle()
    bench.pause("nic")
    assert nic.levels == [Irql.DISPATCH, Irql.PASSIVE]


@pytest.mark.rule("N6-IRQL-01")
def test_timers_run_at_dispatch() -> None:
    bench, _, nic = stack()
    seen: list[Irql] = []
    nic.set_timer(1000, lambda: seen.append(nic.current_irql()))
    bench.run_for(2000)
    assert seen == [Irql.DISPATCH]
    assert bench.nodes["nic"].irql.level is Irql.PASSIVE


@pytest.mark.rule("N6-IRQL-01")
def test_nothing_of_the_data_path_may_be_called_above_dispatch() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        old = nic.raise_irql(Irql.DIRQL)
        nic.finish(chain)
        nic.lower_irql(old)

    assert broken(act) == ["N6-IRQL-01"]


def lengthened(binding: Binding) -> None:
    """Move the data start of a packet to and fro."""
    chain = binding.allocate_net_buffer_lists(1, 64, backfill=16)
    chain.retreat(4)
    chain.advance(4)
    next(iter(chain[0].net_buffers)).retreat(4)


@pytest.mark.rule("N6-IRQL-01")
@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda binding: binding.cancel_send_net_buffer_lists(1), {"NdisCancelSendNetBufferLists"}),
        (lambda binding: binding.cancel_oid_request(1), {"NdisCancelOidRequest"}),
        (lambda binding: binding.generate_partial_cancel_id(), {"NdisGeneratePartialCancelId"}),
        (
            lengthened,
            {
                "NdisRetreatNetBufferListDataStart",
                "NdisAdvanceNetBufferDataStart",
                "NdisRetreatNetBufferDataStart",
            },
        ),
    ],
    ids=["cancel sends", "cancel requests", "cancel id", "data start"],
)
def test_calls_besides_the_data_path_may_not_be_made_above_dispatch_either(
    call: Callable[[Binding], Any], names: set[str]
) -> None:
    bench, top, _ = stack()
    old = top.raise_irql(Irql.DIRQL)
    call(top.bindings[0])
    top.lower_irql(old)
    told = [event for name, event in bench.events if name == "top" and event["kind"] == "violation"]
    assert {event["rule"] for event in told} == {"N6-IRQL-01"}
    assert names <= {event["message"].split()[0] for event in told}


@pytest.mark.rule("N6-IRQL-01")
@pytest.mark.parametrize(
    ("change", "count"),
    [
        (lambda nic: nic.raise_irql(Irql.DISPATCH), 1),
        (lambda nic: nic.lower_irql(nic.raise_irql(Irql.DISPATCH)), 0),
        (lambda nic: nic.lower_irql(Irql.DISPATCH), 2),
    ],
    ids=["not put back", "put back", "lowered upwards"],
)
def test_a_handler_returns_at_the_level_it_was_entered_at(change: Callable[[Nic], Any], count: int) -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.finish(chain)
        change(nic)

    assert broken(act) == ["N6-IRQL-01"] * count


def test_calls_that_are_not_listed_may_be_made_up_to_dispatch() -> None:
    assert set(CEILINGS.values()) == {Irql.PASSIVE, Irql.APC, Irql.DIRQL}
    bench, _, nic = stack()
    nic.raise_irql(Irql.DISPATCH)
    for call, ceiling in CEILINGS.items():
        before = len(bench.events)
        nic._node.irql.check(call)
        assert len(bench.events) - before == (ceiling < Irql.DISPATCH)


@pytest.mark.rule("N6-IRQL-02")
def test_a_flag_that_promises_dispatch_is_believed() -> None:
    bench, top, nic = stack(act=lambda nic, chain: nic.finish(chain, SendCompleteFlags.DISPATCH_LEVEL))
    send(top, SendFlags.DISPATCH_LEVEL)
    bench.settle()
    assert (nic.levels, top.levels) == ([Irql.DISPATCH], [Irql.DISPATCH])
    assert bench.kinds() == []


@pytest.mark.rule("N6-IRQL-02", "N6-SEND-23")
def test_the_flag_may_not_be_set_below_dispatch() -> None:
    assert broken(lambda nic, chain: nic.finish(chain, SendCompleteFlags.DISPATCH_LEVEL)) == ["N6-IRQL-02"]


@pytest.mark.rule("N6-IRQL-02", "N6-SEND-23")
def test_the_flag_may_not_be_made_from_a_measured_level() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.finish(chain, SendCompleteFlags.DISPATCH_LEVEL if nic.current_irql() >= Irql.DISPATCH else 0)

    assert broken(act, Policy(delivery_irql="dispatch")) == ["N6-IRQL-02"]
    assert broken(act) == []


@pytest.mark.rule("N6-IRQL-02")
def test_every_call_of_the_data_path_checks_its_flag() -> None:
    bench = Bench({"top": Teller, "gate": Filter, "nic": Floor}, ["top -> gate -> nic"]).start()
    top, gate, nic = bench.driver("top", Teller), bench.driver("gate", Filter), bench.driver("nic", Floor)
    one = top.bindings[0].allocate_net_buffer_lists(1, 64)
    top.bindings[0].send_net_buffer_lists(one, SendFlags.DISPATCH_LEVEL)
    received = nic.adapter.allocate_net_buffer_lists(1, 64)
    nic.adapter.indicate_receive_net_buffer_lists(received, ReceiveFlags.DISPATCH_LEVEL)
    empty = one[:0]
    gate.module.send_net_buffer_lists_complete(empty, 1)
    gate.module.return_net_buffer_lists(empty, 1)
    gate.module.send_net_buffer_lists(empty, 1)
    top.bindings[0].return_net_buffer_lists(empty, 1)
    assert [rule for _, rule in bench.kinds()] == ["N6-IRQL-02"] * 6


@pytest.mark.rule("N6-IRQL-02")
def test_a_mux_clears_the_flag_of_sends_that_wait() -> None:
    layers: dict[str, Any] = {"a": Teller, "b": Teller, "mux": Mux, "nic": (Floor, {"hold": True})}
    bench = Bench(layers, ["a -> mux -> nic", "b -> mux"], depth=16).start()
    bench.driver("a", Teller).send(16)
    bench.settle()
    send(bench.driver("b", Teller), SendFlags.DISPATCH_LEVEL)
    bench.settle()
    for _ in range(2):
        bench.driver("nic", Floor).complete()
        bench.settle()
    assert len(bench.driver("b", Teller).back) == 1
    assert bench.kinds() == []


@pytest.mark.rule("N6-LOCK-01")
def test_a_lock_raises_to_dispatch_and_its_release_puts_the_level_back() -> None:
    seen: list[Irql] = []

    def act(nic: Nic, chain: NblChain) -> None:
        with nic.lock:
            seen.append(nic._node.irql.level)
            with nic.other:
                seen.append(nic._node.irql.level)
        seen.append(nic._node.irql.level)
        nic.finish(chain)

    assert broken(act) == []
    assert seen == [Irql.DISPATCH, Irql.DISPATCH, Irql.PASSIVE]


def leaks(nic: Nic) -> None:
    nic.lock.acquire()


def acquires_twice(nic: Nic) -> None:
    with nic.lock:
        nic.lock.acquire()


def releases_what_is_free(nic: Nic) -> None:
    nic.lock.release()


def crosses(nic: Nic) -> None:
    nic.lock.acquire()
    nic.other.acquire()
    nic.lock.release()
    nic.other.release()


def mixes(nic: Nic) -> None:
    nic.lock.acquire()
    nic.lock.release_dpr()
    nic.lower_irql(Irql.PASSIVE)


def takes_dpr_too_low(nic: Nic) -> None:
    nic.lock.acquire_dpr()
    nic.lock.release_dpr()
    nic.lower_irql(Irql.PASSIVE)


@pytest.mark.rule("N6-LOCK-01")
@pytest.mark.parametrize(
    "misuse", [leaks, acquires_twice, releases_what_is_free, crosses, mixes, takes_dpr_too_low]
)
def test_a_misused_lock_is_a_violation(misuse: Callable[[Nic], None]) -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.finish(chain)
        misuse(nic)

    rules = broken(act)
    assert rules[:1] == ["N6-LOCK-01"]


@pytest.mark.rule("N6-LOCK-01")
def test_a_leaked_lock_is_free_again_in_the_next_handler() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.finish(chain)
        nic.lock.acquire()

    bench, top, nic = stack(act=act)
    for _ in range(2):
        top.send(1)
        bench.settle()
    assert bench.kinds() == [("nic", "N6-LOCK-01")] * 2
    assert not nic.lock.held


@pytest.mark.rule("N6-LOCK-01")
def test_dpr_locks_are_for_handlers_at_dispatch() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.lock.acquire_dpr()
        nic.lock.release_dpr()
        nic.finish(chain)

    assert broken(act, Policy(delivery_irql="dispatch")) == []


@pytest.mark.rule("N6-LOCK-02")
def test_a_lock_is_not_held_across_a_completion() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        with nic.lock:
            nic.finish(chain)

    assert broken(act) == ["N6-LOCK-02"]
    assert broken(act, Policy(lock_across_calls="allowed")) == []


@pytest.mark.rule("N6-LOCK-02")
def test_a_lock_is_not_held_across_an_indication() -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        received = nic.adapter.allocate_net_buffer_lists(1, 64)
        with nic.lock:
            nic.adapter.indicate_receive_net_buffer_lists(received)
        nic.finish(chain)

    assert broken(act) == ["N6-LOCK-02"]


@pytest.mark.rule("N6-RST-08")
@pytest.mark.parametrize(("microseconds", "rules"), [(50, []), (51, ["N6-RST-08"])])
def test_a_driver_stalls_for_50_us_at_most(microseconds: int, rules: list[str]) -> None:
    def act(nic: Nic, chain: NblChain) -> None:
        nic.stall_execution(microseconds)
        nic.finish(chain)

    assert broken(act) == rules


class Locks(Floor):
    """A bottom with three locks, which it acquires as a test says."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.locks = [self.allocate_spin_lock(name) for name in "abc"]

    def nest(self, *places: int) -> None:
        """Acquire locks one under the other, and release them."""
        for place in places:
            self.locks[place].acquire()
        for place in reversed(places):
            self.locks[place].release()


@pytest.mark.rule("DV-LOCK-01")
@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ([(0, 1), (0, 1), (0, 2), (1, 2), (0, 1, 2)], []),
        ([(0, 1), (1, 0), (1, 0), (0, 1)], ["ba"]),
        ([(0, 1), (1, 2), (2, 0)], ["ca"]),
        ([(0, 1, 2), (2, 1)], ["cb"]),
    ],
    ids=["one order", "two locks", "three locks", "the inner two of three"],
)
def test_locks_that_are_acquired_in_a_circle_are_reported_where_it_closes(
    orders: list[tuple[int, ...]], found: list[str]
) -> None:
    bench = Bench({"top": Teller, "nic": Locks}, ["top -> nic"]).start()
    for order in orders:
        bench.driver("nic", Locks).nest(*order)
    told = [event["message"] for _, event in bench.events]
    assert [rule for _, rule in bench.kinds()] == ["DV-LOCK-01"] * len(found)
    for message, (outer, inner) in zip(told, found, strict=True):
        assert message.startswith(f"spin lock {inner} was acquired under {outer} at {__file__}:")
        assert message.count(__file__) == len(set(sum(orders, ()))) - (orders == [(0, 1, 2), (2, 1)])


@pytest.mark.rule("N6-LOCK-02")
def test_a_send_under_a_lock_is_reported_as_its_completion_may_come_at_once() -> None:
    bench, top, _ = stack()
    with top.allocate_spin_lock("queue"):
        top.send(1)
    assert bench.kinds() == [("top", "N6-LOCK-02")]


@pytest.mark.rule("N6-IRQL-01")
def test_a_work_item_runs_at_passive_though_it_was_queued_at_dispatch() -> None:
    bench, top, _ = stack()
    seen: list[Irql] = []
    top.set_timer(1000, lambda: top.queue_work_item(lambda: seen.append(top.current_irql())))
    bench.run_for(2000)
    assert seen == [Irql.PASSIVE]
    assert bench.kinds() == []
