"""Load a stack with many senders and judge it: shapes without a file, senders for any topology, named jobs.

The room's rule: it makes topologies and reads reports; launching is the command's business. May import
`orchestrator.topology`, `orchestrator.drivers` and `nodes`.
"""
