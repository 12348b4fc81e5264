"""Where packets go at a node with several neighbours above: completions by sender, receives by frame type."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nodes.crossings.crossing import Op
from nodes.crossings.port import Port
from nodes.ndis.packet_filter import admitted
from nodes.packets.chain import NblChain
from nodes.packets.custody import NOBODY
from shm.vectors import none_set

if TYPE_CHECKING:
    from nodes.node import Node

ETHER_TYPE_OFFSET = 12


def complete_upwards(
    node: Node, ports: Sequence[Port], chain: NblChain, statuses: NDArray[np.uint32], flags: int
) -> None:
    """Complete sends towards the drivers above that they came from; `statuses` is what each NBL's Status says."""
    clean = none_set(statuses)
    for port, part in by_sender(node, ports, chain):
        carried = None if clean else statuses if part is chain else node.arena.status[part.slots]
        port.reply(Op.COMPLETE, part, flags, carried)


def by_sender(node: Node, ports: Sequence[Port], chain: NblChain) -> list[tuple[Port, NblChain]]:
    """Split a chain by the port of `ports` that each packet came in by, order kept within each part.

    Packets that came in by none, the node's own, are reported (N6-SEND-10) and freed.
    """
    if len(node.ports) == 1 and node.pool.free_count == node.pool.size:
        return [(ports[0], chain)]
    came = node.custody.came[chain.slots]
    if none_set(came != ports[0].index):
        return [(ports[0], chain)]
    if (came == NOBODY).any():
        own = chain[came == NOBODY]
        for handle in own.handles.tolist():
            text = f"packet {handle:#018x} was completed, but it was never sent here: it is this driver's own"
            node.complain("N6-SEND-10", handle, text)
        node.free(own)
        chain, came = chain[came != NOBODY], came[came != NOBODY]
    order = np.argsort(came, kind="stable")
    chain, came = chain[order], came[order]
    cuts = [0, *(np.flatnonzero(np.diff(came)) + 1).tolist(), len(came)]
    return [
        (node.ports[int(came[start])], chain[start:stop]) for start, stop in pairwise(cuts) if start < stop
    ]


def by_receiver(ports: Sequence[Port], chain: NblChain) -> list[tuple[Port | None, NblChain]]:
    """Split received packets by the first binding that takes their frame type; None for those that no one takes.

    A binding with no `frame_types` takes everything (N6-RX-10) that its packet filter admits.
    """
    if len(ports) == 1 and ports[0].packet_filter is None and not ports[0].spec.options.get("frame_types"):
        return [(ports[0], chain)]
    header = chain.header(ETHER_TYPE_OFFSET + 2).astype(np.uint16)
    types = header[:, ETHER_TYPE_OFFSET] << 8 | header[:, ETHER_TYPE_OFFSET + 1]
    left = np.ones(len(chain), dtype=bool)
    parts: list[tuple[Port | None, NblChain]] = []
    for port in ports:
        wanted = port.spec.options.get("frame_types")
        mask = left & (types[:, None] == wanted).any(axis=1) if wanted else left.copy()
        if port.packet_filter is not None:
            mask &= admitted(port, chain)
        left &= ~mask
        if mask.any():
            parts.append((port, chain[mask]))
    if left.any():
        parts.append((None, chain[left]))
    return parts


def by_originator(ports: Sequence[Port], chain: NblChain) -> list[tuple[Port | None, NblChain]]:
    """Split looped-back packets by the port that leads to their sender; the first one for a sender further up.

    A copy carries its sender's SourceHandle where sends have their cancel id (N6-SEND-16).
    """
    parts: list[tuple[Port | None, NblChain]] = []
    senders = chain.cancel_id >> np.uint64(16)
    for port in ports:
        mine = senders == port.spec.peer
        if mine.any():
            parts.append((port, chain[mine]))
    strangers = ~np.isin(senders, [port.spec.peer for port in ports])
    if strangers.any():
        parts.append((ports[0], chain[strangers]))
    return parts
