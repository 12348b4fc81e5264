"""Stand-in node bodies that the fork server can run in place of `nodes.host:main`."""

from __future__ import annotations

import signal

from nodes.spec import NodeSpec


def waits(spec: NodeSpec) -> int:
    """Do nothing until a signal ends the process."""
    while True:
        signal.pause()


def ends(spec: NodeSpec) -> int:
    """End at once with the status that the options name."""
    return int(spec.options.get("code", 0))
