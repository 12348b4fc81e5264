"""How the processor is shared between those who send and the drivers that carry it."""

from __future__ import annotations

import math

STEP = 1.25
"""The kernel's ratio between the shares of two processes whose nice values are one apart."""
MOST = 19


def niceness(sources: int) -> int:
    """Return by how much each of so many sources gives way, so that together they weigh as one driver for the kernel.

    On a real machine a driver's work comes before any application's. Were a mux but one of 65 equals, its senders
    would wake for every few packets that it completes, and it would hardly run.
    """
    return min(round(math.log(max(sources, 1), STEP)), MOST)
