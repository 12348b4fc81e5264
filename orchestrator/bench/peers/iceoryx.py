"""iceoryx2: one sample per message, written in the loan; both layers below subscribe to that one copy.

A received sample cannot be sent on, so the relay passes a token on a second service, and the bottom, a
subscriber of the sender's service too, takes the chain when its token arrives. No layer copies a packet;
copying at the relay is the other way to do it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.bench.peers.base import Hop, package_cure
from orchestrator.bench.work import PACKET_BYTES, PACKET_WORDS, Generator, Ids, Load, Reader

BATCH = 64
ID_LIMIT = 4_096


class Library:
    """Make publishers and subscribers of byte slices, in one iceoryx2 node per process."""

    def __init__(self, load: Load) -> None:
        """Open a node. Raises `ModuleNotFoundError` where iceoryx2 is not installed."""
        self._iox: Any = importlib.import_module("iceoryx2")
        self._iox.set_log_level(self._iox.LogLevel.Error)
        self._node = self._iox.NodeBuilder.new().create(self._iox.ServiceType.Ipc)
        self._depth = load.window // load.message + 2

    def service(self, name: str) -> Any:
        """Open the publish-subscribe service of that name; it holds a window of messages and drops none."""
        iox = self._iox
        builder = self._node.service_builder(iox.ServiceName.new(name))
        return (
            builder.publish_subscribe(iox.Slice[ctypes.c_uint8])
            .payload_alignment(iox.Alignment.new(64))
            .enable_safe_overflow(False)
            .history_size(0)
            .subscriber_max_buffer_size(self._depth)
            .subscriber_max_borrowed_samples(self._depth)
            .max_publishers(1)
            .max_subscribers(2)
            .open_or_create()
        )

    def publisher(self, service: Any, size: int) -> Any:
        """Make the publisher of a service, for messages of at most `size` bytes."""
        builder = service.publisher_builder().initial_max_slice_len(size)
        return builder.max_loaned_samples(2).create()

    def subscriber(self, service: Any) -> Any:
        """Make a subscriber with room for a window of messages."""
        return service.subscriber_builder().buffer_size(self._depth).create()


class Views:
    """Keep views of payloads by address: the few addresses come back for ever, and a view costs more."""

    def __init__(self, size: int) -> None:
        """View payloads of `size` bytes."""
        self._size = size
        self._views: dict[int, Any] = {}

    def at(self, address: int) -> Any:
        """View the payload at an address: rows of words, or plain bytes for a single packet."""
        view = self._views.get(address)
        if view is None:
            memory: Any = (ctypes.c_uint8 * self._size).from_address(address)
            if self._size == PACKET_BYTES:
                view = memoryview(memory).cast("B")
            else:
                view = np.frombuffer(memory, dtype=np.uint32).reshape(-1, PACKET_WORDS)
            self._views[address] = view
        return view


def _take(subscriber: Any) -> list[Any]:
    samples: list[Any] = []
    while len(samples) < BATCH:
        sample = subscriber.receive()
        if sample is None:
            break
        samples.append(sample)
    return samples


def _must_take(subscriber: Any) -> Any:
    """Take the sample that is being delivered right now: the publisher serves its subscribers one by one."""
    while (sample := subscriber.receive()) is None:
        os.sched_yield()
    return sample


class IceoryxUpper:
    """Publish chains, or tokens of chains; subscribe to completions."""

    waitable = None

    def __init__(self, load: Load, data: str, ids: str, tokens: bool) -> None:
        """Open both services; the relay publishes tokens, the sender packets."""
        self._library = Library(load)
        self._size = 8 if tokens else load.message * PACKET_BYTES
        self._views = Views(self._size)
        self._publisher = self._library.publisher(self._library.service(data), self._size)
        self._subscriber = self._library.subscriber(self._library.service(ids))

    def send(self, generator: Generator) -> None:
        """Write the next packets into a loan and send it."""
        loan = self._publisher.loan_slice_uninit(self._size)
        view = self._views.at(loan.payload_ptr)
        if self._size == PACKET_BYTES:
            generator.fill_one(view)
        else:
            generator.fill(view)
        loan.assume_init().send()

    def forward(self, messages: Sequence[Any]) -> None:
        """Send one token per chain, and give the relay's hold of the chain back."""
        for sample in messages:
            self._publisher.loan_slice_uninit(self._size).assume_init().send()
            sample.delete()

    def completions(self) -> list[Ids]:
        """Copy the completions that are there out of their samples."""
        return [_ids_of(sample) for sample in _take(self._subscriber)]


def _ids_of(sample: Any) -> Ids:
    address = sample.payload_ptr
    count = ctypes.c_uint64.from_address(address).value
    ids = np.frombuffer(ctypes.string_at(address + 8, 8 * count), dtype=np.uint64)
    sample.delete()
    return ids


class IceoryxLower:
    """Subscribe to chains, and to their tokens where there is a layer between; publish completions."""

    waitable = None

    def __init__(self, load: Load, data: str, tokens: str | None, ids: str) -> None:
        """Open the services; `tokens` is None right below the sender."""
        self._library = Library(load)
        self._data = self._library.subscriber(self._library.service(data))
        self._tokens = self._library.subscriber(self._library.service(tokens)) if tokens else None
        self._publisher = self._library.publisher(self._library.service(ids), 8 + 8 * ID_LIMIT)
        self._views = Views(load.message * PACKET_BYTES)
        self._single = load.message == 1

    def receive(self) -> Sequence[Any]:
        """Take the samples whose turn it is."""
        if self._tokens is None:
            return _take(self._data)
        tokens = _take(self._tokens)
        for token in tokens:
            token.delete()
        return [_must_take(self._data) for _ in tokens]

    def read(self, messages: Sequence[Any], reader: Reader) -> Ids:
        """Read the headers where the sender wrote them, and give the samples back."""
        views = [self._views.at(sample.payload_ptr) for sample in messages]
        if self._single:
            ids = np.array([reader.read_one(view) for view in views], dtype=np.uint64)
        elif len(views) == 1:
            ids = reader.read(views[0])
        else:
            ids = np.concatenate([reader.read(view) for view in views])
        for sample in messages:
            sample.delete()
        return ids

    def complete(self, ids: Sequence[Ids]) -> None:
        """Send all of them in samples of at most `ID_LIMIT`."""
        joined = ids[0] if len(ids) == 1 else np.concatenate(ids)
        for start in range(0, len(joined), ID_LIMIT):
            part = joined[start : start + ID_LIMIT]
            loan = self._publisher.loan_slice_uninit(8 + part.nbytes)
            address = loan.payload_ptr
            ctypes.c_uint64.from_address(address).value = len(part)
            ctypes.memmove(address + 8, part.tobytes(), part.nbytes)
            loan.assume_init().send()


@dataclass(frozen=True, slots=True)
class IceoryxHop:
    """Name the services of one boundary."""

    load: Load
    run: str
    index: int

    def open_upper(self) -> IceoryxUpper:
        """Publish packets from the top, tokens from the relay."""
        return IceoryxUpper(
            self.load, self._name("down", self.index), self._name("up", self.index), self.index > 0
        )

    def open_lower(self) -> IceoryxLower:
        """Subscribe to the sender's packets, wherever this layer is."""
        tokens = self._name("down", self.index) if self.index else None
        return IceoryxLower(self.load, self._name("down", 0), tokens, self._name("up", self.index))

    def _name(self, way: str, index: int) -> str:
        return f"{self.run}/{way}/{index}"


class IceoryxPeer:
    """Make iceoryx2 services."""

    spin = 0

    def missing(self) -> str | None:
        """Say what to install where iceoryx2 is not importable."""
        return package_cure("iceoryx2")

    def hops(self, load: Load, directory: Path) -> list[Hop]:
        """Name services after the run's directory, so that runs do not meet."""
        return [IceoryxHop(load, directory.name, index) for index in range(load.job.hops)]
