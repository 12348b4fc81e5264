from __future__ import annotations

import numpy as np
import pytest

from nodes.crossings.crossing import Op
from nodes.lifecycle import Lifecycle
from nodes.metrics import Counter, HistogramRow, NodeState
from nodes.ndis import Adapter, Binding, Filter, Intermediate, NetEvent
from nodes.node import BATCH
from nodes.packets.chain import NblChain
from nodes.status import Status
from shm.board import Word
from tests.bench import Bench
from tests.layers import Floor, Teller

STACK = ["top -> nic"]


class Holder(Floor):
    """A bottom that keeps sends until it is told."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.calls.append(chain.handles.tolist())
        self.waiting.append(chain)


class Listener(Teller):
    """A top that notes the flags of completions."""

    def bind_adapter(self, binding: Binding) -> None:
        super().bind_adapter(binding)
        self.heard: list[tuple[int, int]] = []

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.heard.append((len(chain), flags))
        super().send_net_buffer_lists_complete(binding, chain, flags)


class Rude(Floor):
    """A bottom whose send handler raises."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        raise ZeroDivisionError("no such ring")


def bench_of(bottom: type[Floor] = Floor, **options: int) -> tuple[Bench, Teller, Floor]:
    bench = Bench({"top": Teller, "nic": bottom}, STACK, **options).start()
    return bench, bench.driver("top", Teller), bench.driver("nic", bottom)


def test_what_is_sent_is_completed_and_counted_on_both_sides() -> None:
    bench, top, nic = bench_of()
    top.send(3)
    top.send(2)
    bench.settle()
    assert [len(call) for call in nic.calls] == [3, 2]
    assert [handle for handle, _ in top.back] == top.sent == nic.handles
    assert bench.counter("top", Counter.SENT) == bench.counter("top", Counter.COMPLETED) == 5
    assert bench.counter("top", Counter.SENT_BYTES) == 5 * 64
    assert bench.statuses("top") == {"SUCCESS": 5}
    assert bench.nodes["top"].board.histograms[HistogramRow.LATENCY].counts.sum() == 5
    assert bench.nodes["nic"].board.held[0].counts.sum() == 5
    assert (bench.events, bench.held(), bench.in_use()) == ([], {}, {})


def test_latency_is_from_leaving_to_the_completion_being_taken() -> None:
    bench, top, nic = bench_of(Holder)
    top.send(1)
    bench.settle()
    bench.clock.advance_to(bench.clock.now() + 1_000_000)
    nic.complete()
    bench.settle()
    counts = bench.nodes["top"].board.histograms[HistogramRow.LATENCY].counts
    [bucket] = np.flatnonzero(counts)
    assert bucket == np.flatnonzero(bench.nodes["nic"].board.held[0].counts)


def test_a_long_backlog_is_taken_in_bounded_batches() -> None:
    bench, top, nic = bench_of(depth=4096)
    for _ in range(3 * BATCH):
        top.send(1)
    bench.nodes["top"].poll()
    assert [bench.nodes["nic"].poll() for _ in range(4)] == [BATCH, BATCH, BATCH, 0]
    assert len(nic.calls) == 3 * BATCH
    bench.settle()
    assert len(top.back) == 3 * BATCH


def test_every_neighbour_gets_a_turn_while_another_never_stops() -> None:
    bench = Bench({"a": Teller, "b": Teller, "nic": Floor}, ["a -> nic", "b -> nic"], depth=4096).start()
    loud, quiet = bench.driver("a", Teller), bench.driver("b", Teller)
    for _ in range(2 * BATCH):
        loud.send(1)
    quiet.send(1)
    for name in ("a", "b"):
        bench.nodes[name].poll()
    assert bench.nodes["nic"].poll() == BATCH + 1


def test_more_than_the_credits_comes_back_as_resources() -> None:
    bench, top, nic = bench_of(Holder, depth=16)
    top.send(20)
    bench.settle()
    assert len(nic.handles) == 16
    assert [status for _, status in top.back] == ["RESOURCES"] * 4
    nic.complete()
    bench.settle()
    assert bench.statuses("top") == {"RESOURCES": 4, "SUCCESS": 16}
    assert (bench.kinds(), bench.held(), bench.in_use()) == ([], {}, {})


def test_completions_of_every_status_are_counted_by_it() -> None:
    bench, top, nic = bench_of(Holder)
    top.send(6)
    bench.settle()
    for status, count in ((Status.FAILURE, 1), (Status.SUCCESS, 2), (Status.SEND_ABORTED, 3)):
        nic.complete(count, status)
    bench.settle()
    assert [status for _, status in top.back] == ["FAILURE", *["SUCCESS"] * 2, *["SEND_ABORTED"] * 3]
    assert bench.statuses("top") == {"FAILURE": 1, "SUCCESS": 2, "SEND_ABORTED": 3}


def test_a_received_packet_is_lent_and_comes_back() -> None:
    bench, top, nic = bench_of()
    top.keep = True
    handles = nic.indicate(b"x" * 60, b"y" * 60)
    bench.settle()
    assert top.received == handles
    assert (bench.held(), bench.in_use()) == ({"top": 2}, {"nic": 2})
    top.return_kept()
    bench.settle()
    assert (bench.held(), bench.in_use(), bench.kinds()) == ({}, {}, [])
    assert bench.counter("top", Counter.RECEIVED) == 2


def test_a_driver_that_raises_ends_its_node_with_its_traceback() -> None:
    bench, top, _ = bench_of(Rude)
    top.send(1)
    bench.nodes["top"].poll()
    nic = bench.nodes["nic"]
    assert nic.step() == 0
    [(name, event)] = bench.events
    assert (name, event["kind"], event["error"], event["message"]) == (
        "nic", "failed", "ZeroDivisionError", "no such ring"
    )  # fmt: skip
    assert "send_net_buffer_lists" in event["traceback"]
    assert nic.board.words[Word.STATE] == NodeState.FAILED
    assert nic.step() == 0
    assert len(bench.events) == 1


def test_a_handler_that_raises_in_a_command_answers_it_once() -> None:
    class Broken(Teller):
        def net_pnp_event(self, binding: Binding, event: NetEvent) -> Status:
            raise LookupError("no such binding")

    bench = Bench({"top": (Teller, {}), "nic": Floor}, STACK)
    node = bench.nodes["top"]
    node.driver = Broken(node, None)
    node.lifecycle = Lifecycle(node)
    assert bench.command("top", "initialize") == [{"ok": True, "value": None}]
    assert bench.command("top", "restart") == [{"ok": False, "error": "LookupError: no such binding"}]
    assert bench.kinds() == [("top", "failed")]


def test_flags_of_a_completion_reach_the_handler_of_just_those_packets() -> None:
    bench = Bench({"top": Listener, "nic": Holder}, STACK).start()
    top, nic = bench.driver("top", Listener), bench.driver("nic", Holder)
    top.send(5)
    bench.settle()
    chain = nic.waiting.popleft()
    chain.status = Status.SUCCESS
    for part, flags in ((chain[:1], 1), (chain[1:3], 0), (chain[3:], 3)):
        nic.adapter.send_net_buffer_lists_complete(part, flags)
    bench.settle()
    assert top.heard == [(1, 1), (2, 0), (2, 3)]


def test_an_empty_chain_goes_nowhere_in_any_state() -> None:
    bench, top, nic = bench_of()
    for paused in (False, True):
        if paused:
            for name in ("top", "nic"):
                bench.pause(name)
        empty = top.bindings[0].allocate_net_buffer_lists(0, 60)
        top.bindings[0].send_net_buffer_lists(empty)
        top.bindings[0].return_net_buffer_lists(empty)
        nic.adapter.indicate_receive_net_buffer_lists(empty)
        nic.adapter.send_net_buffer_lists_complete(empty)
        top.free(empty)
        bench.settle()
    assert (top.back, nic.calls, bench.events) == ([], [], [])


def test_a_packet_returned_to_the_wrong_binding_stays_and_can_still_be_returned() -> None:
    bench = Bench({"top": Teller, "a": Floor, "b": Floor}, ["top -> a", "top -> b"]).start()
    top = bench.driver("top", Teller)
    top.keep = True
    bench.driver("a", Floor).indicate(b"x" * 60)
    bench.settle()
    [(_, received)] = top.kept
    top.bindings[1].return_net_buffer_lists(received)
    bench.settle()
    assert (bench.kinds(), bench.held()) == ([("top", "N6-RX-04")], {"top": 1})
    top.return_kept()
    bench.settle()
    assert (bench.held(), bench.in_use(), len(bench.events)) == ({}, {}, 1)


class Relay(Intermediate):
    """Sends on what comes from above, and completes what comes back."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.forward(self.bindings[0], chain)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        self.restore(chain)
        self.adapters[0].send_net_buffer_lists_complete(chain)


def test_what_is_refused_below_an_intermediate_driver_is_counted_where_it_was_sent() -> None:
    bench = Bench({"top": Teller, "mux": Relay, "nic": Holder}, ["top -> mux -> nic"], depth=16).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Holder)
    bench.nodes["mux"].ports[1].outstanding += 6
    top.send(16)
    bench.settle()
    nic.complete()
    bench.settle()
    assert bench.statuses("top") == {"RESOURCES": 6, "SUCCESS": 10}
    assert bench.statuses("mux") == {}
    assert bench.counter("mux", Counter.SENT) == bench.counter("mux", Counter.COMPLETED) == 0
    assert (bench.kinds(), bench.held(), bench.in_use()) == ([], {}, {})


def test_the_end_of_a_source_is_told_once() -> None:
    bench, top, _ = bench_of()
    top.report_done()
    top.report_done()
    assert bench.kinds() == [("top", "done")]
    assert bench.nodes["top"].board.words[Word.DONE] == 1


@pytest.mark.parametrize("code", [0x00, 0x15, 0x3F, 0xFF])
def test_an_entry_of_no_kind_that_crosses_is_counted_and_dropped(code: int) -> None:
    bench, top, nic = bench_of()
    port = bench.nodes["top"].ports[0]
    port.producer.write(np.array([1, 2], np.uint64), code)
    port.producer.publish()
    port._published = port.producer.position
    top.send(1)
    bench.settle()
    assert bench.counter("nic", Counter.MALFORMED) == 2
    assert len(nic.handles) == len(top.back) == 1


@pytest.mark.parametrize("op", [Op.SEND, Op.COMPLETE])
@pytest.mark.parametrize("handle", [0, 1, 1 << 27, (1 << 64) - 1])
def test_a_word_that_names_no_packet_reaches_no_driver(op: Op, handle: int) -> None:
    bench, top, nic = bench_of()
    sender, receiver = ("top", "nic") if op is Op.SEND else ("nic", "top")
    port = bench.nodes[sender].ports[0]
    port.producer.write(np.array([handle], np.uint64), op)
    port.producer.publish()
    port._published = port.producer.position
    bench.settle()
    assert bench.kinds() == [(receiver, "N6-SEND-03" if op is Op.SEND else "N6-SEND-10")]
    assert (nic.calls, top.back, bench.held()) == ([], [], {})
    assert bench.nodes["top"].ports[0].outstanding == 0


def test_the_progress_word_moves_with_every_poll() -> None:
    bench, *_ = bench_of()
    words = bench.nodes["top"].board.words
    before = words[Word.PROGRESS]
    bench.nodes["top"].poll()
    assert words[Word.PROGRESS] == before + 1


def test_gauges_show_what_is_held_and_what_is_left() -> None:
    bench, top, _ = bench_of(Holder)
    top.send(5)
    bench.settle()
    for node in bench.nodes.values():
        node.update_gauges()
    assert bench.counter("nic", Counter.HELD) == 5
    assert bench.counter("top", Counter.POOL_FREE) == Teller.default_pool_size - 5


class Early(Floor):
    """A bottom that completes within the send handler, before the sender's poll has ended."""


@pytest.mark.parametrize("filters", [0, 1, 3])
def test_any_number_of_filters_passes_everything_both_ways(filters: int) -> None:
    names = ["top", *(f"f{number}" for number in range(filters)), "nic"]
    layers = {"top": Teller, "nic": Early, **dict.fromkeys(names[1:-1], Filter)}
    bench = Bench({name: layers[name] for name in names}, [" -> ".join(names)], shuffled=True).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Early)
    for count in (1, 5, 3):
        top.send(count)
    received = nic.indicate(b"a" * 60)
    bench.settle()
    assert [len(call) for call in nic.calls] == [1, 5, 3]
    assert [handle for handle, _ in top.back] == top.sent
    assert top.received == received
    assert (bench.kinds(), bench.held(), bench.in_use()) == ([], {}, {})


BROKEN = {
    "double completion": "N6-SEND-10",
    "foreign completion": "N6-SEND-10",
    "touch after hand-over": "N6-SEND-03",
    "sent twice": "N6-SEND-03",
    "double free": "N6-NBL-11",
    "status outside the set": "N6-SEND-11",
    "status not set": "N6-SEND-11",
    "send while paused": "N6-PNP-09",
    "return twice": "N6-RX-04",
    "return what was not lent": "N6-RX-04",
    "indicate while paused": "N6-RX-12",
    "lent packet indicated again": "N6-RX-02",
}


def break_rule(act: str, bench: Bench, top: Teller, nic: Floor) -> None:
    binding, adapter = top.bindings[0], nic.adapter
    fresh = binding.allocate_net_buffer_lists(1, 64)
    if act in {"touch after hand-over", "sent twice", "double completion"} or act.startswith("status"):
        binding.send_net_buffer_lists(fresh)
        bench.settle()
    if act == "double completion":
        chain = nic.waiting.popleft()
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)
        adapter.send_net_buffer_lists_complete(chain)
    elif act == "foreign completion":
        adapter.send_net_buffer_lists_complete(adapter.allocate_net_buffer_lists(1, 64))
    elif act == "touch after hand-over":
        fresh.status = Status.FAILURE
    elif act == "sent twice":
        binding.send_net_buffer_lists(fresh)
    elif act == "double free":
        top.free(fresh)
        top.free(fresh)
    elif act == "status outside the set":
        nic.complete(status=Status.PENDING)
    elif act == "status not set":
        adapter.send_net_buffer_lists_complete(nic.waiting.popleft())
    elif act == "send while paused":
        bench.pause("top")
        binding.send_net_buffer_lists(fresh)
    elif act in {"return twice", "lent packet indicated again"}:
        top.keep = True
        nic.indicate(b"z" * 60)
        bench.settle()
        [(_, received)] = top.kept
        if act == "lent packet indicated again":
            adapter.indicate_receive_net_buffer_lists(received)
        top.return_kept()
        if act == "return twice":
            binding.return_net_buffer_lists(received)
    elif act == "return what was not lent":
        binding.return_net_buffer_lists(fresh)
    elif act == "indicate while paused":
        bench.pause("nic")
        nic.indicate(b"z" * 60)


@pytest.mark.parametrize("act", BROKEN)
def test_each_broken_rule_is_reported_once_by_its_id(act: str) -> None:
    bench, top, nic = bench_of(Holder)
    break_rule(act, bench, top, nic)
    bench.settle()
    assert [event.get("rule") for _, event in bench.events] == [BROKEN[act]]
    assert sum(bench.counter(name, Counter.VIOLATIONS) for name in ("top", "nic")) == 1
    doubled = BROKEN[act] in {"N6-SEND-10", "N6-RX-04"}
    assert sum(bench.counter(name, Counter.DUPLICATED) for name in ("top", "nic")) == doubled


@pytest.mark.parametrize("act", ["double completion", "touch after hand-over", "return twice", "double free"])
def test_the_node_goes_on_after_a_violation(act: str) -> None:
    bench, top, nic = bench_of(Holder)
    break_rule(act, bench, top, nic)
    top.send(7)
    bench.settle()
    nic.complete()
    bench.settle()
    assert len(top.back) >= 7
    assert [kind for _, kind in bench.kinds()] == [BROKEN[act]]


def test_a_send_on_a_paused_binding_comes_back_as_paused() -> None:
    bench, top, _ = bench_of()
    bench.pause("top")
    top.send(2)
    bench.settle()
    assert [status for _, status in top.back] == ["PAUSED", "PAUSED"]
    assert bench.statuses("top") == {"PAUSED": 2}


def test_a_send_to_a_paused_miniport_comes_back_as_paused_and_breaks_nothing() -> None:
    bench, top, nic = bench_of()
    bench.pause("nic")
    top.send(2)
    bench.settle()
    assert nic.calls == []
    assert [status for _, status in top.back] == ["PAUSED", "PAUSED"]
    assert bench.kinds() == []


def test_an_indication_to_a_paused_protocol_comes_straight_back() -> None:
    bench, top, nic = bench_of()
    bench.pause("top")
    nic.indicate(b"z" * 60)
    bench.settle()
    assert top.received == []
    assert (bench.counter("top", Counter.DROPPED), bench.held(), bench.in_use()) == (1, {}, {})
    assert bench.kinds() == []


def test_calls_stay_apart_unless_the_binding_coalesces() -> None:
    bench, top, nic = bench_of()
    for port in bench.nodes["nic"].ports:
        assert not port.spec.coalesce
    for count in (2, 1, 4):
        top.send(count)
    bench.settle()
    assert [len(call) for call in nic.calls] == [2, 1, 4]


def test_a_cancel_arrives_behind_the_sends_it_follows() -> None:
    bench, top, nic = bench_of(Holder)
    top.send(2, cancel_id=9)
    top.bindings[0].cancel_send_net_buffer_lists(9)
    top.send(1)
    bench.nodes["top"].poll()
    assert bench.nodes["nic"].poll() == 4
    assert (nic.cancels, len(nic.handles)) == ([9], 3)


def test_ops_of_both_directions_are_told_apart_in_the_recorder() -> None:
    bench, top, _ = bench_of()
    top.send(2)
    bench.settle()
    _, handles, meta = bench.nodes["nic"].board.events()
    assert handles.tolist() == top.sent
    assert set((meta >> np.uint64(8) & np.uint64(0xFF)).tolist()) == {Op.COMPLETE}
