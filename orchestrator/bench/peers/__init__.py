"""The other ways to move packets between processes, each used as well as we know how.

Rule: a peer is one file with one class that satisfies `Peer`; the roles in `orchestrator.bench.roles` drive
all of them alike. A peer imports its library inside its functions: a missing one is a remark, no error.
"""
