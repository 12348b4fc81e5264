"""What a node is told at its start: plain data, made by the orchestrator, carried as msgpack."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import msgpack


@dataclass(frozen=True)
class RingSpec:
    """Where a ring lies in the rings segment: byte offset of its columns, capacity, indices of its cursor words."""

    columns: int
    capacity: int
    tail: int
    head: int


@dataclass(frozen=True)
class EdgeSpec:
    """One end of an edge.

    `side` is this node's place on it (``upper`` sends requests down, ``lower`` serves them; on a wire the
    transmitter is the upper side). `credits` bounds the requests this node may have outstanding on it, `produce` and
    `consume` are this end's rings, `peer_arm` and `peer_bell` the neighbour's arm word and doorbell address.
    """

    edge: int
    kind: str
    side: str
    peer: int
    peer_name: str
    credits: int
    produce: RingSpec
    consume: RingSpec
    peer_arm: int
    peer_bell: str
    coalesce: bool = False
    weight: int = 1
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeSpec:
    """Everything a node process needs to know; times in ns, sizes in bytes, offsets into segments in bytes.

    `tails` is the offset of the node's inbound cursors, u64[len(edges)][8]; `arm` the index of its arm word.
    `segments` names the segments ``packets``, ``rings`` and ``board``; `messages` slots follow those of the pool.
    `force` is what is forced on this node (`nodes.verifier.force`), `faults` what is wrong with it from the beginning
    (`nodes.faults.fault`), `phases` how many phases its board has room for; `nice` is by how much its process gives way
    to others.
    """

    node: int
    name: str
    kind: str
    driver: str
    options: dict[str, Any]
    seed: int
    token: int
    level: int
    notify: str
    slots: int
    pool_base: int
    pool_size: int
    tails: int
    arm: int
    bell: str
    control: str
    secret: bytes
    output: str
    segments: dict[str, str]
    edges: tuple[EdgeSpec, ...]
    events: int = 8192
    policy: dict[str, Any] = field(default_factory=dict)
    force: dict[str, Any] = field(default_factory=dict)
    faults: tuple[dict[str, Any], ...] = ()
    messages: int = 0
    nice: int = 0
    phases: int = 0

    def pack(self) -> bytes:
        """Return the spec as msgpack."""
        packed: bytes = msgpack.packb(asdict(self))
        return packed

    @classmethod
    def unpack(cls, packed: bytes) -> NodeSpec:
        """Return the spec that `pack` packed; raises TypeError or KeyError when it is of another build."""
        fields = msgpack.unpackb(packed)
        edges = tuple(
            EdgeSpec(
                **{**edge, "produce": RingSpec(**edge["produce"]), "consume": RingSpec(**edge["consume"])}
            )
            for edge in fields.pop("edges")
        )
        return cls(**{**fields, "faults": tuple(fields["faults"])}, edges=edges)
