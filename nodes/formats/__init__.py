"""Bytes as others know them: Ethernet, IP and UDP headers, check sums, pcapng files.

The room's rule: whole chains at once, no networking and no nodes. May import the standard library and numpy.
"""
