"""Faults that a run is given while it goes on: what they do to frames, completions, memory and time of one node.

The room's rule: a fault wraps what it disturbs and is there only while it is wanted, and the fate of a packet is a
function of seed, fault name and packet id. May import the node's own modules and shm.
"""

from nodes.faults.fault import Fault
from nodes.faults.node_faults import NodeFaults

__all__ = ["Fault", "NodeFaults"]
