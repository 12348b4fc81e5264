"""How a node becomes a process: fork server, driver files, assembly, the loop that polls and sleeps.

The room's rule: everything is bounded, and whoever lost the orchestrator ends. May import all of nodes/ and shm.
"""
