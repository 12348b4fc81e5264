"""The slowest packets of a run, and how long each layer that knows of them held them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.observe import U64, NodeView, Snapshot
from shm.slowest import HANDLE, PACKET_ID, TOOK, WHEN

SHOWN = 10


@dataclass(frozen=True)
class SlowPacket:
    """A packet of `sender` that took `took` ns from its send to its completion at `completed` (ns, the run's clock).

    `held` says how long (ns) each layer held it that still knows, in the order in which it came to them; a layer's time
    includes that of those below it which it waited for.
    """

    sender: str
    handle: int
    packet_id: int
    took: int
    completed: int
    held: tuple[tuple[str, int], ...]


def slowest_packets(snapshot: Snapshot, count: int = SHOWN) -> list[SlowPacket]:
    """Return the slowest packets of all senders, the slowest first."""
    found = [(row, node) for node in snapshot.nodes.values() for row in _rows([node.slowest])]
    found.sort(key=lambda one: -one[0][TOOK])
    longest = {name: _longest(node) for name, node in snapshot.nodes.items()} if found else {}
    return [
        SlowPacket(
            sender=node.name,
            handle=row[HANDLE],
            packet_id=row[PACKET_ID],
            took=row[TOOK],
            completed=row[WHEN],
            held=tuple(_held(row, longest)),
        )
        for row, node in found[:count]
    ]


def _held(packet: list[int], longest: dict[str, list[list[int]]]) -> Iterator[tuple[str, int]]:
    """Yield the layers that held a packet between its send and its completion, each with the longest time there."""
    sent = packet[WHEN] - packet[TOOK]
    stays = {
        name: row
        for name, rows in longest.items()
        for row in sorted(rows, key=lambda row: row[TOOK])
        if row[PACKET_ID] == packet[PACKET_ID] and sent <= _came(row) and row[WHEN] <= packet[WHEN]
    }
    for name, row in sorted(stays.items(), key=lambda stay: _came(stay[1])):
        yield name, row[TOOK]


def _came(row: list[int]) -> int:
    return row[WHEN] - row[TOOK]


def _longest(node: NodeView) -> list[list[int]]:
    return _rows([port.longest for port in node.ports])


def _rows(tables: Sequence[U64]) -> list[list[int]]:
    """Return the rows of tables that hold a packet."""
    rows = np.concatenate(tables) if tables else np.zeros((0, 4), np.uint64)
    found: list[list[int]] = rows[rows[:, HANDLE] != 0].tolist()
    return found
