"""The series of a report: a run second by second."""

from __future__ import annotations

from orchestrator.report_part import Microseconds, Part


class NodeSecond(Part):
    """One node in a row of the series; `held` are the packets of others that it had been given when the row ended."""

    completed: int
    received: int
    held: int


class EdgeSecond(Part):
    """One edge in a row of the series: packets under way both ways when it ended, requests down and up in it."""

    occupancy: int
    down_pps: float
    up_pps: float


class SeriesRow(Part):
    """What came after the row before, up to `t_s` (seconds since all nodes ran); `in_flight` is as it stood then.

    Latency counts from the send, and from the planned time where there is one.
    """

    t_s: float
    completed: int
    throughput_pps: float
    p50_us: Microseconds
    p99_us: Microseconds
    max_us: Microseconds
    planned_p50_us: Microseconds = None
    planned_p99_us: Microseconds = None
    planned_max_us: Microseconds = None
    in_flight: int
    nodes: dict[str, NodeSecond]
    edges: dict[str, EdgeSecond]
