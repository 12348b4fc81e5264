"""The contract as rules, and what is reported when one is broken.

The room's rule: rules are data; checks run where packets cross, in the port and in the drivers' call objects.
May import shm and the node's own small modules, nothing of the orchestrator.
"""

from nodes.verifier.violation import Violation

__all__ = ["Violation"]
