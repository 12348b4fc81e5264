"""Show text that came from a file inside a message: quoted, escaped and short, and suggest what was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 60


def quoted(value: object) -> str:
    """Quote a value for a message: control characters are escaped and a long text is cut."""
    text = str(value)
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the closest of the known words as a hint; without a close one list them, without any return ""."""
    words = sorted(known)
    by_lower = {name.lower(): name for name in words}
    close = get_close_matches(word[:_LONGEST].lower(), by_lower, n=1)
    if close:
        return f"did you mean {by_lower[close[0]]}?"
    return f"known: {', '.join(words[:20])}{', ...' if len(words) > 20 else ''}" if words else ""
