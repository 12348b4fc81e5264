"""A filter that does nothing: every handler is bypassed."""

from __future__ import annotations

from nodes.ndis import Filter


class PassThrough(Filter):
    """Pass everything on untouched."""
