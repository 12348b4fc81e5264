"""Order is checked where it matters, and nobody is blamed who may reorder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from nodes.ndis import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.verifier.connection import connection_of
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.zoo.honest import Nic, Relay

IPV4 = bytes(12) + b"\x08\x00"
IPV6 = bytes(12) + b"\x86\xdd"


def ipv4(*, port: int = 80, protocol: int = 17, fragment: int = 0, options: bool = False) -> bytes:
    """Return the first bytes of an IPv4 frame from a port."""
    start = bytes([0x46 if options else 0x45]) + bytes(5) + fragment.to_bytes(2) + bytes([64, protocol])
    return IPV4 + start + bytes(2) + b"fromtoto" + port.to_bytes(2) + b"\0\x09" + bytes(20)


def ipv6(*, port: int = 80) -> bytes:
    """Return the first bytes of an IPv6 frame from a port."""
    return IPV6 + bytes(6) + b"\x06\x40" + bytes(range(32)) + port.to_bytes(2) + b"\0\x09"


def test_a_connection_is_told_by_addresses_protocol_and_ports() -> None:
    assert connection_of(ipv4()) == connection_of(ipv4() + b"more")
    different = [ipv4(), ipv4(port=81), ipv4(protocol=6), ipv4(protocol=1), ipv6(), ipv6(port=81), bytes(60)]
    assert len({connection_of(frame) for frame in different}) == len(different)


def test_ports_count_only_where_every_packet_of_a_connection_has_them() -> None:
    for plain in ({"fragment": 0x2000}, {"options": True}, {"protocol": 1}):
        assert connection_of(ipv4(port=1, **plain)) == connection_of(ipv4(port=2, **plain))  # type: ignore[arg-type]


def test_a_tag_does_not_hide_the_connection() -> None:
    tagged = [frame[:12] + b"\x81\0\0\x05" + frame[12:] for frame in (ipv4(port=1), ipv4(port=2))]
    assert connection_of(tagged[0]) != connection_of(tagged[1])


@pytest.mark.parametrize("length", [0, 5, 14, 20, 33, 40])
def test_a_frame_that_is_cut_short_is_told_by_what_there_is(length: int) -> None:
    assert connection_of(ipv4()[:length]) == connection_of(ipv4()[:length])


class Sorter(Nic):
    """Keeps every call, and transmits what a test picks of all that it has, in that order."""

    def initialize(self, adapter: Adapter) -> None:
        super().initialize(adapter)
        self.calls: list[NblChain] = []

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        self.calls.append(chain)

    def transmit_in(self, *order: int) -> None:
        self.calls = [NblChain.join(self.calls)]
        self.transmit(self.calls[0][np.array(order)])


def wired(**options: Any) -> tuple[Bench, Teller, Sorter]:
    """Return a started bench of a source over a sorter, wired to a NIC."""
    layers: dict[str, Any] = {"top": Teller, "nic": Sorter, "sink": Teller, "far": StockMiniport}
    bench = Bench(layers, ["top -> nic", "sink -> far"], wires=[("nic", "far")], **options).start()
    return bench, bench.driver("top", Teller), bench.driver("nic", Sorter)


def send(bench: Bench, top: Teller, *ports: int) -> None:
    """Send a call of one frame from each port."""
    chain = top.bindings[0].allocate_net_buffer_lists(len(ports), 60)
    frames = b"".join(ipv4(port=port)[:60].ljust(60, b"\0") for port in ports)
    chain.write(np.frombuffer(frames, np.uint8).reshape(-1, 60))
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()


@pytest.mark.rule("N6-SEND-08")
def test_packets_of_different_connections_may_overtake_each_other() -> None:
    bench, top, nic = wired()
    send(bench, top, 1, 2, 3)
    send(bench, top, 1, 2, 3)
    nic.transmit_in(2, 1, 0)
    nic.transmit_in(5)
    nic.transmit_in(3, 4)
    bench.run_for(1_000_000)
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-08")
@pytest.mark.parametrize("order", [(1, 0), (0, 2, 1), (2, 0, 1)])
def test_packets_of_one_connection_may_not(order: tuple[int, ...]) -> None:
    bench, top, nic = wired()
    send(bench, top, *[1] * len(order))
    nic.transmit_in(*order)
    assert set(bench.kinds()) == {("nic", "N6-SEND-08")}


@pytest.mark.rule("N6-SEND-08")
def test_a_packet_held_back_is_found_out_calls_later() -> None:
    bench, top, nic = wired()
    for _ in range(5):
        send(bench, top, 1, 2)
    nic.transmit_in(1, 2, 3)
    nic.transmit_in(4, 5, 6, 7, 8, 9)
    assert bench.kinds() == []
    bench.run_for(1_000_000)
    nic.transmit_in(0)
    assert bench.kinds() == [("nic", "N6-SEND-08")]


@pytest.mark.rule("N6-SEND-08")
def test_what_is_failed_leaves_a_gap_that_nobody_minds() -> None:
    bench, top, nic = wired()
    send(bench, top, 1, 1, 1, 1)
    nic.complete(nic.calls[0][:1], Status.FAILURE)
    nic.transmit(nic.calls[0][1:2])
    nic.transmit(nic.calls[0][2:])
    bench.run_for(1_000_000)
    assert bench.kinds() == []


@pytest.mark.rule("N6-SEND-08")
def test_below_the_level_of_the_check_nothing_is_looked_at() -> None:
    bench, top, nic = wired(level=1)
    send(bench, top, 1, 1)
    nic.transmit_in(1, 0)
    assert bench.kinds() == []


class Reverser(Relay):
    """Forwards calls back to front, after doing with them what `change` does."""

    retreats: ClassVar[int] = 0

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for nbl in chain if self.retreats else ():
            next(nbl.net_buffers).retreat(self.retreats)
        super().send_net_buffer_lists(adapter, chain[::-1], flags)

    def send_net_buffer_lists_complete(self, binding: Any, chain: NblChain, flags: int) -> None:
        if self.retreats:
            chain.advance(self.retreats, free_mdl=True)
        super().send_net_buffer_lists_complete(binding, chain, flags)


class Changer(Reverser):
    """Puts a header before the data of what it reorders."""

    retreats = 8


@pytest.mark.rule("N6-IM-03")
@pytest.mark.parametrize(("layer", "broken"), [(Relay, False), (Reverser, True), (Changer, False)])
def test_a_layer_keeps_order_unless_it_changes_data(layer: Any, broken: bool) -> None:
    bench = Bench({"top": Teller, "im": layer, "floor": Floor}, ["top -> im -> floor"]).start()
    for _ in range(3):
        bench.driver("top", Teller).send(4)
        bench.settle()
    assert set(bench.kinds()) == ({("im", "N6-IM-03")} if broken else set())


@pytest.mark.rule("N6-IM-03")
def test_a_layer_over_two_adapters_keeps_order_on_each() -> None:
    layers: dict[str, Any] = {"one": Teller, "two": Teller, "mux": Mux, "a": Floor, "b": Floor}
    bench = Bench(layers, ["one -> mux -> a", "two -> mux -> b"]).start()
    for _ in range(5):
        for name in ("one", "two"):
            bench.driver(name, Teller).send(7)
        bench.settle()
    assert bench.kinds() == []
