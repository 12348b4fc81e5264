"""Layers that derive packets, break them or queue them, for tests of the rules of sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nodes.ndis import Adapter, Binding, Filter, FilterModule, Intermediate
from nodes.packets.chain import Nbl, NblChain
from nodes.status import Status
from tests.bench import Bench, Layer
from tests.layers import Floor, Teller


class Doer(Filter):
    """A filter that does with each chain going down what a test sets as `down`, and with completions `up`."""

    default_pool_size = 64

    def attach(self, module: FilterModule) -> None:
        self.down: Callable[[NblChain], object] = lambda chain: None
        self.up: Callable[[NblChain], object] = lambda chain: None
        self.flags: list[int] = []
        self.mask = -1

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        self.flags.append(flags)
        self.down(chain)
        self.module.send_net_buffer_lists(chain, flags & self.mask)

    def send_net_buffer_lists_complete(self, chain: NblChain, flags: int) -> None:
        self.up(chain)
        self.module.send_net_buffer_lists_complete(chain, flags)


class Splitter(Intermediate):
    """Sends the data of each packet on in fragments of `maximum` bytes; the original goes up when they are back."""

    originates = True
    maximum = 100
    default_pool_size = 1024
    early = False

    def initialize(self, adapter: Adapter) -> None:
        self.waiting: dict[int, NblChain] = {}
        self.halted: list[Any] = []

    def halt_device_instance(self, adapter: Adapter, action: Any) -> None:
        self.halted.append((adapter, action))

    def derive(self, nbl: Nbl) -> NblChain:
        return self.bindings[0].allocate_fragment_net_buffer_list(nbl, self.maximum)

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        for index, nbl in enumerate(chain):
            child = self.derive(nbl)
            if not len(child):
                self.end(chain[index : index + 1], Status.RESOURCES)
                continue
            child[0].parent_net_buffer_list = nbl.handle
            nbl.child_ref_count = 1
            self.waiting[nbl.handle] = chain[index : index + 1]
            self.bindings[0].send_net_buffer_lists(child, flags)
            if self.early:
                self.end(self.waiting.pop(nbl.handle))

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        for index, child in enumerate(chain):
            parent = child.parent_net_buffer_list
            status = child.status
            self.free(chain[index : index + 1])
            if parent in self.waiting:
                original = self.waiting.pop(parent)
                original[0].child_ref_count = 0
                self.end(original, status)

    def end(self, original: NblChain, status: int = Status.SUCCESS) -> None:
        original.status = status
        self.adapters[0].send_net_buffer_lists_complete(original)


class Copier(Splitter):
    """Sends a clone of each packet on."""

    def derive(self, nbl: Nbl) -> NblChain:
        return self.bindings[0].allocate_clone_net_buffer_list(nbl)


def stack(*middle: Layer, hold: bool = False, **options: Any) -> tuple[Bench, Teller, Floor]:
    """Return a started bench ``top -> m0 -> m1 ... -> floor`` with its ends."""
    layers: dict[str, Layer] = {"top": Teller}
    layers |= {f"m{number}": layer for number, layer in enumerate(middle)}
    layers["floor"] = (Floor, {"hold": hold})
    bench = Bench(layers, [" -> ".join(layers)], **options).start()
    return bench, bench.driver("top", Teller), bench.driver("floor", Floor)


def filled(binding: Any, *net_buffers: list[int], backfill: int = 0) -> tuple[NblChain, list[bytes]]:
    """Return a chain of one packet with known data, and the data of each NB."""
    chain = binding.allocate_net_buffer_list(*net_buffers, backfill=backfill)
    datas = [bytes((7 * i + 31 * n) % 256 for i in range(sum(sizes))) for n, sizes in enumerate(net_buffers)]
    for buffer, data in zip(chain[0].net_buffers, datas, strict=True):
        put(buffer, data)
    return chain, datas


def put(buffer: Any, data: bytes) -> None:
    """Write the whole data of an NB."""
    at = 0
    for view in buffer.pieces:
        view[:] = data[at : at + len(view)]
        at += len(view)


def datas_of(nbl: Nbl) -> list[bytes]:
    """Return the data of every NB."""
    return [b"".join(buffer.pieces) for buffer in nbl.net_buffers]


def cancel_ids(binding: Binding, *numbers: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return cancel ids made of a binding's partial id and these numbers."""
    partial = binding.generate_partial_cancel_id() << 56
    return np.array([partial | number for number in numbers], np.uint64)
