"""Ready drivers, one file each: what a topology file can name without code of its own.

The room's rule: a stock driver uses only what any driver may use. May import nodes and shm.
"""

__all__: list[str] = []
