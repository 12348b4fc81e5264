"""What the stock miniport answers when asked."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from nodes.ndis.indication import LinkState
from nodes.ndis.oid import Oid, OidRequest, RequestType
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from tests.bench import Bench
from tests.nodes.ndis.oid_drivers import Asker

MODERATION = struct.Struct("<BBHII")
OFFLOAD = struct.Struct("<BBH12B")


def wired(**options: Any) -> Bench:
    nic = (StockMiniport, options)
    layers: dict[str, Any] = {"a": Asker, "nic0": nic, "b": Asker, "nic1": nic}
    return Bench(layers, ["a -> nic0", "b -> nic1"], wires=[("nic0", "nic1")]).start()


def query(bench: Bench, name: str, oid: Oid, room: int = 512) -> OidRequest:
    request, _ = bench.driver(name, Asker).ask(oid, output_length=room)
    bench.settle()
    return request


def change(bench: Bench, name: str, oid: Oid, value: bytes) -> str:
    asker = bench.driver(name, Asker)
    asker.ask(oid, type=RequestType.SET, buffer=value)
    bench.settle()
    return asker.statuses[-1]


def number(request: OidRequest) -> int:
    return int.from_bytes(request.answer, "little")


def test_statistics_are_what_went_over_the_wire() -> None:
    bench = wired()
    bench.driver("a", Asker).send(10, length=100)
    bench.run_for(10_000_000)
    assert [number(query(bench, name, Oid.GEN_XMIT_OK)) for name in "ab"] == [10, 0]
    assert [number(query(bench, name, Oid.GEN_RCV_OK)) for name in "ab"] == [0, 10]
    sent = struct.unpack("<BBHI18Q", query(bench, "a", Oid.GEN_STATISTICS).answer)
    received = struct.unpack("<BBHI18Q", query(bench, "b", Oid.GEN_STATISTICS).answer)
    assert (sent[2], sent[3] & 0x200, sent[4 + 6]) == (152, 0x200, 1000)
    assert (received[3] & 0x8, received[4 + 2]) == (0x8, 1000)


def test_speed_state_and_size_come_from_the_options() -> None:
    bench = wired(link=25_000_000_000)
    assert number(query(bench, "a", Oid.GEN_LINK_SPEED)) * 100 == 25_000_000_000
    state = LinkState.unpack(query(bench, "a", Oid.GEN_LINK_STATE).answer)
    assert state == LinkState(True, 25_000_000_000, 25_000_000_000)
    assert number(query(bench, "a", Oid.GEN_MAXIMUM_FRAME_SIZE)) == 1500
    assert number(query(bench, "a", Oid.GEN_MEDIA_CONNECT_STATUS)) == 0


def test_without_a_wire_the_link_is_down() -> None:
    bench = Bench({"a": Asker, "nic": (StockMiniport, {"link": 0})}, ["a -> nic"]).start()
    assert not LinkState.unpack(query(bench, "a", Oid.GEN_LINK_STATE).answer).connected
    assert number(query(bench, "a", Oid.GEN_LINK_SPEED)) == 0xFFFFFFFF


def test_each_nic_has_a_station_address_of_its_own() -> None:
    bench = wired()
    addresses = [query(bench, name, Oid.IEEE_CURRENT_ADDRESS).answer for name in "ab"]
    assert [len(address) for address in addresses] == [6, 6]
    assert addresses[0] != addresses[1]
    assert all(address[0] & 3 == 2 for address in addresses)
    assert query(bench, "a", Oid.IEEE_PERMANENT_ADDRESS).answer == addresses[0]


def test_everything_it_lists_as_supported_is_answered() -> None:
    bench = wired()
    listed = query(bench, "a", Oid.GEN_SUPPORTED_LIST).answer
    oids = [oid for (oid,) in struct.iter_unpack("<I", listed)]
    assert len(oids) > 20
    asker = bench.driver("a", Asker)
    for oid in oids:
        asker.ask(oid, output_length=512)
        asker.ask(oid, type=RequestType.SET, buffer=b"")
    bench.settle()
    ends = dict.fromkeys(oids, "NOT_SUPPORTED")
    for request, status in asker.answers:
        if status != "NOT_SUPPORTED":
            ends[request.oid] = status
    assert "NOT_SUPPORTED" not in ends.values()
    assert bench.kinds() == []


def test_an_answer_that_does_not_fit_says_what_it_needs() -> None:
    bench = wired()
    request = query(bench, "a", Oid.GEN_STATISTICS, room=10)
    assert bench.driver("a", Asker).statuses == ["BUFFER_TOO_SHORT"]
    assert request.bytes_needed == 152


def test_the_packet_filter_decides_what_the_binding_receives() -> None:
    bench = wired()
    assert change(bench, "b", Oid.GEN_CURRENT_PACKET_FILTER, (8).to_bytes(4, "little")) == "SUCCESS"
    sender = bench.driver("a", Asker)
    sender.send(3, length=60, text=b"\xff" * 6)
    sender.send(4, length=60, text=b"\x02" * 6)
    bench.run_for(10_000_000)
    assert len(bench.driver("b", Asker).received) == 3
    assert change(bench, "b", Oid.GEN_CURRENT_PACKET_FILTER, (0x80).to_bytes(4, "little")) == "INVALID_DATA"


@pytest.mark.parametrize(
    ("oid", "value", "status"),
    [
        (Oid.GEN_CURRENT_PACKET_FILTER, b"12", "INVALID_LENGTH"),
        (Oid.IEEE_MULTICAST_LIST, b"\x01" * 12, "SUCCESS"),
        (Oid.IEEE_MULTICAST_LIST, b"\x02" * 6, "INVALID_DATA"),
        (Oid.IEEE_MULTICAST_LIST, b"\x01" * 7, "INVALID_DATA"),
        (Oid.IEEE_MULTICAST_LIST, b"\x01" * 6 * 33, "RESOURCES"),
        (Oid.GEN_INTERRUPT_MODERATION, MODERATION.pack(0x80, 1, 12, 0, 3), "SUCCESS"),
        (Oid.GEN_INTERRUPT_MODERATION, MODERATION.pack(0x80, 1, 12, 0, 9), "INVALID_DATA"),
        (Oid.GEN_INTERRUPT_MODERATION, b"", "INVALID_LENGTH"),
        (Oid.TCP_OFFLOAD_PARAMETERS, OFFLOAD.pack(0x80, 1, 16, *[0] * 12), "SUCCESS"),
        (Oid.TCP_OFFLOAD_PARAMETERS, OFFLOAD.pack(0x80, 1, 16, 4, *[0] * 11), "INVALID_DATA"),
        (Oid.TCP_OFFLOAD_PARAMETERS, b"short", "INVALID_LENGTH"),
        (Oid.GEN_XMIT_OK, b"1234", "NOT_SUPPORTED"),
    ],
)
@pytest.mark.rule("N6-OID-19")
def test_sets_are_checked_by_the_driver(oid: Oid, value: bytes, status: str) -> None:
    bench = wired()
    assert change(bench, "a", oid, value) == status
    assert bench.kinds() == []


def test_interrupt_moderation_is_really_switched_off() -> None:
    bench = wired(interrupt_delay=1_000_000)
    assert MODERATION.unpack(query(bench, "b", Oid.GEN_INTERRUPT_MODERATION).answer)[4] == 2
    change(bench, "b", Oid.GEN_INTERRUPT_MODERATION, MODERATION.pack(0x80, 1, 12, 0, 3))
    assert bench.driver("nic1", StockMiniport).moderation == 0
    assert MODERATION.unpack(query(bench, "b", Oid.GEN_INTERRUPT_MODERATION).answer)[4] == 3


def test_the_nic_offloads_nothing() -> None:
    bench = wired()
    answer = query(bench, "a", Oid.TCP_OFFLOAD_HARDWARE_CAPABILITIES).answer
    assert (answer[0], answer[4:]) == (0xA7, bytes(len(answer) - 4))


def test_power_may_always_be_set() -> None:
    assert change(wired(), "a", Oid.PNP_SET_POWER, (4).to_bytes(4, "little")) == Status.SUCCESS.name
