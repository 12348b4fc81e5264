"""NDIS 5 sends: four verdicts, and NDIS's queue behind RESOURCES (contract 1.13)."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.irql import Irql
from nodes.status import Status
from tests.bench import Bench, Layer
from tests.layers import Floor, Teller
from tests.nodes.ndis5.layers5 import POST, Arrays, Caller, Free, FreeArrays, Serial, pair

S, P, R, F = Status.SUCCESS, Status.PENDING, Status.RESOURCES, Status.FAILURE
UNSAID = Status.CALL_ACTIVE


@pytest.mark.rule("N5-SND-01", "N5-SND-07")
def test_a_final_verdict_is_what_the_send_call_returns_and_no_handler_is_called() -> None:
    bench, top, nic = pair(Serial)
    nic.verdicts = [S, F, Status.INVALID_PACKET]
    for _ in range(3):
        top.send_one()
    bench.settle()
    assert top.log == [("verdict", "SUCCESS"), ("verdict", "FAILURE"), ("verdict", "INVALID_PACKET")]
    assert bench.statuses("top") == {"SUCCESS": 1, "FAILURE": 1, "INVALID_PACKET": 1}
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N5-SND-01", "N5-SND-07", "N5-SND-09")
def test_a_pending_send_comes_back_once_through_the_handler() -> None:
    bench, top, nic = pair(Serial)
    handle = top.send_one()
    assert top.log == [("verdict", "PENDING")]
    nic.finish()
    bench.settle()
    assert top.log[1:] == [("complete", (handle, "SUCCESS"))]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N5-SND-08")
def test_the_completion_can_come_before_the_send_call_returns() -> None:
    bench, top, nic = pair(Serial)
    nic.early = S
    handle = top.send_one()
    assert top.log == [("complete", (handle, "SUCCESS")), ("verdict", "PENDING")]
    assert bench.kinds() == []


@pytest.mark.rule("N5-SND-01")
def test_completing_what_had_a_final_verdict_or_was_completed_already_is_a_violation() -> None:
    bench, top, nic = pair(Serial)
    top.send_one()
    packet = nic.pending[0]
    nic.finish()
    bench.settle()
    nic.pending = [packet]
    nic.finish()
    bench.settle()
    assert bench.kinds() == [("nic", "N5-SND-01")]
    nic.early, nic.verdicts = S, [S]
    top.send_one()
    assert bench.kinds() == [("nic", "N5-SND-01")] * 2
    assert top.ends == ["SUCCESS"] * 2


@pytest.mark.rule("N5-SND-01")
def test_a_pause_waits_for_what_pends() -> None:
    bench, top, nic = pair(Serial)
    top.send_one()
    answers = bench.command("nic", "pause")
    bench.settle()
    assert answers == []
    nic.finish()
    bench.settle()
    assert answers == [{"ok": True, "value": None}]


@pytest.mark.rule("N5-SND-02")
def test_a_packet_is_off_limits_after_any_verdict_but_pending() -> None:
    for verdict in (S, F, R):
        bench, top, nic = pair(Serial)
        nic.verdicts = [verdict]
        top.send_one()
        bench.settle()
        nic.seen[0].status = 1
        assert bench.kinds() == [("nic", "N5-SND-02")]


@pytest.mark.rule("N5-SND-03")
def test_resources_keeps_the_packet_at_the_head_until_the_next_completion() -> None:
    bench, top, nic = pair(Serial)
    nic.verdicts = [P, R]
    first, second, third = [top.send_one() for _ in range(3)]
    assert [end for _, end in top.log] == ["PENDING"] * 3
    assert nic.offers == [[first], [second]]
    nic.finish()
    bench.settle()
    assert nic.offers == [[first], [second], [second], [third]]
    nic.finish(2)
    bench.settle()
    assert top.ends == ["SUCCESS"] * 3
    assert bench.kinds() == []


@pytest.mark.rule("N5-SND-03")
def test_the_miniport_can_say_that_it_has_resources_again() -> None:
    bench, top, nic = pair(Serial)
    nic.verdicts = [R]
    handle = top.send_one()
    bench.settle()
    assert nic.offers == [[handle]]
    nic.set_timer(0, nic.adapter.send_resources_available)
    bench.settle()
    assert nic.offers == [[handle]] * 2
    assert "RESOURCES" not in str(top.log)


@pytest.mark.rule("N5-SND-03", "N5-SND-04")
def test_resources_in_an_array_keeps_it_and_the_rest_in_their_order() -> None:
    bench, top, nic = pair(Arrays)
    nic.verdicts = [S, P, R, R, R]
    handles = top.send_array(5)
    bench.settle()
    assert nic.offers == [handles]
    assert top.ends == ["SUCCESS"]
    late = top.send_array(2)
    bench.settle()
    assert nic.offers == [handles]
    nic.finish()
    bench.settle()
    assert nic.offers[1:] == [handles[2:] + late]
    nic.finish(5)
    bench.settle()
    assert [end for what, end in top.log if what == "complete"] == [
        (handle, "SUCCESS") for handle in handles + late
    ]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N5-SND-04")
def test_a_gap_behind_resources_or_a_missing_status_is_a_violation() -> None:
    bench, top, nic = pair(Arrays)
    nic.verdicts = [R, S, R]
    handles = top.send_array(3)
    bench.settle()
    assert bench.kinds() == [("nic", "N5-SND-04")]
    nic.set_timer(0, nic.adapter.send_resources_available)
    bench.settle()
    assert nic.offers == [handles, handles]
    nic.verdicts = [UNSAID]
    top.send_array(1)
    bench.settle()
    assert bench.kinds() == [("nic", "N5-SND-04")] * 2


@pytest.mark.rule("N5-SND-05")
def test_a_deserialised_miniport_owes_every_packet_and_oob_statuses_are_ignored() -> None:
    bench, top, nic = pair(FreeArrays)
    nic.verdicts = [P, P, P]
    top.send_array(3)
    bench.settle()
    for packet in nic.pending:
        packet.status = R
    nic.finish(3)
    bench.settle()
    assert top.ends == ["SUCCESS"] * 3
    assert bench.kinds() == []


@pytest.mark.rule("N5-SND-05")
def test_a_deserialised_miniport_may_not_give_a_final_verdict_nor_resources() -> None:
    bench, top, nic = pair(Free)
    nic.verdicts = [S, R]
    top.send_one()
    top.send_one()
    assert bench.kinds() == [("nic", "N5-SND-05")] * 2
    assert top.log == [("verdict", "SUCCESS"), ("verdict", "FAILURE")]


@pytest.mark.rule("N5-SND-06")
def test_a_serialised_miniport_is_entered_by_one_call_at_a_time_at_dispatch() -> None:
    layers: dict[str, Layer] = {"a": Caller, "b": Caller, "nic": Serial}
    bench = Bench(layers, ["a -> nic", "b -> nic"], policy=POST).start()
    nic = bench.driver("nic", Serial)
    sent = []
    for name in ("a", "b"):
        sent += [bench.driver(name, Caller).send_one() for _ in range(3)]
    bench.settle()
    assert sorted(handles[0] for handles in nic.offers) == sorted(sent)
    assert nic.levels == [Irql.DISPATCH] * 6
    assert bench.kinds() == []


@pytest.mark.rule("N5-SND-06")
def test_a_deserialised_miniport_is_called_at_once() -> None:
    bench, top, nic = pair(Free, POST)
    top.send_one()
    bench.settle()
    assert nic.levels == [Irql.PASSIVE]


@pytest.mark.rule("N5-SND-06", "N5-SND-12")
def test_without_calls_every_send_is_answered_with_pending_first() -> None:
    bench, top, nic = pair(Serial, POST)
    nic.verdicts = [S]
    handle = top.send_one()
    bench.settle()
    assert top.log == [("verdict", "PENDING"), ("complete", (handle, "SUCCESS"))]


@pytest.mark.rule("N5-SND-07")
def test_an_array_has_no_verdict_and_every_packet_comes_back_through_the_handler() -> None:
    bench, top, nic = pair(Serial)
    nic.verdicts = [S, F, S]
    handles = top.send_array(3)
    bench.settle()
    assert top.log == [
        ("complete", (handle, end))
        for handle, end in zip(handles, ["SUCCESS", "FAILURE", "SUCCESS"], strict=True)
    ]


@pytest.mark.rule("N5-SND-09")
def test_completing_below_dispatch_or_with_a_lock_held_is_a_violation() -> None:
    bench, top, nic = pair(Serial)
    top.send_one()
    top.send_one()
    nic.adapter.send_complete(nic.pending.pop(0), S)
    assert bench.kinds() == [("nic", "N5-SND-09")]
    lock = nic.allocate_spin_lock("ring")
    with lock:
        nic.adapter.send_complete(nic.pending.pop(0), S)
    assert bench.kinds() == [("nic", "N5-SND-09")] * 2


@pytest.mark.rule("N5-SND-09")
def test_a_deserialised_miniport_may_complete_below_dispatch() -> None:
    bench, top, nic = pair(Free)
    top.send_one()
    nic.adapter.send_complete(nic.pending.pop(0), S)
    bench.settle()
    assert (top.ends, bench.kinds()) == (["SUCCESS"], [])


@pytest.mark.rule("N5-SND-10")
def test_ndis_uses_the_array_handler_when_there_are_both() -> None:
    _, top, nic = pair(Arrays)
    nic.verdicts = [S]
    top.send_one()
    assert [len(offer) for offer in nic.offers] == [1]
    assert nic.levels == []
    assert top.log == [("verdict", "SUCCESS")]


@pytest.mark.rule("N5-SND-11")
def test_an_ndis_6_miniport_may_not_call_ndis_5() -> None:
    bench = Bench({"top": Teller, "floor": Floor}, ["top -> floor"]).start()
    adapter = bench.driver("floor", Floor).adapter
    adapter.send_complete(None, S)
    adapter.send_resources_available()
    adapter.transfer_data_complete(None, S, 0)
    adapter.eth_indicate_receive(0, b"", b"", 0)
    adapter.eth_indicate_receive_complete()
    adapter.indicate_receive_packet(None)
    assert bench.kinds() == [("floor", "N5-SND-11")] * 6


@pytest.mark.rule("N5-SND-12")
def test_an_ndis_6_protocol_above_never_sees_a_verdict() -> None:
    bench = Bench({"top": Teller, "nic": Serial}, ["top -> nic"]).start()
    top, nic = bench.driver("top", Teller), bench.driver("nic", Serial)
    nic.verdicts = [S, Status.INVALID_PACKET, P, R]
    handles = top.send(4)
    bench.settle()
    assert top.back == [(handles[0], "SUCCESS"), (handles[1], "FAILURE")]
    nic.finish()
    bench.settle()
    nic.finish()
    bench.settle()
    assert top.back[2:] == [(handles[2], "SUCCESS"), (handles[3], "SUCCESS")]
    assert bench.kinds() == []


@pytest.mark.rule("N5-SND-07", "N5-SND-12")
def test_an_ndis_5_protocol_above_ndis_6_sees_pending_always() -> None:
    bench = Bench({"top": Caller, "floor": Floor}, ["top -> floor"]).start()
    top = bench.driver("top", Caller)
    top.send_one()
    bench.settle()
    assert [what for what, _ in top.log] == ["verdict", "complete"]


@pytest.mark.rule("N5-SND-03")
def test_what_ndis_has_queued_comes_back_with_paused() -> None:
    bench, top, nic = pair(Serial)
    nic.verdicts = [R]
    top.send_one()
    top.send_one()
    bench.pause("nic")
    bench.settle()
    assert top.ends == ["PAUSED"] * 2
    top.send_one()
    assert top.log[-1] == ("verdict", "PAUSED")
    assert bench.held() == {}


@pytest.mark.rule("N6-CAN-04", "N5-SND-03")
@pytest.mark.parametrize(("kind", "status"), [(Caller, "REQUEST_ABORTED"), (Teller, "SEND_ABORTED")])
def test_a_cancel_ends_what_ndis_has_queued_of_that_id_and_leaves_the_rest(
    kind: type[Caller] | type[Teller], status: str
) -> None:
    bench = Bench({"top": kind, "nic": Serial}, ["top -> nic"]).start()
    top, nic = bench.driver("top", kind), bench.driver("nic", Serial)
    binding = top.bindings[0]
    nic.verdicts = [P, R]
    chain = binding.allocate_net_buffer_lists(4, 60)
    ids = [binding._node.custody.cancel_byte << 56 | low for low in (7, 9, 7, 9)]  # type: ignore[operator]
    chain.cancel_id = np.array(ids, np.uint64)
    first, second, third, fourth = chain.handles.tolist()
    binding.send_net_buffer_lists(chain)
    bench.settle()
    binding.cancel_send_net_buffer_lists(ids[0])
    bench.settle()
    back = top.back if isinstance(top, Teller) else [end for what, end in top.log if what == "complete"]
    assert back == [(third, status)]
    nic.finish()
    bench.settle()
    nic.finish(2)
    bench.settle()
    assert nic.offers == [[first], [second], [second], [fourth]]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N6-RST-03")
def test_an_ndis_5_miniport_may_hold_sends_across_a_reset() -> None:
    bench, top, nic = pair(Serial)
    handle = top.send_one()
    nic.adapter.reset_miniport()
    bench.settle()
    nic.finish()
    bench.settle()
    assert top.log[1:] == [("complete", (handle, "SUCCESS"))]
    assert bench.kinds() == []
