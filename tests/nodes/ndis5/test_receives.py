"""NDIS 5 receives: look-ahead and transfer, or full packets (contract 1.14)."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.ndis5 import BadCharacteristics
from nodes.ndis5.packets import chain_of
from nodes.packets.net_buffer import Nbl
from nodes.status import Status
from tests.bench import Bench, Layer
from tests.layers import Floor, Teller
from tests.nodes.ndis5.layers5 import Caller, Contradictory, Serial, Whole, pair

S, P = Status.SUCCESS, Status.PENDING
HEADER = bytes(12) + b"\x08\x00"
DATA = bytes(range(200))
FRAME = HEADER + DATA


@pytest.mark.rule("N5-TD-01")
def test_after_a_look_ahead_the_rest_can_be_asked_for() -> None:
    bench, top, nic = pair(Serial)
    top.on_receive = lambda context, size: top.transfer(context, 60, size - 60)
    assert nic.look(FRAME, 60) is S
    assert top.looks == [(HEADER, DATA[:60], 200)]
    assert top.landed == [DATA[60:]]
    nic.adapter.eth_indicate_receive_complete()
    bench.settle()
    assert top.log == [("verdict", ("SUCCESS", 140)), ("receive complete", None)]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N5-TD-01")
def test_asking_outside_the_indication_or_after_a_full_packet_is_a_violation() -> None:
    bench, top, nic = pair(Serial)
    nic.look(FRAME, 60)
    assert top.transfer(7, 0, 10) is Status.FAILURE
    packets = nic.adapter.allocate_net_buffer_lists(1, 60)
    nic.adapter.indicate_receive_packet(packets)
    bench.settle()
    assert top.transfer(7, 0, 10) is Status.FAILURE
    assert bench.kinds() == [("top", "N5-TD-01")] * 2
    assert nic.reads == []


@pytest.mark.rule("N5-TD-02", "N5-TD-03")
def test_a_pending_transfer_is_completed_once_with_status_and_count() -> None:
    bench, top, nic = pair(Serial)
    nic.transfer_verdict = P
    top.on_receive = lambda context, size: top.transfer(context, 50, 100)
    nic.look(FRAME, 50)
    assert top.log == [("verdict", ("PENDING", 0))]
    packet, offset, count = nic.reads[0]
    nic.set_timer(0, lambda: nic.adapter.transfer_data_complete(packet, S, nic.copy(packet, offset, count)))
    bench.settle()
    assert top.log[1:] == [("transferred", ("SUCCESS", 100))]
    assert top.landed == [DATA[50:150]]
    nic.set_timer(0, lambda: nic.adapter.transfer_data_complete(packet, S, 100))
    bench.settle()
    assert bench.kinds() == [("nic", "N5-TD-02")]


@pytest.mark.rule("N5-TD-02")
def test_an_error_ends_a_transfer_without_bytes() -> None:
    bench, top, nic = pair(Serial)
    nic.transfer_verdict = Status.INVALID_DATA
    top.on_receive = lambda context, size: top.transfer(context, 0, 10)
    nic.look(FRAME, 50)
    assert top.log == [("verdict", ("INVALID_DATA", 0))]
    assert (bench.in_use(), bench.kinds()) == ({}, [])


@pytest.mark.rule("N5-TD-03")
def test_the_packet_belongs_to_the_miniport_while_its_transfer_pends() -> None:
    bench, top, nic = pair(Serial)
    nic.transfer_verdict = P
    packet = top.packet(100)
    top.on_receive = lambda context, size: top.transfer(context, 0, 100, packet)
    nic.look(FRAME, 0)
    assert packet.status is not None
    assert bench.kinds() == [("top", "N5-TD-03")]
    nic.set_timer(0, lambda: nic.adapter.transfer_data_complete(packet, S, 0))
    bench.settle()
    assert [what for what, _ in top.log] == ["verdict", "transferred"]


@pytest.mark.rule("N5-TD-04")
def test_the_completion_can_come_before_the_transfer_call_returns() -> None:
    bench, top, nic = pair(Serial)

    def at_once(packet, context, offset, count):  # type: ignore[no-untyped-def]
        nic.adapter.transfer_data_complete(packet, S, nic.copy(packet, offset, count))
        return P, 0

    nic.transfer_data = at_once  # type: ignore[method-assign]
    top.on_receive = lambda context, size: top.transfer(context, 0, 20)
    nic.look(FRAME, 0)
    assert top.log == [("transferred", ("SUCCESS", 20)), ("verdict", ("PENDING", 0))]
    assert top.landed == [DATA[:20]]
    assert bench.kinds() == []


@pytest.mark.rule("N5-TD-05")
def test_bytes_beyond_the_indicated_size_cannot_be_asked_for_nor_given() -> None:
    bench, top, nic = pair(Serial)
    top.on_receive = lambda context, size: top.transfer(context, 150, 51)
    nic.look(FRAME, 0)
    assert top.log == [("verdict", ("FAILURE", 0))]
    assert bench.kinds() == [("top", "N5-TD-05")]
    nic.transfer_data = lambda packet, context, byte_offset, count: (S, count + 1)  # type: ignore[method-assign]
    top.on_receive = lambda context, size: top.transfer(context, 150, 50)
    nic.look(FRAME, 0)
    assert top.log[1:] == [("verdict", ("SUCCESS", 50))]
    assert bench.kinds() == [("top", "N5-TD-05"), ("nic", "N5-TD-05")]


@pytest.mark.rule("N5-TD-06")
def test_a_miniport_of_full_packets_registers_no_transfer_handler() -> None:
    bench = Bench({"top": Caller, "nic": Contradictory}, ["top -> nic"])
    answer = bench.command("nic", "initialize")
    assert not answer[0]["ok"]
    assert BadCharacteristics.__name__ in answer[0]["error"]


@pytest.mark.rule("N5-TD-06")
def test_a_miniport_of_full_packets_indicates_no_look_ahead() -> None:
    bench, _, nic = pair(Whole)
    nic.look(FRAME, 10)
    assert bench.kinds() == [("nic", "N5-TD-06")]


@pytest.mark.rule("N5-TD-07")
def test_a_short_transfer_shows_in_the_byte_count() -> None:
    bench, top, nic = pair(Serial)

    def half(packet: Nbl, context: int, byte_offset: int, count: int) -> tuple[Status, int]:
        return S, nic.copy(packet, byte_offset, count // 2)

    nic.transfer_data = half  # type: ignore[method-assign]
    top.on_receive = lambda context, size: top.transfer(context, 0, 80)
    nic.look(FRAME, 0)
    assert top.log == [("verdict", ("SUCCESS", 40))]
    assert top.landed == [DATA[:40]]
    assert bench.kinds() == []


@pytest.mark.rule("N5-TD-01", "N6-RX-03", "N6-RX-05")
def test_full_packets_are_lent_or_with_resources_given_for_the_call() -> None:
    bench, top, nic = pair(Whole)
    top.keep = 1
    packets = nic.adapter.allocate_net_buffer_lists(2, 60)
    packets.status = np.array([Status.SUCCESS, Status.RESOURCES], np.uint32)
    nic.adapter.indicate_receive_packet(packets)
    bench.settle()
    assert [lent for _, lent in top.full] == [True, False]
    assert nic.returned == []
    assert nic._node.custody.count == 1
    top.binding.return_packets(chain_of(top.kept[:1], top._node.custody))
    bench.settle()
    assert nic.returned == [int(packets.handles[0])]
    assert bench.kinds() == []


def test_a_frame_that_nobody_of_ndis_5_takes_is_not_recognised() -> None:
    layers: dict[str, Layer] = {"top": Teller, "nic": Serial}
    bench = Bench(layers, ["top -> nic"]).start()
    assert bench.driver("nic", Serial).look(FRAME, 10) is Status.NOT_RECOGNIZED
    assert bench.kinds() == []


def test_an_ndis_5_protocol_takes_full_packets_of_an_ndis_6_miniport() -> None:
    bench = Bench({"top": Caller, "floor": Floor}, ["top -> floor"]).start()
    bench.driver("floor", Floor).indicate(FRAME)
    bench.settle()
    assert bench.driver("top", Caller).full == [(FRAME, True)]
    assert (bench.in_use(), bench.kinds()) == ({}, [])
