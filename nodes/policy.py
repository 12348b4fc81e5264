"""Where the contract leaves a choice: what it infers, and where its sources contradict each other, as switches.

A topology sets them under `policy:`; what it does not name has the default that section 10 of the contract
proposes. Every switch says which rule or contradiction it decides.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from nodes.options import Choice, Duration


def _switch(default: str, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Policy:
    """The switches of a run, the same for all of its nodes."""

    delivery_irql: Annotated[str, Choice(("passive", "dispatch", "random"))] = _switch(
        "passive", "IRQL at which calls are delivered; random: drawn for each call (N6-IRQL-01)"
    )
    filter_oid_irql: Annotated[str, Choice(("passive", "dispatch"))] = _switch(
        "passive", "highest IRQL of a filter's regular OID handler (contradiction 6)"
    )
    lock_across_calls: Annotated[str, Choice(("violation", "allowed"))] = _switch(
        "violation", "a spin lock held across an NDIS 6 completion or indication, inferred (N6-LOCK-02)"
    )
    reset_hold: Annotated[str, Choice(("by-version", "never", "always"))] = _switch(
        "by-version", "whether sends and OIDs may be held across a reset (contradiction 3, N6-RST-03)"
    )
    reset_status: Annotated[str, Choice(("both", "reset-in-progress"))] = _switch(
        "both", "both: a send aborted by reset may carry REQUEST_ABORTED too (contradiction 2, N6-RST-04)"
    )
    reset_sends: Annotated[str, Choice(("violation", "refused"))] = _switch(
        "violation", "a protocol's sends between RESET_START and RESET_END; refused either way (N6-RST-06)"
    )
    removal_order: Annotated[str, Choice(("windows-8", "vista"))] = _switch(
        "windows-8", "order of events at a surprise removal (contradiction 10, N6-UNB-04)"
    )
    removal_status: Annotated[str, Choice(("any", "closed-set"))] = _switch(
        "any",
        "any: sends after a surprise removal may carry DEVICE_FAILED or REQUEST_ABORTED too"
        " (contradiction 10, N6-UNB-05)",
    )

    ndis5_sends: Annotated[str, Choice(("call", "post"))] = _switch(
        "call",
        "post: an NDIS 5 send is always answered with PENDING first (contradiction 1, N5-SND-07, N5-SND-12)",
    )
    early_completion: Annotated[str, Choice(("no", "yes"))] = _switch(
        "no",
        "yes: a send call lingers, so that its completion can come before it returns, inferred (N6-SEND-05)",
    )
    resources: Annotated[str, Choice(("call", "copy"))] = _switch(
        "call", "copy: NDIS copies what is indicated with RESOURCES and clears the flag (N6-RX-06)"
    )
    send_limit: Duration = field(
        default=30_000_000_000,
        metadata={
            "help": "how long a send may be in a miniport, or anything in a filter (N6-SEND-19, N6-FLT-08)"
        },
    )
    hang_limit: Duration = field(
        default=22_000_000_000,
        metadata={"help": "how long a miniport with sends may go without completing any (N6-SEND-19)"},
    )
    pause_limit: Duration = field(
        default=10_000_000_000,
        metadata={"help": "how long a filter may take to pause (N6-PNP-11)"},
    )
    oid_limit: Duration = field(
        default=12_000_000_000,
        metadata={"help": "how long a driver may take to answer an OID request (N6-OID-10)"},
    )
    oid_cancel_limit: Duration = field(
        default=1_000_000_000,
        metadata={"help": "how long it may take once the request is cancelled, inferred (N6-OID-12)"},
    )
    handler_limit: Duration = field(
        default=1_000_000_000,
        metadata={"help": "how long an OID or status handler may run, inferred (N6-OID-09, N6-IND-05)"},
    )

    wan_completion_irql: Annotated[str, Choice(("by-serialisation", "dispatch"))] = _switch(
        "by-serialisation",
        "by-serialisation: DISPATCH for a serialised WAN miniport, at most DISPATCH for another; dispatch: always"
        " (contradiction 23, WAN-SND-09)",
    )

    def pack(self) -> dict[str, Any]:
        """Return the switches that are not at their default, as a node's spec carries them."""
        default = asdict(Policy())
        return {name: value for name, value in asdict(self).items() if value != default[name]}
