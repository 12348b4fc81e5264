"""Events of plug and play that protocols hear of."""

from __future__ import annotations

from enum import Enum


class NetEvent(Enum):
    """What `net_pnp_event` tells a protocol about a binding."""

    RESTART = "restart"
    PAUSE = "pause"
    PORT_ACTIVATION = "port-activation"
    PORT_DEACTIVATION = "port-deactivation"
    QUERY_REMOVE_DEVICE = "query-remove-device"
    CANCEL_REMOVE_DEVICE = "cancel-remove-device"

    @property
    def number(self) -> int:
        """Return the number that stands for it between nodes."""
        return list(NetEvent).index(self)

    @classmethod
    def of(cls, number: int) -> NetEvent | None:
        """Return the event with this number, None if there is none."""
        events = list(cls)
        return events[number] if 0 <= number < len(events) else None
