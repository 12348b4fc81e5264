"""What the JUnit XML of certificates and of stress tests have in common: how a bad outcome is told."""

from __future__ import annotations

from collections.abc import Sequence

from junitparser import Error, Failure

from orchestrator.report_model import ViolationPart


def broken(violations: Sequence[ViolationPart]) -> Failure:
    """Return the failure of what broke these rules, each told with its place; none of them: conservation."""
    rules = list(dict.fromkeys(violation.rule for violation in violations)) or ["conservation"]
    failure = Failure(f"broken: {', '.join(rules)}", "violation")
    failure.text = "\n".join(f"{one.rule} {one.node}: {one.message}\n  at {one.source}" for one in violations)
    return failure


def broken_off(message: str, kind: str) -> Error:
    """Return the error of what ended before its time: its first line, the rest as the text."""
    first, _, rest = message.partition("\n")
    error = Error(first, kind)
    error.text = rest
    return error
