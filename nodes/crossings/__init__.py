"""A node's ends of its edges: packets, messages and notices that cross, waits for answers, and neighbours that died.

The room's rule: a reply always finds room, nothing ever blocks on a ring. May import shm, packets/ and
the small modules of nodes/.
"""
