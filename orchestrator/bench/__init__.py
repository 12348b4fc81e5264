"""Measure ndisim beside its peers, each doing the same checked work on the same machine.

Rule: a figure counts only when every packet arrived, its header was read, and its completion came back.
Imports `nodes`, `shm` and the rest of `orchestrator`; optional peers are imported only when asked for.
"""
