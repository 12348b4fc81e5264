"""Intermediate drivers (contract 1.11)."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.metrics import Counter
from nodes.ndis import Binding
from nodes.ndis.adapter import Adapter
from nodes.ndis.states import HaltAction
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.miniport import StockMiniport
from nodes.stock.mux import Mux
from nodes.stock.pass_through import PassThrough
from tests.bench import Bench
from tests.layers import Floor, Teller
from tests.nodes.ndis.packet_layers import Copier, Splitter, datas_of, filled, stack


class Forgetful(Mux):
    """Completes upwards without putting the SourceHandle back."""

    def restore(self, chain: NblChain) -> None:
        pass


@pytest.mark.rule("N6-IM-01")
def test_an_intermediate_is_a_miniport_above_and_a_protocol_below() -> None:
    bench, top, floor = stack(Mux, hold=True)
    mux = bench.driver("m0", Mux)
    assert all(isinstance(adapter, Adapter) for adapter in mux.adapters)
    assert all(isinstance(binding, Binding) for binding in mux.bindings)
    top.send(2)
    floor.indicate(bytes(60))
    bench.settle()
    waiting = floor.waiting[0]
    assert waiting.source_handle.tolist() == [mux.bindings[0].handle] * 2
    mux.bindings[0].send_net_buffer_lists(waiting)
    assert bench.kinds() == [("m0", "N6-SEND-03")] * 2


@pytest.mark.rule("N6-IM-01", "N6-SEND-11")
def test_the_upper_edge_is_bound_by_the_rules_of_a_miniport() -> None:
    bench, top, floor = stack(Mux, hold=True)
    top.send(1)
    bench.settle()
    floor.complete(status=Status.PENDING)
    bench.settle()
    assert bench.kinds() == [("floor", "N6-SEND-11"), ("m0", "N6-SEND-11")]


@pytest.mark.rule("N6-IM-02", "N6-NBL-04")
def test_a_source_handle_that_is_not_put_back_is_reported() -> None:
    bench, top, _ = stack(Forgetful)
    top.send(2)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-IM-02")] * 2
    assert len(top.back) == 2


@pytest.mark.rule("N6-IM-02")
@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.RESOURCES])
def test_the_lower_status_goes_up_with_the_senders_own_handle(status: Status) -> None:
    bench, top, floor = stack(Mux, PassThrough, Mux, hold=True)
    top.send(3)
    bench.settle()
    floor.complete(status=status)
    bench.settle()
    assert [name for _, name in top.back] == [status.name] * 3
    assert top.sources == [top.bindings[0].handle] * 3
    assert bench.kinds() == []


@pytest.mark.rule("N6-IM-03", "N6-IM-04")
@pytest.mark.parametrize("layer", [Mux, Splitter, Copier])
def test_order_is_kept_also_by_layers_that_derive_packets(layer: Any) -> None:
    bench, top, floor = stack(layer, hold=True)
    for number in range(8):
        top.send(1, text=b"%08d" % number)
        if number % 3 == 0:
            bench.settle()
    bench.settle()
    assert [frame[:8] for frame in floor.frames] == [b"%08d" % number for number in range(8)]


@pytest.mark.rule("N6-IM-04", "N6-NBL-05", "N6-NBL-07")
@pytest.mark.parametrize("middle", [(Splitter,), (Copier,), (Copier, PassThrough, Splitter), (Splitter, Mux)])
def test_the_original_goes_back_whole_and_once_after_its_parts(middle: tuple[Any, ...]) -> None:
    bench, top, floor = stack(*middle, hold=True)
    chain, datas = filled(top.bindings[0], [150, 120], [90])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.settle()
    assert top.back == []
    sent = datas_of(floor.waiting[0][0])
    assert b"".join(sent) == b"".join(datas)
    if Splitter in middle:
        assert [len(part) for part in sent] == [100, 100, 70, 90]
    floor.complete(status=Status.FAILURE)
    bench.settle()
    assert top.back == [(int(chain.handles[0]), "FAILURE")]
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})
    sums = [
        [bench.counter(name, counter) for name in bench.nodes]
        for counter in (Counter.SENT, Counter.COMPLETED)
    ]
    assert sums[0] == sums[1]
    assert sum(sums[0]) == 1 + len(
        [layer for layer in middle if layer is not PassThrough and layer is not Mux]
    )


@pytest.mark.rule("N6-IM-04")
@pytest.mark.parametrize("layer", [Splitter, Copier])
def test_an_original_given_back_before_its_parts_is_reported(layer: Any) -> None:
    bench, top, floor = stack(layer, hold=True)
    bench.driver("m0", layer).early = True
    top.send(1)
    bench.settle()
    assert bench.kinds() == [("m0", "N6-IM-04")]
    floor.complete()
    bench.settle()
    assert len(top.back) == 1


@pytest.mark.rule("N6-IM-04")
def test_fragments_of_a_packet_cross_a_wire_in_order() -> None:
    layers: dict[str, Any] = {
        "top": Teller,
        "split": Splitter,
        "a": (StockMiniport, {"pad": False}),
        "b": StockMiniport,
        "sink": Teller,
    }
    bench = Bench(layers, ["top -> split -> a", "sink -> b"], wires=[("a", "b")]).start()
    top, sink = bench.driver("top", Teller), bench.driver("sink", Teller)
    sink.keep = True
    chain, datas = filled(top.bindings[0], [350])
    top.bindings[0].send_net_buffer_lists(chain)
    bench.run_for(10_000_000)
    assert b"".join(bytes(nbl.data) for _, part in sink.kept for nbl in part) == datas[0]
    assert len(top.back) == 1
    sink.return_kept()
    bench.settle()
    bench.stop()
    assert (bench.kinds(), bench.in_use()) == ([], {})


@pytest.mark.rule("N6-IM-05", "N6-CAN-06")
def test_a_cancel_is_passed_on_to_the_binding_below() -> None:
    bench, top, floor = stack(Mux, Splitter, hold=True)
    binding = top.bindings[0]
    cancel_id = binding.generate_partial_cancel_id() << 56 | 3
    binding.cancel_send_net_buffer_lists(cancel_id)
    bench.settle()
    assert floor.cancels == [cancel_id]
    assert bench.kinds() == []


@pytest.mark.rule("N6-IM-07")
def test_taking_a_virtual_miniport_away_halts_it_and_nothing_else() -> None:
    layers = {"one": Teller, "two": Teller, "m": Splitter, "floor": Floor}
    bench = Bench(layers, ["one -> m -> floor", "two -> m"]).start()
    splitter = bench.driver("m", Splitter)
    first, second = splitter.adapters
    splitter.deinitialize_device_instance(second)
    assert splitter.halted == [(second, HaltAction.INSTANCE_DEINITIALIZED)]
    for name in ("one", "two"):
        bench.driver(name, Teller).send(1)
    bench.settle()
    assert [status for _, status in bench.driver("one", Teller).back] == ["SUCCESS"]
    assert [status for _, status in bench.driver("two", Teller).back] == ["PAUSED"]
    with pytest.raises(ValueError):
        splitter.deinitialize_device_instance(second)
    bench.stop()
    assert splitter.halted[1:] == [(first, HaltAction.INSTANCE_DEINITIALIZED)]
    assert bench.kinds() == []
