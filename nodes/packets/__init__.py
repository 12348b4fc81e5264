"""What a packet is, whose it is, and what is owed for it before it may go.

The room's rule: the private tables of a node decide, shared memory only repeats them. Hot paths are vectors over slots.
May import shm, the verifier and the small modules of nodes/.
"""
