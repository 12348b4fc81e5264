"""Describe, launch, watch and report a topology of driver nodes; may import `nodes` and `shm`."""
