"""Which rules a job brought into play: those that bind a driver of this kind in what it was seen to do.

What went through the driver is read from the counters of its ports; what was done to it is what the job does.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from nodes.verifier.rules import Held, load_rules
from orchestrator.observe import NodeView
from orchestrator.verify.subject import Subject


class Operation(StrEnum):
    """What can go through a driver or be done to it."""

    SEND = "send"
    RECEIVE = "receive"
    OID = "oid"
    STATUS = "status"
    CANCEL = "cancel"
    OID_CANCEL = "oid cancel"
    IRQL = "irql"
    EARLY = "early completion"
    PAUSE = "pause"
    RESET = "reset"
    REMOVAL = "removal"
    UNBIND = "unbind"
    HALT = "halt"


_BY_KIND = {"protocol": "p", "filter": "f", "intermediate": "i", "miniport": "m"}

_TABLE: tuple[tuple[Operation, str, str], ...] = (
    (Operation.SEND, "pfi", "N6-SEND-03 N6-NBL-14 N6-NBL-01"),
    (Operation.SEND, "p", "N6-SEND-02 N6-SEND-21 N6-NBL-10 N6-NBL-11 N6-NBL-15"),
    (Operation.SEND, "fim", "N6-SEND-13 N6-NBL-08"),
    (Operation.SEND, "im", "N6-SEND-10 N6-SEND-11 N6-SEND-14"),
    (Operation.SEND, "m", "N6-SEND-16 N6-SEND-19 N5-SND-11 N6-NBL-04"),
    (Operation.SEND, "i", "N6-NBL-04 N6-NBL-05 N6-NBL-07 N6-IM-02 N6-IM-04"),
    (Operation.SEND, "f", "N6-FLT-01 N6-FLT-02 N6-FLT-03 N6-FLT-05 N6-FLT-06 N6-FLT-08 N6-NBL-04 N6-NBL-05"),
    (Operation.SEND, "M", "N5-SND-01 N5-SND-02 N5-SND-04 N5-SND-05 N5-SND-09 N6-SEND-11 N6-SEND-19"),
    (Operation.SEND, "P", "N5-SND-07 N6-SEND-03"),
    (
        Operation.SEND,
        "W",
        "WAN-SND-01 WAN-SND-02 WAN-SND-03 WAN-SND-04 WAN-SND-08 WAN-SND-09 WAN-SND-10 WAN-SND-12",
    ),
    (Operation.RECEIVE, "m", "N6-RX-01 N6-RX-02 N6-RX-09"),
    (Operation.RECEIVE, "pi", "N6-RX-04 N6-RX-05 N6-NBL-06 N6-NBL-09"),
    (Operation.RECEIVE, "f", "N6-RX-05 N6-RX-07 N6-RX-09 N6-FLT-04 N6-NBL-06 N6-NBL-09"),
    (Operation.RECEIVE, "M", "N5-TD-02 N5-TD-06"),
    (Operation.RECEIVE, "P", "N5-TD-01 N5-TD-03 N5-TD-05"),
    (Operation.RECEIVE, "W", "WAN-RCV-02 WAN-RCV-03 WAN-LNK-04 WAN-LNK-08"),
    (Operation.STATUS, "pfimMPWN", "N6-IND-01 N6-IND-02 N6-IND-03"),
    (Operation.STATUS, "W", "WAN-LNK-01 WAN-LNK-02"),
    (Operation.OID, "fimMWN", "N6-OID-02 N6-OID-03 N6-OID-07 N6-OID-09 N6-OID-10 N6-OID-18 N6-OID-21"),
    (Operation.OID, "mM", "N6-OID-08 N6-OID-15 N6-OID-19"),
    (Operation.OID, "fi", "N6-OID-13"),
    (Operation.OID, "f", "N6-OID-14 N6-OID-20"),
    (Operation.OID, "i", "N6-IM-05"),
    (Operation.OID, "pP", "N6-OID-04 N6-OID-05 N6-OID-22"),
    (Operation.CANCEL, "imN", "N6-CAN-05"),
    (Operation.CANCEL, "fi", "N6-CAN-06"),
    (Operation.CANCEL, "fimN", "N6-CAN-07 N6-CAN-08"),
    (Operation.OID_CANCEL, "fimMN", "N6-OID-12"),
    (Operation.IRQL, "pfimPMWN", "N6-IRQL-01 N6-IRQL-02 N6-SEND-23 N6-LOCK-01 N6-LOCK-02"),
    (Operation.EARLY, "piP", "N6-SEND-05 N6-OID-06"),
    (Operation.PAUSE, "pfimPMWN", "N6-PNP-01 N6-PNP-02 N6-PNP-05"),
    (Operation.PAUSE, "imMWN", "N6-PNP-03 N6-RX-12"),
    (Operation.PAUSE, "piPN", "N6-PNP-09"),
    (Operation.PAUSE, "f", "N6-PNP-10 N6-PNP-11"),
    (Operation.RESET, "mMW", "N6-RST-02 N6-RST-03 N6-RST-04 N6-RST-05 N6-RST-07 N6-RST-08 N6-RST-11"),
    (Operation.RESET, "piPN", "N6-RST-06"),
    (Operation.REMOVAL, "mMW", "N6-OID-16 N6-UNB-04 N6-UNB-05"),
    (Operation.REMOVAL, "piPN", "N6-UNB-02 N6-UNB-03 N6-SEND-22"),
    (Operation.UNBIND, "piPN", "N6-UNB-01 N6-UNB-02 N6-UNB-03 N6-SEND-22"),
    (Operation.HALT, "pfimPMWN", "N6-NBL-12 N6-PNP-13"),
    (Operation.HALT, "mMW", "N6-PNP-14"),
)
"""Operation, roles, rules. Roles are the kinds of NDIS 6 by their first letters, P and M of NDIS 5, W a WAN miniport
and N an intermediate driver over such."""


def seen(view: NodeView) -> set[Operation]:
    """Return what went through a driver, by the counters of its ports."""
    found: set[Operation] = set()
    for port in view.ports:
        if port.kind != "binding":
            continue
        count = port.counters
        down, up = (
            ("requests_out", "requests_in") if port.side == "upper" else ("requests_in", "requests_out")
        )
        asked = "messages_out" if port.side == "upper" else "messages_in"
        found |= {Operation.SEND} if count[down] else set()
        found |= {Operation.RECEIVE} if count[up] else set()
        found |= {Operation.OID} if count[asked] else set()
    if view.counters["status_indications"]:
        found.add(Operation.STATUS)
    return found


def rules_of(subject: Subject, operations: Iterable[Operation]) -> list[str]:
    """Return the rules that bind this driver in these operations and are checked, in the contract's order."""
    role, done = role_of(subject), set(operations)
    wanted = {
        rule
        for operation, roles, ids in _TABLE
        if operation in done and role in roles
        for rule in ids.split()
    }
    return [
        key
        for key, rule in load_rules().items()
        if key in wanted and rule.held in (Held.CHECKED, Held.POLICY)
    ]


def named_rules() -> set[str]:
    """Return every rule that some job can bring into play."""
    return {rule for _, _, ids in _TABLE for rule in ids.split()}


def role_of(subject: Subject) -> str:
    """Return the letter of the table for a driver."""
    if subject.wan:
        return "W" if subject.kind == "miniport" else "N"
    letter = _BY_KIND[subject.kind]
    return letter.upper() if subject.generation == 5 else letter
