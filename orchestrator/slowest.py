"""The slowest packets of a run, and how long each layer that knows of them held them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from orchestrator.observe import U64, NodeView, Snapshot
from shm.slowest import HANDLE, KEPT, PACKET_ID, SLOW_WORDS, TOOK, WHEN

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
    nodes = list(snapshot.nodes.values())
    rows = np.concatenate([node.slowest for node in nodes]) if nodes else np.zeros((0, SLOW_WORDS), np.uint64)
    order = np.argsort(rows[:, TOOK], kind="stable")[::-1]
    order = order[rows[order, HANDLE] != 0][:count]
    ids = rows[order, PACKET_ID]
    stays = {node.name: _stays(node, ids) for node in nodes} if len(ids) else {}
    return [
        SlowPacket(
            sender=nodes[place // KEPT].name,
            handle=row[HANDLE],
            packet_id=row[PACKET_ID],
            took=row[TOOK],
            completed=row[WHEN],
            held=tuple(_held(row, stays)),
        )
        for place, row in zip(order.tolist(), rows[order].tolist(), strict=True)
    ]


def _held(packet: list[int], stays: Mapping[str, list[list[int]]]) -> Iterator[tuple[str, int]]:
    """Yield the layers that held a packet between its send and its completion, each with the longest time there."""
    sent = packet[WHEN] - packet[TOOK]
    longest = {
        name: row
        for name, rows in stays.items()
        for row in sorted(rows, key=lambda row: row[TOOK])
        if row[PACKET_ID] == packet[PACKET_ID] and sent <= _came(row) and row[WHEN] <= packet[WHEN]
    }
    for name, row in sorted(longest.items(), key=lambda stay: _came(stay[1])):
        yield name, row[TOOK]


def _came(row: list[int]) -> int:
    return row[WHEN] - row[TOOK]


def _stays(node: NodeView, ids: U64) -> list[list[int]]:
    """Return what the ends of a node's edges know of these packets."""
    if not node.ports:
        return []
    rows = np.concatenate([port.longest for port in node.ports])
    found: list[list[int]] = rows[np.isin(rows[:, PACKET_ID], ids) & (rows[:, HANDLE] != 0)].tolist()
    return found
