"""Which counter of a node's board means what."""

from __future__ import annotations

from enum import IntEnum


class Counter(IntEnum):
    """Counters of a node (rows of the board's ``counters``)."""

    SENT = 0
    """Packets that this node originated and handed down: accepted by the stack."""
    COMPLETED = 1
    """Of those, how many came back, with any status."""
    SENT_BYTES = 2
    RECEIVED = 3
    """Packets delivered to this node's receive handler."""
    RECEIVED_BYTES = 4
    DUPLICATED = 5
    """Completions and returns refused because the packet was not out: double or foreign."""
    VIOLATIONS = 6
    WIRE_SENT = 7
    WIRE_LOST = 8
    """Frames that the wire's loss took."""
    RX_MISSED = 9
    """Frames that found no receive buffer, with flow control off."""
    CORRUPT = 10
    """Received frames whose check sum or stamp was wrong."""
    OUT_OF_ORDER = 11
    WAKES = 13
    MALFORMED = 14
    """Doorbell and control messages that made no sense and were dropped."""
    HELD = 15
    """Packets in the driver's hands now (a gauge)."""
    POOL_FREE = 16
    """Free slots of the node's pool now (a gauge)."""
    DROPPED = 17
    """Packets a driver threw away on purpose."""
    FOREIGN = 18
    """Received frames without the stamp of a load generator."""
    MISSING = 19
    """Stamped frames that have not come though later ones of their flow have (a gauge)."""
    REPEATED = 20
    """Stamped frames that came again."""
    OIDS = 21
    """OID requests that this node issued, clones included."""
    OIDS_ANSWERED = 22
    """OID requests that this node's driver answered."""
    STATUS_INDICATIONS = 23
    """Status indications that this node's driver made."""
    OIDS_FAILED = 24
    """Answers to OID requests that were not as they must be, where the driver checks."""
    ALLOCATIONS_FAILED = 25
    """Allocations of this node's driver that were made to fail (``verify: {force: ...}``)."""
    FLOWS = 26
    """Flows that this node sends, each counted in a place of its own (the board's ``flows``)."""
    PLANNED = 27
    """Packets sent by a plan: at a rate, each with a time at which it should leave."""
    LATE = 28
    """Of those, how many left more than a tick late for want of processor, not for want of window or credits."""
    WORST_LAG_US = 29
    """The longest that a planned packet was kept for want of processor, us (a gauge)."""
    CLOCK_STEP_NS = 40
    """The smallest step of the clock that a source saw before the run, ns; 0 where the clock is virtual."""
    WAKE_P50_NS = 41
    """How much later than asked a source's timer woke it before the run, ns, in half of the trials."""
    WAKE_P90_NS = 42
    """The same in nine of ten trials."""
    STARVED_US = 43
    """The longest that a source got no completion while it had packets in flight or wanted to send, us, rounded up;
    0: not measured."""
    FLOW_STARVED_US = 44
    """The same of a source's flows, where it has several: how long one wanted to send and had no turn."""
    FLOW_STARVED = 45
    """The place of the flow that this was."""
    LEAKED = 46
    """Slots of its own pool that a halted driver had not freed (a gauge)."""


FIRST_FAULT = 64
"""From this row of the board's ``counters`` on stands how many packets each fault of the run has hit on this node."""


class PortCounter(IntEnum):
    """Counters of one port (columns of the board's ``ports``)."""

    REQUESTS_OUT = 0
    REPLIES_IN = 1
    REQUESTS_IN = 2
    REPLIES_OUT = 3
    CALLS_OUT = 4
    BELLS = 6
    NOTICES = 7
    MESSAGES_OUT = 9
    ANSWERS_IN = 10
    MESSAGES_IN = 11
    ANSWERS_OUT = 12


class HistogramRow(IntEnum):
    """Histograms of a node."""

    LATENCY = 0
    """From the originator's send to its completion."""
    ONE_WAY = 1
    """From a frame's planned send time to its arrival at the receiver."""
    PLANNED = 2
    """From a packet's planned send time to its completion."""


class PhaseWord(IntEnum):
    """What a source shows of one phase of its schedule (columns of the board's ``phases``); times in ns, 0: not yet."""

    BEGAN = 0
    ENDED = 1
    SENT = 2
    """Packets planned in this phase that have left; in the closed model those that left while it was on."""
    COMPLETED = 3
    """Of those, how many came back, whenever that was."""
    RETURNED = 4
    """Packets that came back while it was on, of whichever phase."""


class PhaseHistogram(IntEnum):
    """Histograms of the packets of one phase (rows of the board's ``phase_histograms``)."""

    LATENCY = 0
    """From the send to the completion."""
    PLANNED = 1
    """From the planned send time to the completion."""


class NodeState(IntEnum):
    """States of a node, the words of N6-PNP-01."""

    HALTED = 0
    INITIALIZING = 1
    PAUSED = 2
    RESTARTING = 3
    RUNNING = 4
    PAUSING = 5
    FAILED = 6
    SHUTDOWN = 7
    BUGCHECKED = 8
    """Killed for a broken rule, under the policy ``bug-check``; written by the orchestrator."""
    CRASHED = 9
    """Killed by a fault of the run; written by the orchestrator."""
