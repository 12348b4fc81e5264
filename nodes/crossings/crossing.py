"""What ring entries between two nodes mean.

The meta word of an entry:

    63          32 31   30        8 7          0
    | status      | END | flags    | operation |

A *request* hands packets over and is owed exactly one *reply*; a *notice* carries a number and is owed nothing.
END marks the last packet of one call, so that a consumer can hand sends on call by call, as made (N6-SEND-06).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shm.ring import Entries
from shm.vectors import runs

REPLY = 0x80
NOTICE = 0x40
END = 1 << 31
FLAGS_SHIFT = 8
STATUS_SHIFT = 32
OP_MASK = np.uint64(0xFF)
MESSAGE_SLOTS = 32
"""Messages that a node may have out at once; rings keep room for those of both ends beside packets and notices."""
CALL_MASK = np.uint64(0x7FFFFFFF)
END_MASK = np.uint64(END)
_REPLY_OR_NOTICE = np.uint64(REPLY | NOTICE)


class Op(IntEnum):
    """Operations that cross an edge; a reply is its request with the REPLY bit set."""

    SEND = 0x01
    INDICATE = 0x02
    FRAME = 0x03
    OID = 0x04
    STATUS = 0x05
    WAN_SEND = 0x07
    TRANSFER = 0x06
    WAN_RECEIVE = 0x08
    LOOKAHEAD = 0x09
    INDICATE_CALL = 0x0A
    COMPLETE = SEND | REPLY
    RETURN = INDICATE | REPLY
    FRAME_DONE = FRAME | REPLY
    OID_DONE = OID | REPLY
    STATUS_DONE = STATUS | REPLY
    WAN_DONE = WAN_SEND | REPLY
    WAN_RECEIVE_DONE = WAN_RECEIVE | REPLY
    TRANSFER_DONE = TRANSFER | REPLY
    LOOKAHEAD_DONE = LOOKAHEAD | REPLY
    INDICATE_CALL_DONE = INDICATE_CALL | REPLY
    CANCEL = 0x01 | NOTICE
    CANCEL_OID = 0x02 | NOTICE
    PNP = 0x03 | NOTICE
    VERDICT = 0x04 | NOTICE
    RECEIVE_COMPLETE = 0x05 | NOTICE


class OpInfo(NamedTuple):
    """What handing packets over under an operation means.

    `state` goes into the ledger word, `rule` is broken by handing over a packet that is not held, `act` is the verb.
    """

    state: int
    rule: str
    act: str


_INFO = {
    Op.SEND: OpInfo(2, "N6-SEND-03", "sent"),
    Op.INDICATE: OpInfo(3, "N6-RX-02", "indicated"),
    Op.FRAME: OpInfo(4, "N6-SEND-14", "transmitted"),
    Op.COMPLETE: OpInfo(5, "N6-SEND-10", "completed"),
    Op.RETURN: OpInfo(5, "N6-RX-04", "returned"),
    Op.FRAME_DONE: OpInfo(5, "N6-SEND-10", "released"),
    Op.TRANSFER: OpInfo(2, "N5-TD-03", "asked for by transfer"),
    Op.TRANSFER_DONE: OpInfo(5, "N5-TD-02", "completed"),
    Op.LOOKAHEAD: OpInfo(6, "N5-TD-01", "indicated"),
    Op.LOOKAHEAD_DONE: OpInfo(7, "N5-TD-01", "answered"),
    Op.INDICATE_CALL: OpInfo(3, "N6-RX-02", "indicated"),
    Op.INDICATE_CALL_DONE: OpInfo(5, "N6-RX-05", "given back"),
    Op.OID: OpInfo(6, "N6-OID-05", "requested"),
    Op.OID_DONE: OpInfo(7, "N6-OID-02", "completed"),
    Op.STATUS: OpInfo(6, "N6-IND-03", "indicated"),
    Op.STATUS_DONE: OpInfo(7, "N6-IND-03", "answered"),
    Op.WAN_SEND: OpInfo(2, "WAN-SND-03", "sent"),
    Op.WAN_DONE: OpInfo(5, "WAN-SND-01", "completed"),
    Op.WAN_RECEIVE: OpInfo(3, "WAN-RCV-01", "indicated"),
    Op.WAN_RECEIVE_DONE: OpInfo(5, "WAN-RCV-01", "given back"),
}
OP_INFO = [_INFO.get(Op(code), _INFO[Op.SEND]) if code in set(Op) else _INFO[Op.SEND] for code in range(256)]
"""By operation code: ledger states are 0 free, 1 owned, 2 sent, 3 indicated, 4 on the wire, 5 given back,
6 a message asked, 7 a message answered."""
MESSAGES = frozenset(int(op) for op, info in _INFO.items() if info.state == 6)
MESSAGE_ANSWERS = frozenset(int(op) for op, info in _INFO.items() if info.state == 7)


NESTED = frozenset({Op.OID, Op.TRANSFER, Op.VERDICT, Op.WAN_SEND})
"""Requests and notices that are handled even while their driver waits: whoever made one may wait for it to go on."""

CALLED = 0x100000
"""Private flag of a send or transfer whose caller waits for the verdict."""
SYNCHRONOUS = 0x100000
"""Private flag of a reply that is that verdict."""

INDICATED = 3
"""The ledger state of packets lent upwards."""

FREEING = OpInfo(0, "N6-NBL-11", "freed")
"""Giving packets back to their pool, which crosses no edge."""


CALL_BY_CALL = frozenset({Op.SEND, Op.INDICATE_CALL})
"""Requests that reach the driver call by call, as made; others may be merged, unless their flags make claims."""


class SendFlags(IntFlag):
    """NDIS_SEND_FLAGS_XXX, with their Windows values."""

    NONE = 0
    DISPATCH_LEVEL = 0x1
    CHECK_FOR_LOOPBACK = 0x2
    SINGLE_QUEUE = 0x4


class SendCompleteFlags(IntFlag):
    """NDIS_SEND_COMPLETE_FLAGS_XXX, with their Windows values."""

    NONE = 0
    DISPATCH_LEVEL = 0x1
    SINGLE_QUEUE = 0x2


class ReceiveFlags(IntFlag):
    """NDIS_RECEIVE_FLAGS_XXX, with their Windows values; LOOPBACK stands for IS_LOOPBACK_PACKET on every NBL."""

    NONE = 0
    DISPATCH_LEVEL = 0x1
    RESOURCES = 0x2
    SINGLE_ETHER_TYPE = 0x100
    SINGLE_VLAN = 0x200
    PERFECT_FILTERED = 0x400
    SINGLE_QUEUE = 0x800
    LOOPBACK = 0x10000


LOOP_BACK = int(SendFlags.CHECK_FOR_LOOPBACK)
RESOURCES = int(ReceiveFlags.RESOURCES)
LOOPED = int(ReceiveFlags.LOOPBACK)
CLAIMS = int(
    ReceiveFlags.SINGLE_ETHER_TYPE
    | ReceiveFlags.SINGLE_VLAN
    | ReceiveFlags.PERFECT_FILTERED
    | ReceiveFlags.SINGLE_QUEUE
)
"""Flags asked for on every call, as plain numbers: an operation on an IntFlag costs as much as all other checks."""


_CLAIMED = CLAIMS << FLAGS_SHIFT


class ReturnFlags(IntFlag):
    """NDIS_RETURN_FLAGS_XXX, with their Windows values."""

    NONE = 0
    DISPATCH_LEVEL = 0x1


class Event(IntEnum):
    """What the flight recorder notes about a packet."""

    HANDED_OVER = 1
    GIVEN_BACK = 3


def call_meta(op: Op, flags: int) -> int:
    """Return the meta word of an operation, without END and status."""
    return op | flags << FLAGS_SHIFT


def event_meta(event: Event, op: int, edge: int, status: int = 0) -> int:
    """Return the meta word of a recorder event: event, operation, edge, status."""
    return event | op << 8 | edge << 16 | status << STATUS_SHIFT


def calls_in(op: Op, meta: NDArray[np.uint64], *, coalesce: bool) -> list[tuple[int, int]]:
    """Return start and stop of what a driver is to be called with: single calls, or as few as there are flags.

    Calls whose flags claim something stay single: what holds in each need not hold in all of them (N6-RX-09).
    """
    if (coalesce or op not in CALL_BY_CALL) and not int(meta[0]) & _CLAIMED:
        return runs(meta & CALL_MASK)
    return call_bounds(meta)


def call_bounds(meta: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """Return start and stop of each call in a run of entries; a last call without END reaches to the end."""
    stops = (np.flatnonzero(meta & END_MASK) + 1).tolist()
    if not stops or stops[-1] != len(meta):
        stops.append(len(meta))
    return list(zip([0, *stops[:-1]], stops, strict=True))


def whole_calls(entries: Entries) -> Entries:
    """Return the entries without a last call that is cut off by the end of the batch, if a whole one is before it.

    Sends are handed on call by call, as made (N6-SEND-06); only a call longer than a batch comes in parts.
    """
    meta = entries.meta
    if not len(meta) or int(meta[-1]) & (REPLY | NOTICE | END):
        return entries
    ends = np.flatnonzero(meta & (END_MASK | _REPLY_OR_NOTICE))
    if not len(ends):
        return entries
    count = int(ends[-1]) + 1
    return Entries(entries.position, entries.arguments[:count], meta[:count])
