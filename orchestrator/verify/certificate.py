"""The certificate of drivers, ``ndisim.certificate/1``: every job with what it exercised and how it ended, as data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.report_model import ViolationPart

SCHEMA: Literal["ndisim.certificate/1"] = "ndisim.certificate/1"

Result = Literal["pass", "violations", "failed"]
Verdict = Literal["certified", "violations", "failed"]

EXIT_CODES: dict[Verdict, int] = {"certified": 0, "failed": 1, "violations": 98}
"""What the command returns; 2 is kept for a driver that was never put to the test."""


class _Part(BaseModel):
    """Base of the certificate's parts: immutable, closed, written with public key names."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class JobPart(_Part):
    """One job: packets that were accepted, rules whose checks it brought into play, real seconds it took.

    `runs` is more than 1 for a sweep; packets and rules are those of its first run, or of the one that failed.

    `result` is ``violations`` also when conservation is broken; `error` says why a job broke off. `violation_count`
    counts all, `violations` holds the first of them.
    """

    job: str
    what: str
    mode: Literal["processes", "inline"]
    runs: int
    packets: int
    rules: list[str]
    result: Result
    duration_s: float
    error: str | None
    violation_count: int
    violations: list[ViolationPart]


class DriverPart(_Part):
    """One driver and its jobs; `medium` is ``ethernet`` or ``wan``, `generation` the major version of NDIS."""

    driver: str
    kind: str
    generation: int
    medium: str
    options: dict[str, Any]
    verdict: Verdict
    jobs: list[JobPart]

    @property
    def rules(self) -> list[str]:
        """Return every rule that some job brought into play, in the order of their first mention."""
        return list(dict.fromkeys(rule for job in self.jobs for rule in job.rules))


class Certificate(_Part):
    """What a verification found, ``ndisim.certificate/1``."""

    schema_: Annotated[Literal["ndisim.certificate/1"], Field(alias="schema")] = SCHEMA
    level: int
    seed: int
    verdict: Verdict
    drivers: list[DriverPart]

    @property
    def exit_code(self) -> int:
        """Return what the command ends with."""
        return EXIT_CODES[self.verdict]

    def to_json(self) -> str:
        """Return the certificate as indented JSON, its keys always in the same order."""
        return self.model_dump_json(indent=2)


def worst(results: list[Result] | list[Verdict]) -> Verdict:
    """Return the verdict over some results: broken rules come before what merely failed, and nothing is certified."""
    if "violations" in results:
        return "violations"
    return "failed" if "failed" in results or not results else "certified"


def certificate_schema() -> dict[str, Any]:
    """Return the JSON schema of the certificate."""
    return Certificate.model_json_schema(by_alias=True, mode="serialization")
