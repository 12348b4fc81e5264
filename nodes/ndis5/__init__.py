"""NDIS 5: miniports whose sends have a verdict, and protocols that look ahead and ask for the rest.

The room's rule: a handler's return value is a status, and only PENDING leaves something owed. NDIS's own half, the
queue of a serialised miniport and the calls that see a verdict, is here as well. May import the node's own modules,
`nodes.ndis` and shm.
"""

from nodes.ndis5.adapter import Adapter5
from nodes.ndis5.binding import Binding5
from nodes.ndis5.miniport import BadCharacteristics, Miniport5
from nodes.ndis5.protocol import Protocol5

__all__ = ["Adapter5", "BadCharacteristics", "Binding5", "Miniport5", "Protocol5"]
