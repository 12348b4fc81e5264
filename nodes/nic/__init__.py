"""The NIC under a miniport: transmit ring, line, wire and receive buffers.

The room's rule: hardware does not call NDIS; it tells its driver through callbacks, as an interrupt would. May import
the node's own modules and shm.
"""

from nodes.nic.receiver import Receiver
from nodes.nic.transmitter import Transmitter
from nodes.nic.wire import Wire

__all__ = ["Receiver", "Transmitter", "Wire"]
